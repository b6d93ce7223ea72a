#include "noema/pipelines/bench_mixers.h"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/mixers/attention.h"
#include "noema/mixers/gated_long_conv.h"
#include "noema/mixers/h3.h"
#include "noema/mixers/long_conv.h"
#include "noema/mixers/short_conv.h"
#include "noema/mixers/swiglu.h"

namespace noema {
namespace {

using MakeMixer = std::function<std::shared_ptr<Mixer>(const BenchMixerShape&, at::Generator&)>;

MakeMixer long_conv_with(KernelKind kind) {
  return [kind](const BenchMixerShape& shape, at::Generator& generator) {
    LongConvOptions options;
    options.channels = shape.channels;
    options.taps = shape.length;
    options.kernel.kind = kind;
    options.dropout = options.kernel_dropout = shape.dropout;
    return std::make_shared<LongConv>(options, generator);
  };
}

std::shared_ptr<Mixer> make_h3(const BenchMixerShape& shape, at::Generator& generator) {
  H3Options options;
  options.channels = shape.channels;
  options.dropout = shape.dropout;
  return std::make_shared<H3>(options, generator);
}

std::shared_ptr<Mixer> make_attention(const BenchMixerShape& shape, at::Generator& generator) {
  AttentionOptions options;
  options.channels = shape.channels;
  options.volumes = shape.length;
  options.dropout = shape.dropout;
  return std::make_shared<Attention>(options, generator);
}

std::shared_ptr<Mixer> make_hyena(const BenchMixerShape& shape, at::Generator& generator) {
  GatedLongConvOptions options;
  options.channels = shape.channels;
  options.taps = shape.length;
  options.dropout = options.kernel_dropout = shape.dropout;
  return std::make_shared<GatedLongConv>(options, generator);
}

std::shared_ptr<Mixer> make_short_conv(const BenchMixerShape& shape, at::Generator& generator) {
  ShortConvOptions options;
  options.channels = shape.channels;
  options.dropout = shape.dropout;
  return std::make_shared<ShortConv>(options, generator);
}

const std::vector<std::pair<std::string, MakeMixer>>& makers() {
  static const std::vector<std::pair<std::string, MakeMixer>> list = {
      {"long-conv", long_conv_with(KernelKind::taps)},
      {"sine", long_conv_with(KernelKind::sine)},
      {"s4d", long_conv_with(KernelKind::state_space)},
      {"rational", long_conv_with(KernelKind::rational)},
      {"h3", make_h3},
      {"hyena", make_hyena},
      {"short-conv", make_short_conv},
      {"attention", make_attention},
  };
  return list;
}

}  // namespace

std::vector<std::string> bench_mixer_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : makers()) names.push_back(name);
  return names;
}

std::vector<std::shared_ptr<Mixer>> make_bench_mixers(const std::string& name, const BenchMixerShape& shape,
                                                      at::Generator& generator) {
  for (const auto& [known, make] : makers()) {
    if (known != name) continue;
    std::vector<std::shared_ptr<Mixer>> mixers;
    for (int block = 0; block < shape.blocks; ++block) {
      mixers.push_back(make(shape, generator));
      SwiGluOptions channels;
      channels.channels = shape.channels;
      channels.dropout = shape.dropout;
      mixers.push_back(std::make_shared<SwiGlu>(channels, generator));
    }
    return mixers;
  }
  const auto near = nearest_match(name, bench_mixer_names());
  throw UsageError(fmt::format("there is no backbone '{}'{}; known are {}", name,
                               near ? fmt::format(", did you mean '{}'?", *near) : "",
                               fmt::join(bench_mixer_names(), ", ")));
}

}  // namespace noema
