#include "noema/pipelines/bench_mixers.h"

#include <algorithm>

#include "noema/decoders/backbone.h"

namespace noema {
namespace {

constexpr int kBlocks = 2;
constexpr const char* kPlainLongConv = "long-conv";

/// Sets an option where mixers of this kind have it.
void set_known(MixerDescription& mixer, const std::string& name, const MixerOption& value) {
  if (mixer_defaults(mixer.kind).contains(name)) mixer.options[name] = value;
}

bool has_free_taps(const MixerDescription& mixer) {
  const auto kernel = mixer.options.find("kernel");
  return kernel == mixer.options.end() || kernel->second == MixerOption(std::string("taps"));
}

MixerDescription as_benched(MixerDescription mixer, double dropout) {
  set_known(mixer, "convention", std::string("causal"));
  set_known(mixer, "causal", true);
  set_known(mixer, "dropout", dropout);
  if (has_free_taps(mixer)) set_known(mixer, "kernel_dropout", dropout);
  return mixer;
}

/// A mixer of volumes and one of channels.
std::vector<MixerDescription> block_named(const std::string& name) {
  if (name == kPlainLongConv) return {{"long-conv", {}}, {"swiglu", {}}};
  std::vector<MixerDescription> block = named_backbone(name).mixers;
  if (block.size() == 1) block.push_back({"swiglu", {}});
  return block;
}

}  // namespace

std::vector<std::string> bench_mixer_names() {
  std::vector<std::string> names = backbone_names();
  names.push_back(kPlainLongConv);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<MixerDescription> bench_mixers(const std::string& name, double dropout) {
  const std::vector<MixerDescription> block = block_named(name);
  std::vector<MixerDescription> mixers;
  for (int i = 0; i < kBlocks; ++i) {
    for (const MixerDescription& mixer : block) mixers.push_back(as_benched(mixer, dropout));
  }
  return mixers;
}

}  // namespace noema
