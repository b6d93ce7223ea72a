// mixers/free_taps_options: refuses options of free taps for kernels of other kinds, for the mixers' own files.
#pragma once

#include <string_view>

#include "noema/mixers/shared_options.h"

namespace noema {

/// @throws UsageError if the kernel has no free taps, but options that act on these alone are neither as `usual` nor
/// off.
void require_free_taps(std::string_view mixer, const LongKernelOptions& options, const LongKernelOptions& usual);

/// The same of a mixer's options beside its defaults.
template <class Options>
void require_free_taps(std::string_view mixer, const Options& options) {
  require_free_taps(mixer, long_kernel_of(options), long_kernel_of(Options()));
}

}  // namespace noema
