// mixers/implicit_kernel: which kernels a long convolution can have in place of free taps.
#pragma once

#include <cstdint>
#include <memory>

#include "noema/mixers/finite_kernels.h"
#include "noema/mixers/kernel_generator.h"
#include "noema/mixers/rational_kernel.h"
#include "noema/mixers/state_space.h"

namespace noema {

enum class KernelKind {
  taps,          ///< each tap a parameter
  sine,          ///< SineKernel
  state_space,   ///< StateSpaceKernel
  shift,         ///< ShiftKernel
  rational,      ///< RationalKernel
  band_limited,  ///< BandLimitedKernel
};

/// The kind, and what each kind must know.
struct KernelOptions {
  KernelKind kind = KernelKind::taps;
  SineKernelOptions sine;
  StateSpaceOptions state_space;
  /// N of the rational kernel.
  std::int64_t rational_order = 16;
  /// M of the band-limited kernel; at most its taps are used.
  std::int64_t band_coefficients = 16;
};

/// @param taps where the kernel ends; without meaning for state spaces and rational kernels, which have no end.
/// @return null for the kind `taps`.
/// @throws UsageError for options out of range.
std::shared_ptr<KernelGenerator> make_kernel(const KernelOptions& options, std::int64_t channels, std::int64_t taps,
                                             at::Generator& generator);

}  // namespace noema
