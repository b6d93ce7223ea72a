// kernels/cpu/row_loops: rows multiplied, gathered and scattered; for files of one instruction level.
#pragma once

#include "noema/kernels/cpu/lanes.h"
#include "noema/kernels/cpu/loops.h"
#include "noema/kernels/cpu/vectors.h"

namespace noema::cpu {
namespace {

void multiply(const float* a, const float* b, std::int64_t count, float* out) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store_loose(out + i, load_loose(a + i) * load_loose(b + i));
  for (; i < count; ++i) out[i] = a[i] * b[i];
}

void add_scaled(const float* a, float factor, std::int64_t count, float* out) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    store_loose(out + i, fma(all_lanes(factor), load_loose(a + i), load_loose(out + i)));
  }
  for (; i < count; ++i) out[i] += factor * a[i];
}

/// to[j·to_pitch + i] ← from[i·from_pitch + j], i below `rows` and j below `columns`, both in memory side by side.
void transpose_block(const float* from, std::int64_t from_pitch, std::int64_t rows, std::int64_t columns, float* to,
                     std::int64_t to_pitch) {
  std::int64_t i = 0;
  for (; i + kLanes <= rows; i += kLanes) {
    std::int64_t j = 0;
    for (; j + kLanes <= columns; j += kLanes) {
      Vector x[kLanes];
      for (int k = 0; k < kLanes; ++k) x[k] = load_loose(from + (i + k) * from_pitch + j);
      transpose(x);
      for (int k = 0; k < kLanes; ++k) store_loose(to + (j + k) * to_pitch + i, x[k]);
    }
    for (; j < columns; ++j) {
      for (int k = 0; k < kLanes; ++k) to[j * to_pitch + i + k] = from[(i + k) * from_pitch + j];
    }
  }
  for (; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) to[j * to_pitch + i] = from[i * from_pitch + j];
  }
}

void gather(const float* series, std::int64_t time_pitch, std::int64_t channel_pitch, std::int64_t length,
            std::int64_t channels, float* rows, std::int64_t row_pitch) {
  if (channel_pitch == 1) return transpose_block(series, time_pitch, length, channels, rows, row_pitch);
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t t = 0; t < length; ++t) rows[c * row_pitch + t] = series[c * channel_pitch + t * time_pitch];
  }
}

void scatter(const float* rows, std::int64_t row_pitch, std::int64_t length, std::int64_t channels, float* series,
             std::int64_t time_pitch, std::int64_t channel_pitch) {
  if (channel_pitch == 1) return transpose_block(rows, row_pitch, channels, length, series, time_pitch);
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t t = 0; t < length; ++t) series[c * channel_pitch + t * time_pitch] = rows[c * row_pitch + t];
  }
}

constexpr RowLoops kRowLoops = {multiply, add_scaled, gather, scatter};

}  // namespace
}  // namespace noema::cpu
