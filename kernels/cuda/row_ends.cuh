// kernels/cuda/row_ends: where the rows of a transform come from and where they go: series, kernels, or memory between
// kernels. A unit is a part of a channel's row (channel·outer + part), or the channel where rows are one part.
#pragma once

#include "noema/kernels/cuda/device.h"  // before butterflies.h: how wide vectors are

#include "noema/kernels/cpu/butterflies.h"
#include "noema/kernels/long_conv.h"

namespace noema::cuda {
namespace {

using cpu::Complex;

template <class Value>
NOEMA_DEVICE Value& value_of(const Series3<Value>& s, std::int64_t item, std::int64_t channel, std::int64_t time) {
  return s.data[item * s.batch_pitch + channel * s.channel_pitch + time * s.time_pitch];
}

/// series ∘ gate as a row of `half` complex values, whose second half of 2·half is the imaginary part.
struct SeriesSource {
  Series3<const float> series, gate;
  std::int64_t length, half;

  NOEMA_DEVICE float at_time(std::int64_t channel, std::int64_t item, std::int64_t time) const {
    if (time >= length) return 0.0F;
    const float x = value_of(series, item, channel, time);
    return gate.data == nullptr ? x : x * value_of(gate, item, channel, time);
  }
  NOEMA_DEVICE Complex at(std::int64_t channel, std::int64_t item, std::int64_t n) const {
    return {at_time(channel, item, n), at_time(channel, item, n + half)};
  }
};

/// out ← (row + skip ∘ skipped) ∘ gate, and out2 likewise with gate2, those that are there; without a gate the sum
/// itself. The skip term can be as large as all taps together, and rounding in a transform is relative to their norm,
/// so it does not go through that.
struct SeriesSink {
  Series3<float> out;
  Series3<const float> gate;
  Series3<float> out2;
  Series3<const float> gate2;
  SeriesSource skipped;
  const float* skip;

  NOEMA_DEVICE static void multiply_into(const Series3<float>& to, const Series3<const float>& by, std::int64_t channel,
                                         std::int64_t item, std::int64_t time, float x) {
    if (to.data == nullptr) return;
    value_of(to, item, channel, time) = by.data == nullptr ? x : x * value_of(by, item, channel, time);
  }
  NOEMA_DEVICE void put_time(std::int64_t channel, std::int64_t item, std::int64_t time, float x) const {
    if (time >= skipped.length) return;
    const float weight = skip[channel];
    if (weight != 0.0F) x += weight * skipped.at_time(channel, item, time);
    multiply_into(out, gate, channel, item, time, x);
    multiply_into(out2, gate2, channel, item, time, x);
  }
  NOEMA_DEVICE void put(std::int64_t channel, std::int64_t item, std::int64_t n, const Complex& x) const {
    put_time(channel, item, n, x.re);
    put_time(channel, item, n + skipped.half, x.im);
  }
};

/// Kernels without their skip terms on the circle of 2·half, where lag −n stands at 2·half − n with its sign turned;
/// times `scale`.
struct TapsSource {
  Taps<const float> taps;
  std::int64_t past, future, half;
  float scale;

  NOEMA_DEVICE float at_place(std::int64_t channel, std::int64_t place) const {
    float tap = place < past ? taps.past[channel * taps.past_pitch + place] : 0.0F;
    const std::int64_t i = 2 * half - 1 - place;  // lag −1 − i
    if (i < future) tap -= taps.future[channel * taps.future_pitch + i * taps.future_step];
    return tap * scale;
  }
  NOEMA_DEVICE Complex at(std::int64_t channel, std::int64_t, std::int64_t n) const {
    return {at_place(channel, n), at_place(channel, n + half)};
  }
};

/// The gradient of kernels from the circle, times `scale`. `skip` gets that of lag 0 too.
struct TapsSink {
  Taps<float> taps;
  std::int64_t past, future, half;
  float scale;

  NOEMA_DEVICE void put_place(std::int64_t channel, std::int64_t place, float x) const {
    if (place < past) taps.past[channel * taps.past_pitch + place] = x * scale;
    if (place == 0 && taps.skip != nullptr) taps.skip[channel] = x * scale;
    const std::int64_t i = 2 * half - 1 - place;
    if (i < future) taps.future[channel * taps.future_pitch + i * taps.future_step] = -x * scale;
  }
  NOEMA_DEVICE void put(std::int64_t channel, std::int64_t, std::int64_t n, const Complex& x) const {
    put_place(channel, n, x.re);
    put_place(channel, n + half, x.im);
  }
};

/// Rows between kernels: for each channel its items, for each item its parts of `size` values.
struct PartsInMemory {
  Complex* values;
  std::int64_t items, outer, size;

  NOEMA_DEVICE Complex& value(std::int64_t unit, std::int64_t item, std::int64_t n) const {
    return values[((unit / outer * items + item) * outer + unit % outer) * size + n];
  }
  NOEMA_DEVICE Complex at(std::int64_t unit, std::int64_t item, std::int64_t n) const { return value(unit, item, n); }
  NOEMA_DEVICE void put(std::int64_t unit, std::int64_t item, std::int64_t n, const Complex& x) const {
    value(unit, item, n) = x;
  }
};

}  // namespace
}  // namespace noema::cuda
