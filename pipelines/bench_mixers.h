// pipelines/bench_mixers: the stacks of mixers that the benchmarks compare.
#pragma once

#include <string>
#include <vector>

#include "noema/mixers/mixer_list.h"

namespace noema {

/// "long-conv" and `backbone_names()`, in alphabetical order.
std::vector<std::string> bench_mixer_names();

/// Two blocks of the mixers of that name, with SwiGLU behind those that mix no channels. All see the past alone, and
/// free taps reach over the whole sequence.
/// @param dropout wherever a mixer has one.
/// @throws UsageError for an unknown name.
std::vector<MixerDescription> bench_mixers(const std::string& name, double dropout);

}  // namespace noema
