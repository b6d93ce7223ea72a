// kernels/cpu/direct_loops: sums over few taps as they are written; for files of one instruction level.
#pragma once

#include "noema/kernels/cpu/loops.h"
#include "noema/kernels/cpu/vectors.h"

namespace noema::cpu {
namespace {

constexpr int kBlock = 8;  // vectors, or taps, that are summed at once

void convolve_direct(const float* row, const float* taps, std::int64_t tap_count, std::int64_t length, float* y,
                     const float* next_in, const float* next_out) {
  constexpr std::int64_t kValues = kBlock * kLanes;
  static_assert(kValues <= kDirectMargin);
  for (std::int64_t t = 0; t < length; t += kValues) {
    Vector sums[kBlock] = {};
    const float* values = row + t + tap_count - 1;
    for (std::int64_t i = 0; i < tap_count; ++i) {
      const Vector tap = all_lanes(taps[i]);
      for (int v = 0; v < kBlock; ++v) sums[v] = fma(tap, load_loose(values - i + v * kLanes), sums[v]);
    }
    for (int v = 0; v < kBlock * kLanes; v += 16) {
      if (next_in != nullptr) __builtin_prefetch(next_in + t + v);
      if (next_out != nullptr) __builtin_prefetch(next_out + t + v, /*rw=*/1);
    }
    for (int v = 0; v < kBlock; ++v) {
      const std::int64_t left = length - t - v * kLanes;
      if (left >= kLanes) {
        store_loose(y + t + v * kLanes, sums[v]);
      } else {
        for (int lane = 0; lane < left; ++lane) y[t + v * kLanes + lane] = sums[v][lane];
      }
    }
  }
}

/// A block of kCount taps from tap i on.
template <int kCount>
void accumulate_taps(const float* row, const float* g, std::int64_t length, float* sums) {
  Vector parts[kCount] = {};
  for (std::int64_t t = 0; t < length; t += kLanes) {
    const Vector value = load_loose(g + t);
    for (int i = 0; i < kCount; ++i) parts[i] = fma(value, load_loose(row + t - i), parts[i]);
  }
  for (int i = 0; i < kCount; ++i) {
    store_loose(sums + i * kDirectLanes, load_loose(sums + i * kDirectLanes) + parts[i]);
  }
}

void accumulate_direct(const float* row, const float* g, std::int64_t tap_count, std::int64_t length, float* sums) {
  const float* values = row + tap_count - 1;
  std::int64_t i = 0;
  for (; i + kBlock <= tap_count; i += kBlock) {
    accumulate_taps<kBlock>(values - i, g, length, sums + i * kDirectLanes);
  }
  for (; i < tap_count; ++i) accumulate_taps<1>(values - i, g, length, sums + i * kDirectLanes);
}

constexpr DirectLoops kDirectLoops = {convolve_direct, accumulate_direct};

}  // namespace
}  // namespace noema::cpu
