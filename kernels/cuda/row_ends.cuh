// kernels/cuda/row_ends: where the rows of a transform come from and where they go: series, kernels, or memory between
// kernels. A unit is a part of a channel's row (channel·outer + part), or the channel where rows are one part. A source
// or sink gives a thread its row once, and the row then has little left to reckon for each value.
#pragma once

#include "noema/kernels/cuda/device.h"  // before butterflies.h: how wide vectors are

#include "noema/kernels/cpu/butterflies.h"
#include "noema/kernels/long_conv.h"

namespace noema::cuda {
namespace {

using cpu::Complex;

/// One item of one channel, `pitch` apart; in threads' hands, so it is small. Places within a row are counted in 32
/// bits, for a product of 64 takes a thread many instructions.
template <class Value>
struct TimesOfRow {
  Value* data;
  unsigned pitch;

  NOEMA_DEVICE Value* at(int time) const { return data + static_cast<unsigned>(time) * pitch; }
};
template <class Value>
NOEMA_DEVICE TimesOfRow<Value> times_of(const Series3<Value>& s, std::int64_t item, std::int64_t channel) {
  return {settled(s.data + item * s.batch_pitch + channel * s.channel_pitch), static_cast<unsigned>(s.time_pitch)};
}
/// Of a gate that may not be there: then it is a row of `one`, so that no value asks whether it is.
NOEMA_DEVICE TimesOfRow<const float> times_of_gate(const Series3<const float>& s, const float* one, std::int64_t item,
                                                   std::int64_t channel) {
  return s.data == nullptr ? TimesOfRow<const float>{one, 0} : times_of(s, item, channel);
}

/// What the compiler knows of the ends of a convolution's rows. `kReal`: the imaginary part of a row has no value of
/// the series. `kGated`: there may be gates.
template <bool kRealRows, bool kGates>
struct Ends {
  static constexpr bool kReal = kRealRows, kGated = kGates;
};

/// series ∘ gate as a row of `half` complex values, whose second half of 2·half is the imaginary part.
template <class Ends>
struct SeriesSource {
  Series3<const float> series, gate;
  const float* one;
  int length, half;

  struct Row {
    static constexpr bool kReal = Ends::kReal;
    TimesOfRow<const float> series, gate;
    int length, half;

    NOEMA_DEVICE float at_time(int time) const {
      if (time >= length) return 0.0F;
      const float x = read_only(series.at(time));
      if constexpr (Ends::kGated) return x * read_only(gate.at(time));
      return x;
    }
    NOEMA_DEVICE Complex at(int n) const { return {at_time(n), kReal ? 0.0F : at_time(n + half)}; }
  };
  NOEMA_DEVICE Row row(std::int64_t channel, std::int64_t item) const {
    return {times_of(series, item, channel), times_of_gate(gate, one, item, channel), length, half};
  }
};

/// out ← (row + skip ∘ skipped) ∘ gate, and out2 likewise with gate2 if it is there; without a gate the sum itself. The
/// skip term can be as large as all taps together, and rounding in a transform is relative to their norm, so it does
/// not go through that.
template <class Ends>
struct SeriesSink {
  Series3<float> out;
  Series3<const float> gate;
  Series3<float> out2;
  Series3<const float> gate2;
  SeriesSource<Ends> skipped;
  const float* skip;

  struct Row {
    TimesOfRow<float> out;
    TimesOfRow<const float> gate;
    TimesOfRow<float> out2;
    TimesOfRow<const float> gate2;
    typename SeriesSource<Ends>::Row skipped;
    float weight;

    /// What a later put at n adds; on its own, so that a thread can read it before it puts anything.
    NOEMA_DEVICE Complex before(int n) const {
      if (weight == 0.0F) return {0.0F, 0.0F};
      const Complex x = skipped.at(n);
      return {weight * x.re, weight * x.im};
    }
    NOEMA_DEVICE void put_time(int time, float x) const {
      if (time >= skipped.length) return;
      if constexpr (!Ends::kGated) {
        *out.at(time) = x;
      } else {
        *out.at(time) = x * read_only(gate.at(time));
        if (out2.data != nullptr) *out2.at(time) = x * read_only(gate2.at(time));
      }
    }
    NOEMA_DEVICE void put(int n, const Complex& x, const Complex& before) const {
      put_time(n, x.re + before.re);
      if constexpr (!Ends::kReal) put_time(n + skipped.half, x.im + before.im);
    }
  };
  NOEMA_DEVICE Row row(std::int64_t channel, std::int64_t item) const {
    const float* one = skipped.one;
    return {times_of(out, item, channel),
            times_of_gate(gate, one, item, channel),
            out2.data == nullptr ? TimesOfRow<float>{} : times_of(out2, item, channel),
            times_of_gate(gate2, one, item, channel),
            skipped.row(channel, item),
            read_only(skip + channel)};
  }
};

/// Kernels without their skip terms on the circle of 2·half, where lag −n stands at 2·half − n with its sign turned;
/// times `scale`.
struct TapsSource {
  Taps<const float> taps;
  int past, future, half;
  float scale;

  struct Row {
    static constexpr bool kReal = false;
    const float* taps_past;
    const float* taps_future;
    std::int64_t future_step;
    int past, future, half;
    float scale;

    NOEMA_DEVICE float at_place(int place) const {
      float tap = place < past ? taps_past[place] : 0.0F;
      const int i = 2 * half - 1 - place;  // lag −1 − i
      if (i < future) tap -= taps_future[i * future_step];
      return tap * scale;
    }
    NOEMA_DEVICE Complex at(int n) const { return {at_place(n), at_place(n + half)}; }
  };
  NOEMA_DEVICE Row row(std::int64_t channel, std::int64_t) const {
    return {taps.past + channel * taps.past_pitch,
            taps.future + channel * taps.future_pitch,
            taps.future_step,
            past,
            future,
            half,
            scale};
  }
};

/// The gradient of kernels from the circle, times `scale`. `skip` gets that of lag 0 too.
struct TapsSink {
  Taps<float> taps;
  int past, future, half;
  float scale;

  struct Row {
    float* taps_past;
    float* taps_future;
    float* skip;
    std::int64_t future_step;
    int past, future, half;
    float scale;

    NOEMA_DEVICE static Complex before(int) { return {0.0F, 0.0F}; }
    NOEMA_DEVICE void put_place(int place, float x) const {
      if (place < past) taps_past[place] = x * scale;
      if (place == 0 && skip != nullptr) *skip = x * scale;
      const int i = 2 * half - 1 - place;
      if (i < future) taps_future[i * future_step] = -x * scale;
    }
    NOEMA_DEVICE void put(int n, const Complex& x, const Complex&) const {
      put_place(n, x.re);
      put_place(n + half, x.im);
    }
  };
  NOEMA_DEVICE Row row(std::int64_t channel, std::int64_t) const {
    return {taps.past + channel * taps.past_pitch,
            taps.future + channel * taps.future_pitch,
            taps.skip == nullptr ? nullptr : taps.skip + channel,
            taps.future_step,
            past,
            future,
            half,
            scale};
  }
};

/// Rows between kernels: for each channel its items, for each item its parts of `size` values.
struct PartsInMemory {
  Complex* values;
  std::int64_t items;
  int outer, size;

  struct Row {
    static constexpr bool kReal = false;
    Complex* values;

    NOEMA_DEVICE Complex at(int n) const { return values[n]; }
    NOEMA_DEVICE static Complex before(int) { return {0.0F, 0.0F}; }
    NOEMA_DEVICE void put(int n, const Complex& x, const Complex&) const { values[n] = x; }
  };
  NOEMA_DEVICE Row row(std::int64_t unit, std::int64_t item) const {
    return {values + ((unit / outer * items + item) * outer + unit % outer) * size};
  }
};

}  // namespace
}  // namespace noema::cuda
