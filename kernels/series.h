// kernels/series: series and kernels of many channels as pointers and pitches.
#pragma once

#include <cstdint>
#include <type_traits>

namespace noema {

/// Series of all items and channels: value (b, c, t) at data[b·batch_pitch + c·channel_pitch + t·time_pitch]. Fastest
/// where the time pitch is 1, then where the channel pitch is 1. `data` null: no such series.
template <class Value>
struct Series3 {
  Value* data = nullptr;
  std::int64_t batch_pitch = 0;
  std::int64_t channel_pitch = 0;
  std::int64_t time_pitch = 1;

  Value* row(std::int64_t item, std::int64_t channel) const {
    return data + item * batch_pitch + channel * channel_pitch;
  }
};

/// The kernels of all channels. Lag i is at past[c·past_pitch + i]; lag −1 − i at
/// future[c·future_pitch + i·future_step]. skip[c], unless null, is a further weight of lag 0: D in y = k∗u + D·u.
template <class Value>
struct Taps {
  Value* past = nullptr;
  std::int64_t past_pitch = 0;
  Value* future = nullptr;
  std::int64_t future_pitch = 0;
  std::int64_t future_step = 1;
  Value* skip = nullptr;
};

/// Channels begin … end − 1.
struct ChannelRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

}  // namespace noema
