// mixers/free_taps_options: refuses options of free taps for kernels of other kinds, for the mixers' own files.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <string_view>
#include <vector>

#include "noema/core/error.h"
#include "noema/mixers/shared_options.h"

namespace noema {

/// @throws UsageError if the kernel has no free taps, but options that act on these alone are neither as by default nor
/// off.
template <class Options>
void require_free_taps(std::string_view mixer, const Options& of_mixer) {
  const LongKernelOptions options = long_kernel_of(of_mixer), usual = long_kernel_of(Options());
  if (options.kernel.kind == KernelKind::taps) return;
  std::vector<std::string> idle;
  const auto note = [&](const char* name, auto found, auto as_usual, auto off) {
    if (found != as_usual && found != off) idle.push_back(fmt::format("{} = {}", name, found));
  };
  if (options.start != usual.start) idle.emplace_back("start");
  note("squash_threshold", options.squash_threshold, usual.squash_threshold, 0.0);
  note("smooth_width", options.smooth_width, usual.smooth_width, std::int64_t{1});
  note("published_smoothing", options.published_smoothing, usual.published_smoothing, false);
  note("kernel_dropout", options.dropout, usual.dropout, 0.0);
  if (idle.empty()) return;
  throw UsageError(fmt::format(
      "found {} for a {} whose kernel has no free taps, on which alone they act; expected kernel = \"taps\", "
      "or these options left out",
      fmt::join(idle, ", "), mixer));
}

}  // namespace noema
