// kernels/cpu/loops: all loops of one instruction level. Each level's are the same source, compiled for its
// instructions.
#pragma once

#include <cstdint>

#include "noema/kernels/cpu/transform.h"
#include "noema/kernels/simd.h"

namespace noema::cpu {

struct RowLoops {
  /// out ← a ∘ b.
  void (*multiply)(const float* a, const float* b, std::int64_t count, float* out);
  /// out ← out + factor·a.
  void (*add_scaled)(const float* a, float factor, std::int64_t count, float* out);
  /// rows[c·row_pitch + t] ← series[c·channel_pitch + t·time_pitch].
  void (*gather)(const float* series, std::int64_t time_pitch, std::int64_t channel_pitch, std::int64_t length,
                 std::int64_t channels, float* rows, std::int64_t row_pitch);
  /// The other way.
  void (*scatter)(const float* rows, std::int64_t row_pitch, std::int64_t length, std::int64_t channels, float* series,
                  std::int64_t time_pitch, std::int64_t channel_pitch);
};

/// Sums over few taps. Rows have kDirectMargin readable floats behind the last that a sum takes.
struct DirectLoops {
  /// y[t] ← Σ taps[i] · row[t + taps − 1 − i], t below `length`; fetches meanwhile from `next_in` and `next_out`,
  /// unless null, as many values.
  void (*convolve)(const float* row, const float* taps, std::int64_t tap_count, std::int64_t length, float* y,
                   const float* next_in, const float* next_out);
  /// sums[i·kDirectLanes …] ← itself + parts of Σ g[t] · row[t + taps − 1 − i]; their total is the sum. Beyond `length`
  /// g has kDirectMargin zeros.
  void (*accumulate)(const float* row, const float* g, std::int64_t tap_count, std::int64_t length, float* sums);
};
constexpr std::int64_t kDirectMargin = 128;
constexpr std::int64_t kDirectLanes = 16;

struct Loops {
  TransformLoops transform;
  DirectLoops direct;
  RowLoops rows;
};

const Loops& loops_baseline();
const Loops& loops_avx2();
const Loops& loops_avx512();

inline const Loops& loops_of([[maybe_unused]] SimdLevel level) {
#if defined(__x86_64__)
  if (level >= SimdLevel::avx512) return loops_avx512();
  if (level == SimdLevel::avx2) return loops_avx2();
#endif
  return loops_baseline();
}

}  // namespace noema::cpu
