// kernels/cuda/tile_kernels: the long convolution as products of Toeplitz matrices on tiles of bf16. A tile's values
// depend on the lags between its rows and columns alone, so a warp that goes down the series needs two new words for
// each 16 values and keeps the others.
#pragma once

#include "noema/kernels/cuda/device.h"
#include "noema/kernels/long_conv.h"

namespace noema::cuda {
namespace {

/// Zeros before and behind a kernel's lags that strips reach.
constexpr int kLagMargin = 80;

/// What a block convolves: kChannels channels of kItems items. A warp has kStripTimes times of all of them at once, and
/// a block has kWarps warps at most and registers such that kWarpsAtOnce run beside each other.
template <int kChannelsOfBlock, int kItemTiles, int kRowTiles, int kMostWarps, int kWarpsAtOnce>
struct TileShape {
  static constexpr int kChannels = kChannelsOfBlock, kTilesOfItems = kItemTiles, kTilesOfRows = kRowTiles;
  static constexpr int kWarps = kMostWarps, kBlocks = kWarpsAtOnce / kMostWarps;
  /// Has registers left for reading two values at once where four do not stand right for it.
  static constexpr bool kTwos = kItemTiles * kRowTiles <= 4;
  static constexpr int kItems = 8 * kItemTiles, kStripTimes = 16 * kRowTiles;
  static_assert(kStripTimes + 16 <= kLagMargin);
};
/// For series whose times are side by side: few sums at once where each takes three products or series are short.
using RowsShape = TileShape<1, 2, 4, 8, 24>;
using ShortRowsShape = TileShape<1, 2, 2, 4, 24>;
/// For others, of which it is fastest where channels are side by side; the second where a block has no memory for
/// eight channels.
using ColumnsShape = TileShape<8, 1, 2, 8, 16>;
using LongColumnsShape = TileShape<4, 1, 4, 8, 16>;

/// Two numbers as bf16, the first in the low half, and as two bf16 what is left of them.
struct SplitPair {
  std::uint32_t high, low;
};
NOEMA_DEVICE SplitPair split_pair(float first, float second) {
  const std::uint32_t high = nearest_bf16(first, second);
  return {high, nearest_bf16(first - float_of(high << 16), second - float_of(high & 0xFFFF0000U))};
}

/// Where a channel's prepared kernel has what, in words: for each lag from −future − kLagMargin on the pair (tap of the
/// lag, tap of the lag before), all high parts and all low parts, then the tap of lag 0. That is zero in the pairs:
/// with a skip term it can be as large as all others together, and its products are exact enough in float32 alone.
struct PairLayout {
  int past, future;

  constexpr int count() const { return past + future + 2 * kLagMargin; }
  NOEMA_DEVICE int index(int lag) const { return lag + future + kLagMargin; }
  constexpr int channel_words() const { return 2 * count() + 1; }
};

/// A thread for each pair of each channel.
NOEMA_KERNEL(256)
make_pairs(Taps<const float> taps, PairLayout layout, std::int64_t channels, std::uint32_t* prepared) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t c = index / layout.count();
  if (c >= channels) return;
  const auto tap = [&](int lag) {
    if (lag >= layout.past || lag < -layout.future) return 0.0F;
    return lag >= 0 ? taps.past[c * taps.past_pitch + lag]
                    : taps.future[c * taps.future_pitch + (-1 - lag) * taps.future_step];
  };
  const int i = static_cast<int>(index - c * layout.count()), lag = i - layout.index(0);
  const SplitPair pair = split_pair(lag == 0 ? 0.0F : tap(lag), lag == 1 ? 0.0F : tap(lag - 1));
  std::uint32_t* words = prepared + c * layout.channel_words();
  words[i] = pair.high;
  words[layout.count() + i] = pair.low;
  if (lag == 0) words[2 * layout.count()] = bits_of(tap(0) + (taps.skip == nullptr ? 0.0F : taps.skip[c]));
}

/// Sizes of the memory of a block, in words: for each part (high, low) the rows of each channel's items, then for each
/// channel the parts of its pairs.
struct TileMemory {
  int row_words;  // pairs of a row, with zeros behind, and gaps that keep items off each other's banks
  int row_part;   // of all rows
  int pairs;      // of a channel's kernel
};

struct TileTask {
  LongConvForward series;
  int batch, channels, length;
  PairLayout layout;
  TileMemory memory;
  /// So many values that are side by side can be read, or written, at once: 4, 2 or 1.
  int together_in, together_out;
};

/// Four values, side by side in times or in channels.
struct alignas(16) Four {
  float at[4];
};
/// The first `count` of them; zeros for others. `together`: so many can be read at once. `kTwos`: two at once count; it
/// takes registers.
template <bool kTwos>
NOEMA_DEVICE Four read_four(const float* there, unsigned pitch, int count, int together) {
  struct alignas(8) Two {
    float at[2];
  };
  if (together == 4 && count >= 4) return read_only(reinterpret_cast<const Four*>(there));
  Four values;
  if (kTwos && together >= 2 && count >= 4) {
    NOEMA_UNROLL
    for (int i = 0; i < 4; i += 2) {
      const Two two = read_only(reinterpret_cast<const Two*>(there + i));
      values.at[i] = two.at[0], values.at[i + 1] = two.at[1];
    }
    return values;
  }
  NOEMA_UNROLL
  for (int i = 0; i < 4; ++i) {
    values.at[i] = i < count ? read_only(there + i * pitch) : 0.0F;
  }
  return values;
}

/// A series from a block's first channel and one of its items on; places from there are counted in 32 bits.
template <class Shape, class Value>
struct BlockSeries {
  static constexpr bool kTimesSideBySide = Shape::kChannels == 1;
  Value* data;
  unsigned time_pitch, channel_pitch;

  NOEMA_DEVICE BlockSeries(const Series3<Value>& s, int item, int channel)
      : data(s.data == nullptr ? nullptr : s.data + item * s.batch_pitch + channel * s.channel_pitch),
        time_pitch(kTimesSideBySide ? 1 : static_cast<unsigned>(s.time_pitch)),
        channel_pitch(kTimesSideBySide ? 0 : static_cast<unsigned>(s.channel_pitch)) {}
  NOEMA_DEVICE Value* at(int time, int channel) const {
    if constexpr (kTimesSideBySide) return data + time;
    return data + (static_cast<unsigned>(time) * time_pitch + static_cast<unsigned>(channel) * channel_pitch);
  }
  /// Pitch of the four values that threads have at once.
  NOEMA_DEVICE unsigned pitch_of_four() const { return kTimesSideBySide ? 1 : channel_pitch; }
};

/// The rows of a block from its series; a warp, or half of one, has an item at a time, and reads much before it writes
/// the first of it.
template <class Shape, bool kExact, bool kGated>
struct RowLoader {
  const TileTask& task;
  int first_item, first_channel;
  std::uint32_t* rows;

  /// A thread has four times of a channel, or two times of four channels and its neighbour the same of the next four.
  static constexpr bool kTimes = Shape::kChannels == 1;
  static constexpr int kFours = kTimes ? 1 : 2, kNeighbours = kTimes ? 1 : Shape::kChannels / 4;
  static constexpr int kTogether = kTimes ? 4 : 2;

  NOEMA_DEVICE Four gated_four(int item, int time, int channel) const {
    int count = kTimes ? task.length - time : task.channels - first_channel - channel;
    if (item >= task.batch || time >= task.length) count = 0;
    const auto read = [&](const Series3<const float>& series) {
      const BlockSeries<Shape, const float> s(series, item, first_channel);
      return read_four<Shape::kTwos>(s.at(time, channel), s.pitch_of_four(), count, task.together_in);
    };
    Four values = read(task.series.u);
    if constexpr (kGated) {
      if (task.series.pre.data != nullptr) {
        const Four gates = read(task.series.pre);
        NOEMA_UNROLL
        for (int i = 0; i < 4; ++i) values.at[i] *= gates.at[i];
      }
    }
    return values;
  }
  NOEMA_DEVICE void put(int row, int word, float first, float second) const {
    const SplitPair pair = split_pair(first, second);
    std::uint32_t* there = rows + row * task.memory.row_words + word;
    there[0] = pair.high;
    if constexpr (kExact) there[task.memory.row_part] = pair.low;
  }
  NOEMA_DEVICE void put(int item, int word, int channel, const Four (&values)[kFours]) const {
    if constexpr (kTimes) {
      put(item, word, values[0].at[0], values[0].at[1]);
      put(item, word + 1, values[0].at[2], values[0].at[3]);
    } else {
      NOEMA_UNROLL
      for (int c = 0; c < 4; ++c) {
        put((channel + c) * Shape::kItems + item, word, values[0].at[c], values[1].at[c]);
      }
    }
  }
  /// @param words of a row
  NOEMA_DEVICE void load(int words) const {
    constexpr int kWords = kTimes ? 2 : 1;
    const int thread = static_cast<int>(threadIdx.x);
    // All are powers of two: threads that share an item, items at once, and items of a thread, which takes the first
    // words of all of them, then the next of all.
    const int team = kTimes && Shape::kTwos && words <= 16 * kWords ? 16 : 32,
              teams = static_cast<int>(blockDim.x) / team;
    const int items = Shape::kItems > teams ? Shape::kItems / teams : 1, words_of_team = team / kNeighbours * kWords;
    const int channel = 4 * (thread % kNeighbours), first_word = thread % team / kNeighbours * kWords;
    const int steps = items * ((words + words_of_team - 1) / words_of_team);
    int log = 0;
    while (items >> log > 1) ++log;
    const auto item = [&](int step) { return thread / team + (step & (items - 1)) * teams; };
    const auto word = [&](int step) { return first_word + (step >> log) * words_of_team; };
    for (int first = 0; first < steps; first += kTogether) {
      Four values[kTogether][kFours];
      NOEMA_UNROLL
      for (int i = 0; i < kTogether; ++i) {
        NOEMA_UNROLL
        for (int four = 0; four < kFours; ++four) {
          values[i][four] = gated_four(first_item + item(first + i), 2 * word(first + i) + four, channel);
        }
      }
      NOEMA_UNROLL
      for (int i = 0; i < kTogether; ++i) {
        if (word(first + i) < words) put(item(first + i), word(first + i), channel, values[i]);
      }
    }
  }
};

/// What a thread keeps of tiles of a Toeplitz matrix, 16·kTiles × 16: words of lags 8 apart, of which each tile of 16
/// rows has three. Word j is that of lag `lag` + 8·(j − 1) in the pair of the thread's row and column.
template <int kTiles>
struct LagWords {
  std::uint32_t word[2 * kTiles + 1];

  NOEMA_DEVICE void load(const std::uint32_t* pairs) {
    NOEMA_UNROLL
    for (int j = 0; j <= 2 * kTiles; ++j) word[j] = pairs[8 * (j - 1)];
  }
  /// 16 lags less.
  NOEMA_DEVICE void advance(const std::uint32_t* pairs) {
    NOEMA_UNROLL
    for (int j = 2 * kTiles; j > 1; --j) word[j] = word[j - 2];
    word[1] = pairs[0];
    word[0] = pairs[-8];
  }
  NOEMA_DEVICE void tile(int i, std::uint32_t (&a)[4]) const {
    a[0] = a[3] = word[2 * i + 1];
    a[1] = word[2 * i + 2];
    a[2] = word[2 * i];
  }
};

/// Of each tile of a strip what a thread has of the sums.
template <class Shape>
using TileSums = float[Shape::kTilesOfRows][Shape::kTilesOfItems][4];

/// The sums of one channel for the strip that begins at `t0`.
template <class Shape, bool kExact>
NOEMA_DEVICE void sum_strip(const TileTask& task, const std::uint32_t* rows, const std::uint32_t* pairs, int t0,
                            TileSums<Shape>& sums) {
  const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, q = lane % 4;
  const int row_part = task.memory.row_part;
  // Only values that a lag joins with the strip, in whole tiles.
  const int reach = t0 - (task.layout.past - 1), begin = reach > 0 ? reach / 16 * 16 : 0;
  const int last = t0 + Shape::kStripTimes + task.layout.future, end = last < task.length ? last : task.length;
  const std::uint32_t* lags = pairs + task.layout.index(t0 - begin + g - 2 * q);
  const std::uint32_t* v = rows + g * task.memory.row_words + begin / 2 + q;
  LagWords<Shape::kTilesOfRows> high, low;
  for (int s0 = begin; s0 < end; s0 += 16, lags -= 16, v += 8) {
    if (s0 == begin) {
      high.load(lags);
      if constexpr (kExact) low.load(lags + task.memory.pairs);
    } else {
      high.advance(lags);
      if constexpr (kExact) low.advance(lags + task.memory.pairs);
    }
    NOEMA_UNROLL
    for (int n = 0; n < Shape::kTilesOfItems; ++n) {
      const std::uint32_t* there = v + 8 * n * task.memory.row_words;
      const std::uint32_t v_high[2] = {there[0], there[4]};
      std::uint32_t v_low[2] = {};
      if constexpr (kExact) v_low[0] = there[row_part], v_low[1] = there[row_part + 4];
      NOEMA_UNROLL
      for (int i = 0; i < Shape::kTilesOfRows; ++i) {
        std::uint32_t a[4];
        high.tile(i, a);
        multiply_tiles(sums[i][n], a, v_high);
        if constexpr (kExact) {
          multiply_tiles(sums[i][n], a, v_low);
          low.tile(i, a);
          multiply_tiles(sums[i][n], a, v_high);
        }
      }
    }
  }
}

/// One item of a block's channels where sums become results: y = post ∘ (sum + zero ∘ u ∘ pre).
template <class Shape, bool kGated>
struct ItemEnd {
  using Source = BlockSeries<Shape, const float>;
  const TileTask& task;
  int channels;  // of the block that there are
  Source u, pre, post;
  BlockSeries<Shape, float> y;

  NOEMA_DEVICE ItemEnd(const TileTask& t, int item, int channel)
      : task(t),
        channels(t.channels - channel),
        u(t.series.u, item, channel),
        pre(t.series.pre, item, channel),
        post(t.series.post, item, channel),
        y(t.series.y, item, channel) {}

  NOEMA_DEVICE float gated(int time) const {
    float x = read_only(u.at(time, 0));
    if (kGated && pre.data != nullptr) x *= read_only(pre.at(time, 0));
    return x;
  }
  NOEMA_DEVICE void write(int time, float x) const {
    if (kGated && post.data != nullptr) x *= read_only(post.at(time, 0));
    *y.at(time, 0) = x;
  }

  /// The same of four channels.
  NOEMA_DEVICE Four gated_four(int time, int channel) const {
    Four x = read(u, time, channel);
    if (kGated && pre.data != nullptr) multiply(x, read(pre, time, channel));
    return x;
  }
  NOEMA_DEVICE void write_four(int time, int channel, Four x) const {
    if (kGated && post.data != nullptr) multiply(x, read(post, time, channel));
    if (task.together_out == 4 && channel + 4 <= channels) {
      *reinterpret_cast<Four*>(y.at(time, channel)) = x;
      return;
    }
    NOEMA_UNROLL
    for (int i = 0; i < 4; ++i) {
      if (channel + i < channels) *y.at(time, channel + i) = x.at[i];
    }
  }

 private:
  NOEMA_DEVICE Four read(const Source& s, int time, int channel) const {
    return read_four<Shape::kTwos>(s.at(time, channel), s.channel_pitch, channels - channel, task.together_in);
  }
  NOEMA_DEVICE static void multiply(Four& x, const Four& by) {
    NOEMA_UNROLL
    for (int i = 0; i < 4; ++i) x.at[i] *= by.at[i];
  }
};

/// A strip's results from its sums, of the one channel of a block; `zero` is its weight of lag 0.
template <class Shape, bool kGated>
NOEMA_DEVICE void write_rows(const TileTask& task, int first_item, int channel, int t0, float zero,
                             const TileSums<Shape>& sums) {
  constexpr int kPlaces = 2 * Shape::kTilesOfRows;
  const int lane = static_cast<int>(threadIdx.x) % 32, first_time = t0 + lane / 4;
  NOEMA_UNROLL
  for (int k = 0; k < 2 * Shape::kTilesOfItems; ++k) {
    const int item = first_item + 8 * (k / 2) + 2 * (lane % 4) + k % 2;
    if (item >= task.batch) continue;
    const ItemEnd<Shape, kGated> end(task, item, channel);
    // All is read before the first is written, so that reads do not wait for writes.
    float values[kPlaces] = {};
    NOEMA_UNROLL
    for (int i = 0; i < kPlaces; ++i) {
      if (first_time + 8 * i < task.length) values[i] = end.gated(first_time + 8 * i);
    }
    NOEMA_UNROLL
    for (int i = 0; i < kPlaces; ++i) {
      if (first_time + 8 * i >= task.length) continue;
      end.write(first_time + 8 * i, sums[i / 2][k / 2][k % 2 + 2 * (i % 2)] + zero * values[i]);
    }
  }
}

/// A strip's results from its sums of all channels of a block. Where those are eight, two threads side by side, whose
/// items they are, exchange halves, so that together they read and write eight channels of either item side by side.
template <class Shape, bool kGated>
NOEMA_DEVICE void write_columns(const TileTask& task, int first_item, int first_channel, int t0,
                                const float (&zero)[Shape::kChannels],
                                const TileSums<Shape> (&sums)[Shape::kChannels]) {
  constexpr int kPlaces = 2 * Shape::kTilesOfRows;
  constexpr bool kHalves = Shape::kChannels == 8;
  constexpr int kItemsOfThread = kHalves ? 2 : 1;
  const int lane = static_cast<int>(threadIdx.x) % 32, first_time = t0 + lane / 4;
  const bool second_half = kHalves && lane % 2 == 1;
  const int channel = second_half ? 4 : 0;
  Four weight;
  NOEMA_UNROLL
  for (int c = 0; c < 4; ++c) weight.at[c] = second_half ? zero[Shape::kChannels - 4 + c] : zero[c];
  NOEMA_UNROLL
  for (int k = 0; k < 2 * Shape::kTilesOfItems; ++k) {
    const int item = first_item + 8 * (k / 2) + 2 * (lane % 4 - (second_half ? 1 : 0)) + k % 2;
    NOEMA_UNROLL
    for (int place = 0; place < kPlaces; ++place) {
      const int time = first_time + 8 * place;
      Four of_item[kItemsOfThread], values[kItemsOfThread];
      NOEMA_UNROLL
      for (int i = 0; i < kItemsOfThread; ++i) {
        const bool inside = item + 2 * i < task.batch && time < task.length;
        values[i] = {};
        if (inside) {
          values[i] = ItemEnd<Shape, kGated>(task, item + 2 * i, first_channel).gated_four(time, channel);
        }
      }
      NOEMA_UNROLL
      for (int c = 0; c < 4; ++c) {
        const auto sum = [&](int of) { return sums[of][place / 2][k / 2][k % 2 + 2 * (place % 2)]; };
        if constexpr (kHalves) {
          const float other = exchanged(second_half ? sum(c) : sum(c + 4));
          of_item[0].at[c] = second_half ? other : sum(c);
          of_item[1].at[c] = second_half ? sum(c + 4) : other;
        } else {
          of_item[0].at[c] = sum(c);
        }
      }
      NOEMA_UNROLL
      for (int i = 0; i < kItemsOfThread; ++i) {
        if (item + 2 * i >= task.batch || time >= task.length) continue;
        NOEMA_UNROLL
        for (int c = 0; c < 4; ++c) of_item[i].at[c] += weight.at[c] * values[i].at[c];
        ItemEnd<Shape, kGated>(task, item + 2 * i, first_channel).write_four(time, channel, of_item[i]);
      }
    }
  }
}

/// y of the channels and items of a block. `kExact`: bf16x3. `kGated`: there may be gates.
template <class Shape, bool kExact, bool kGated>
NOEMA_KERNEL_BESIDE(32 * Shape::kWarps, Shape::kBlocks)
convolve_tiles(NOEMA_PARAMETER TileTask task, const std::uint32_t* prepared) {
  constexpr int kChannels = Shape::kChannels, kParts = kExact ? 2 : 1;
  const int groups = (task.channels + kChannels - 1) / kChannels;
  const int first_channel = static_cast<int>(blockIdx.x) % groups * kChannels;
  const int first_item = static_cast<int>(blockIdx.x) / groups * Shape::kItems;
  const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
  auto* rows = block_memory<std::uint32_t>();
  std::uint32_t* pairs = rows + kParts * task.memory.row_part;
  const int pair_words = kParts * task.memory.pairs;
  // Behind the last channel: its kernel once more, for sums that nobody writes.
  const auto words_of = [&](int c) {
    const int channel = first_channel + c < task.channels ? first_channel + c : task.channels - 1;
    return prepared + static_cast<std::int64_t>(channel) * task.layout.channel_words();
  };
  for (int c = 0; c < kChannels; ++c) {
    const std::uint32_t* words = words_of(c);
    for (int i = thread; i < pair_words; i += threads) copy_word(pairs + c * pair_words + i, words + i);
  }
  RowLoader<Shape, kExact, kGated>{task, first_item, first_channel, rows}.load((task.length + 15) / 16 * 8);
  float zero[kChannels];
  NOEMA_UNROLL
  for (int c = 0; c < kChannels; ++c) zero[c] = float_of(read_only(words_of(c) + 2 * task.layout.count()));
  finish_copies();
  __syncthreads();

  // From the last strip on, which has most lags behind it, to warps in turns from both ends.
  const int strips = (task.length + Shape::kStripTimes - 1) / Shape::kStripTimes, warps = threads / 32;
  for (int first = 0, warp = thread / 32; first < strips; first += warps, warp = warps - 1 - warp) {
    const int t0 = (strips - 1 - first - warp) * Shape::kStripTimes;
    if (t0 < 0) continue;
    TileSums<Shape> sums[kChannels] = {};
    NOEMA_UNROLL
    for (int c = 0; c < kChannels; ++c) {
      sum_strip<Shape, kExact>(task, rows + c * Shape::kItems * task.memory.row_words, pairs + c * pair_words, t0,
                               sums[c]);
    }
    if constexpr (kChannels == 1) {
      write_rows<Shape, kGated>(task, first_item, first_channel, t0, zero[0], sums[0]);
    } else {
      write_columns<Shape, kGated>(task, first_item, first_channel, t0, zero, sums);
    }
  }
}

}  // namespace
}  // namespace noema::cuda
