// mixers/shared_options: what the options of several mixers have in common, for the mixers' own files.
#pragma once

#include <string_view>

#include "noema/mixers/long_kernel.h"
#include "noema/mixers/mixer.h"

namespace noema {

/// @throws UsageError unless `p` is a number from 0 to below 1.
inline void require_dropout(std::string_view mixer, std::string_view option, double p) {
  require_option(p >= 0 && p < 1, mixer, option, p, "a number from 0 to below 1");
}

/// The kernel of a mixer with these options.
template <class Options>
LongKernelOptions long_kernel_of(const Options& options) {
  LongKernelOptions kernel{.channels = options.channels,
                           .taps = options.taps,
                           .kernel = options.kernel,
                           .convention = options.convention,
                           .start = options.start,
                           .squash_threshold = options.squash_threshold,
                           .dropout = options.kernel_dropout};
  if constexpr (requires { options.smooth_width; }) {
    kernel.smooth_width = options.smooth_width;
    kernel.published_smoothing = options.published_smoothing;
  }
  return kernel;
}

/// @throws UsageError for values out of range.
inline void require_long_kernel(std::string_view mixer, const LongKernelOptions& options) {
  const auto require = [&](bool good, const char* name, double found, const char* expected) {
    require_option(good, mixer, name, found, expected);
  };
  require(options.channels >= 1, "channels", static_cast<double>(options.channels), "at least 1");
  require(options.taps >= 1, "taps", static_cast<double>(options.taps), "at least 1");
  require(options.squash_threshold >= 0, "squash_threshold", options.squash_threshold, "a number from 0 on");
  require(options.smooth_width >= 1 && options.smooth_width % 2 == 1, "smooth_width",
          static_cast<double>(options.smooth_width), "an odd number");
  require_dropout(mixer, "kernel_dropout", options.dropout);
}

}  // namespace noema
