// kernels/cuda/tile_kernels: the long convolution as products of Toeplitz matrices on tiles of bf16. A tile's values
// depend on the lags between its rows and columns alone, so a warp that goes down the series needs two new words for
// each 16 values and keeps the others.
#pragma once

#include "noema/kernels/cuda/device.h"
#include "noema/kernels/long_conv.h"

namespace noema::cuda {
namespace {

/// Items of a block, times of a warp's strip, and zeros before and behind a kernel's lags that strips reach.
constexpr int kTileItems = 16, kStripTimes = 64, kLagMargin = 80;

/// bf16 nearest to x.
NOEMA_DEVICE std::uint32_t nearest_bf16(float x) {
  const std::uint32_t bits = bits_of(x);
  if (x != x) return 0x7FC0U;
  return (bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16;
}

/// Two numbers as bf16, the first in the low half, and as two bf16 what is left of them.
struct SplitPair {
  std::uint32_t high, low;
};
NOEMA_DEVICE SplitPair split_pair(float first, float second) {
  const std::uint32_t a = nearest_bf16(first), b = nearest_bf16(second);
  const float rest_a = first - float_of(a << 16), rest_b = second - float_of(b << 16);
  return {a | b << 16, nearest_bf16(rest_a) | nearest_bf16(rest_b) << 16};
}

/// Where a channel's prepared kernel has what, in words: for each lag from −future − kLagMargin on the pair (tap of the
/// lag, tap of the lag before), all high parts and all low parts, then the tap of lag 0. That is zero in the pairs:
/// with a skip term it can be as large as all others together, and its products are exact enough in float32 alone.
struct PairLayout {
  std::int64_t past, future;

  NOEMA_DEVICE std::int64_t count() const { return past + future + 2 * kLagMargin; }
  NOEMA_DEVICE std::int64_t index(std::int64_t lag) const { return lag + future + kLagMargin; }
  NOEMA_DEVICE std::int64_t channel_words() const { return 2 * count() + 1; }
};

/// A thread for each pair of each channel.
NOEMA_KERNEL(256)
make_pairs(Taps<const float> taps, PairLayout layout, std::int64_t channels, std::uint32_t* prepared) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t c = index / layout.count(), i = index % layout.count();
  if (c >= channels) return;
  const auto tap = [&](std::int64_t lag) {
    if (lag >= layout.past || lag < -layout.future) return 0.0F;
    return lag >= 0 ? taps.past[c * taps.past_pitch + lag]
                    : taps.future[c * taps.future_pitch + (-1 - lag) * taps.future_step];
  };
  const std::int64_t lag = i - layout.index(0);
  const SplitPair pair = split_pair(lag == 0 ? 0.0F : tap(lag), lag == 1 ? 0.0F : tap(lag - 1));
  std::uint32_t* words = prepared + c * layout.channel_words();
  words[i] = pair.high;
  words[layout.count() + i] = pair.low;
  if (lag == 0) words[2 * layout.count()] = bits_of(tap(0) + (taps.skip == nullptr ? 0.0F : taps.skip[c]));
}

/// Sizes of the memory of a block, in words.
struct TileMemory {
  std::int64_t row_words;  // pairs of a row, with zeros behind, and gaps that keep items off each other's banks
  std::int64_t pairs;
  int parts;  // 2: high and low

  NOEMA_DEVICE std::int64_t row_part() const { return kTileItems * row_words; }
};

struct TileTask {
  LongConvForward series;
  std::int64_t batch, channels, length;
  PairLayout layout;
  TileMemory memory;
};

NOEMA_DEVICE float gated_value(const TileTask& task, std::int64_t item, std::int64_t channel, std::int64_t time) {
  const auto& [u, pre, post, y] = task.series;
  const float x = u.data[item * u.batch_pitch + channel * u.channel_pitch + time * u.time_pitch];
  if (pre.data == nullptr) return x;
  return x * pre.data[item * pre.batch_pitch + channel * pre.channel_pitch + time * pre.time_pitch];
}

/// What a thread keeps of tiles of a Toeplitz matrix, 64 × 16: words of lags 8 apart, of which each tile of 16 rows has
/// three. Word j is that of lag `lag` + 8·(j − 1) in the pair of the thread's row and column.
struct LagWords {
  std::uint32_t word[9];

  NOEMA_DEVICE void load(const std::uint32_t* pairs) {
    for (int j = 0; j < 9; ++j) word[j] = pairs[8 * (j - 1)];
  }
  /// 16 lags less.
  NOEMA_DEVICE void advance(const std::uint32_t* pairs) {
    for (int j = 8; j > 1; --j) word[j] = word[j - 2];
    word[1] = pairs[0];
    word[0] = pairs[-8];
  }
  NOEMA_DEVICE void tile(int i, std::uint32_t (&a)[4]) const {
    a[0] = a[3] = word[2 * i + 1];
    a[1] = word[2 * i + 2];
    a[2] = word[2 * i];
  }
};

/// y of one channel and up to 16 items, a block for each. `kExact`: bf16x3.
template <bool kExact>
NOEMA_KERNEL(256)
convolve_tiles(NOEMA_PARAMETER TileTask task, const std::uint32_t* prepared) {
  const std::int64_t channel = blockIdx.x % task.channels, first_item = blockIdx.x / task.channels * kTileItems;
  const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
  auto* rows = block_memory<std::uint32_t>();
  std::uint32_t* pairs = rows + task.memory.parts * task.memory.row_part();
  const std::uint32_t* words = prepared + channel * task.layout.channel_words();
  for (std::int64_t i = thread; i < task.memory.parts * task.memory.pairs; i += threads) pairs[i] = words[i];
  const std::int64_t row_words = task.memory.row_words;
  for (std::int64_t i = thread; i < task.memory.row_part(); i += threads) {
    const std::int64_t item = first_item + i / row_words, time = 2 * (i % row_words);
    const bool there = item < task.batch;
    const float a = there && time < task.length ? gated_value(task, item, channel, time) : 0.0F;
    const float b = there && time + 1 < task.length ? gated_value(task, item, channel, time + 1) : 0.0F;
    const SplitPair pair = split_pair(a, b);
    rows[i] = pair.high;
    if constexpr (kExact) rows[task.memory.row_part() + i] = pair.low;
  }
  __syncthreads();

  const int lane = thread % 32, g = lane / 4, q = lane % 4;
  const float zero = float_of(words[2 * task.layout.count()]);
  for (std::int64_t t0 = thread / 32 * kStripTimes; t0 < task.length; t0 += threads / 32 * kStripTimes) {
    float sums[4][2][4] = {};
    // Only values that a lag joins with the strip, in whole tiles.
    const std::int64_t reach = t0 - (task.layout.past - 1);
    const std::int64_t begin = reach > 0 ? reach / 16 * 16 : 0;
    std::int64_t end = t0 + kStripTimes + task.layout.future;
    end = end < task.length ? end : task.length;
    const std::uint32_t* lags = pairs + task.layout.index(t0 - begin + g - 2 * q);
    LagWords high, low;
    for (std::int64_t s0 = begin; s0 < end; s0 += 16, lags -= 16) {
      if (s0 == begin) {
        high.load(lags);
        if constexpr (kExact) low.load(lags + task.memory.pairs);
      } else {
        high.advance(lags);
        if constexpr (kExact) low.advance(lags + task.memory.pairs);
      }
      for (int n = 0; n < 2; ++n) {
        const std::uint32_t* v = rows + (8 * n + g) * row_words + s0 / 2 + q;
        const std::uint32_t v_high[2] = {v[0], v[4]};
        for (int i = 0; i < 4; ++i) {
          std::uint32_t a[4];
          high.tile(i, a);
          multiply_tiles(sums[i][n], a, v_high);
          if constexpr (kExact) {
            const std::uint32_t v_low[2] = {v[task.memory.row_part()], v[task.memory.row_part() + 4]};
            multiply_tiles(sums[i][n], a, v_low);
            low.tile(i, a);
            multiply_tiles(sums[i][n], a, v_high);
          }
        }
      }
    }
    for (int i = 0; i < 4; ++i) {
      for (int n = 0; n < 2; ++n) {
        for (int part = 0; part < 4; ++part) {
          const std::int64_t time = t0 + 16 * i + g + 8 * (part / 2), item = first_item + 8 * n + 2 * q + part % 2;
          if (time >= task.length || item >= task.batch) continue;
          const auto& [u, pre, post, y] = task.series;
          float value = sums[i][n][part] + zero * gated_value(task, item, channel, time);
          if (post.data != nullptr) {
            value *= post.data[item * post.batch_pitch + channel * post.channel_pitch + time * post.time_pitch];
          }
          y.data[item * y.batch_pitch + channel * y.channel_pitch + time * y.time_pitch] = value;
        }
      }
    }
  }
}

}  // namespace
}  // namespace noema::cuda
