// kernels/simd: which instructions of the processor the loops use.
#pragma once

#include <string_view>

namespace noema {

/// Each level has all of those before it.
enum class SimdLevel {
  baseline,  ///< vectors of 4 floats, on every processor
  avx2,      ///< 8 floats, AVX2 and FMA
  avx512,    ///< 16 floats, AVX-512 F, BW, DQ and VL
  amx,       ///< AVX-512 with bf16, and tiles of bf16 that the kernel lets this process use
};

/// The highest level of this processor and operating system, or the lower one that NOEMA_SIMD names
/// ("baseline", "avx2", "avx512", "amx"). Determined at the first call.
///
/// @throws UsageError when NOEMA_SIMD is no level, or one that this machine does not have.
SimdLevel simd_level();

/// The highest level of this machine, whatever NOEMA_SIMD says.
SimdLevel highest_simd_level();

std::string_view name_of(SimdLevel level);

}  // namespace noema
