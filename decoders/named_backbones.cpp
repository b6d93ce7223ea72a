// The backbones that have a name.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <utility>

#include "noema/core/error.h"
#include "noema/decoders/backbone.h"

namespace noema {
namespace {

using List = std::vector<MixerDescription>;

/// Attention in windows of this many volumes to each side.
constexpr std::int64_t kSlidingWindow = 8;

/// A mixer of volumes, then one of channels.
List with_swiglu(MixerDescription mixer) { return {std::move(mixer), {"swiglu", {}}}; }

List attention(std::int64_t window) { return with_swiglu({"attention", {{"causal", false}, {"window", window}}}); }

/// A long convolution whose kernel is a function of few parameters.
List implicit(const std::string& kernel) { return {{"long-conv", {{"kernel", kernel}}}}; }

const std::map<std::string, List>& all_backbones() {
  static const std::map<std::string, List> all{
      {"attention", attention(0)},
      {"band-limited-conv", implicit("band-limited")},
      {"h3", with_swiglu({"h3", {{"dropout", 0.2}, {"shift_taps", std::int64_t{4}}}})},
      {"hyena", with_swiglu({"gated-long-conv", {{"kernel", std::string("sine")}}})},
      {"implicit-long-conv", implicit("sine")},
      {"monarch-mixer",
       {{"gated-long-conv",
         {{"convention", std::string("bidirectional")}, {"kernel", std::string("sine")}, {"residual", true}}},
        {"monarch", {}}}},
      {"rational-conv", implicit("rational")},
      {"s4d", implicit("state-space")},
      {"short-conv", with_swiglu({"short-conv", {}})},
      {"sliding-attention", attention(kSlidingWindow)}};
  return all;
}

}  // namespace

std::vector<std::string> backbone_names() {
  std::vector<std::string> names;
  for (const auto& [name, list] : all_backbones()) names.push_back(name);
  return names;
}

BackboneOptions named_backbone(const std::string& name) {
  const auto found = all_backbones().find(name);
  if (found == all_backbones().end()) {
    throw UsageError(
        fmt::format("there is no backbone '{}', expected one of {}", name, fmt::join(backbone_names(), ", ")));
  }
  BackboneOptions options;
  options.mixers = found->second;
  return options;
}

}  // namespace noema
