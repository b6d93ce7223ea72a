// pipelines/bench_mixers: the stacks of mixers that the benchmarks compare.
#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "noema/mixers/mixer.h"

namespace noema {

struct BenchMixerShape {
  int blocks = 2;
  std::int64_t channels = 64;
  /// The longest sequence.
  std::int64_t length = 128;
  double dropout = 0;
};

/// "long-conv" and `backbone_names()`, in alphabetical order.
std::vector<std::string> bench_mixer_names();

/// `blocks` times the mixers of that name, with SwiGLU behind those that mix no channels. All see the past alone, and
/// free taps reach over the whole sequence.
/// @throws UsageError for an unknown name.
std::vector<std::shared_ptr<Mixer>> make_bench_mixers(const std::string& name, const BenchMixerShape& shape,
                                                      at::Generator& generator);

}  // namespace noema
