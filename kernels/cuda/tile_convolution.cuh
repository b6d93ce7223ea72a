// kernels/cuda/tile_convolution: the long convolution of short series on tiles of bf16. Forward alone.
#pragma once

#include <algorithm>
#include <bit>
#include <numeric>

#include "noema/kernels/cuda/geometry.h"
#include "noema/kernels/cuda/tile_kernels.cuh"

namespace noema::cuda {
namespace {

/// The kernels in their order; `launch` as in row_convolution.
class TileConvolution {
 public:
  /// Lags are such that each joins two values of a row.
  TileConvolution(const LongConvSizes& sizes, bool exact)
      : sizes_(sizes), exact_(exact), layout_{static_cast<int>(sizes.past), static_cast<int>(sizes.future)} {}

  /// Whether a block's memory has room for rows of its items, in any layout of the series.
  static bool fits(const LongConvSizes& sizes, bool exact) {
    return TileConvolution(sizes, exact).memory_bytes<LongColumnsShape>() <= kMostMemory;
  }
  /// Whether it is expected to take less time than transforms: until then memory, and not products, should be its
  /// limit.
  static bool is_best(const LongConvSizes& sizes, bool exact) {
    constexpr std::int64_t kMostProducts = 2400;
    const std::int64_t items = RowsShape::kItems, full_items = (sizes.batch + items - 1) / items * items;
    const std::int64_t products = (sizes.past + sizes.future) * (exact ? 3 : 1);
    return products * full_items <= kMostProducts * sizes.batch && fits(sizes, exact);
  }

  std::int64_t prepared_words() const { return sizes_.channels * layout_.channel_words(); }

  template <class Launch>
  void prepare(const Launch& launch, const Taps<const float>& taps, std::uint32_t* prepared) const {
    constexpr int kThreads = 256;
    const std::int64_t pairs = sizes_.channels * layout_.count();
    launch(make_pairs, Geometry{(pairs + kThreads - 1) / kThreads, kThreads, 0}, taps, layout_, sizes_.channels,
           prepared);
  }
  template <class Launch>
  void forward(const Launch& launch, const LongConvForward& s, const std::uint32_t* prepared) const {
    const auto times_side_by_side = [](const auto& series) { return series.data == nullptr || series.time_pitch == 1; };
    if (times_side_by_side(s.u) && times_side_by_side(s.pre) && times_side_by_side(s.post) && times_side_by_side(s.y)) {
      constexpr std::int64_t kShort = 64;
      if (exact_ || sizes_.length <= kShort) return forward_of<ShortRowsShape>(launch, s, prepared);
      return forward_of<RowsShape>(launch, s, prepared);
    }
    if (memory_bytes<ColumnsShape>() <= kMostMemory) return forward_of<ColumnsShape>(launch, s, prepared);
    forward_of<LongColumnsShape>(launch, s, prepared);
  }

 private:
  static constexpr std::int64_t kMostMemory = 160 << 10;

  template <class Shape>
  TileMemory memory() const {
    constexpr int kBanks = 32, kApart = 4;
    const int words = static_cast<int>(sizes_.length + 15) / 16 * 8;
    const int row_words = (words - kApart + kBanks - 1) / kBanks * kBanks + kApart;
    return {row_words, Shape::kChannels * Shape::kItems * row_words, layout_.count()};
  }
  template <class Shape>
  std::int64_t memory_bytes() const {
    const TileMemory m = memory<Shape>();
    return std::int64_t{4} * (exact_ ? 2 : 1) * (m.row_part + Shape::kChannels * m.pairs);
  }

  template <class Shape, class Launch>
  void forward_of(const Launch& launch, const LongConvForward& s, const std::uint32_t* prepared) const {
    const bool gated = s.pre.data != nullptr || s.post.data != nullptr;
    if (exact_)
      return gated ? run<Shape, true, true>(launch, s, prepared) : run<Shape, true, false>(launch, s, prepared);
    gated ? run<Shape, false, true>(launch, s, prepared) : run<Shape, false, false>(launch, s, prepared);
  }
  template <class Shape, bool kExact, bool kGated, class Launch>
  void run(const Launch& launch, const LongConvForward& s, const std::uint32_t* prepared) const {
    const std::int64_t blocks = (sizes_.batch + Shape::kItems - 1) / Shape::kItems *
                                ((sizes_.channels + Shape::kChannels - 1) / Shape::kChannels);
    const auto strips = static_cast<unsigned>((sizes_.length + Shape::kStripTimes - 1) / Shape::kStripTimes);
    const int warps = static_cast<int>(std::bit_ceil(std::clamp(strips, 2U, static_cast<unsigned>(Shape::kWarps))));
    const TileTask task{s,
                        static_cast<int>(sizes_.batch),
                        static_cast<int>(sizes_.channels),
                        static_cast<int>(sizes_.length),
                        layout_,
                        memory<Shape>(),
                        std::min({together<Shape>(s.u), together<Shape>(s.pre), together<Shape>(s.post)}),
                        together<Shape>(s.y)};
    launch(convolve_tiles<Shape, kExact, kGated>,
           Geometry{blocks, 32 * warps, static_cast<std::size_t>(memory_bytes<Shape>())}, task, prepared);
  }
  /// So many values side by side, from every such on, stand where they can be read at once. Those not there do.
  template <class Shape, class Value>
  static int together(const Series3<Value>& s) {
    constexpr bool kTimes = Shape::kChannels == 1;
    if (s.data == nullptr) return 4;
    if ((kTimes ? s.time_pitch : s.channel_pitch) != 1) return 1;
    const std::int64_t across = kTimes ? s.channel_pitch : s.time_pitch;
    const auto address = static_cast<std::int64_t>(std::bit_cast<std::uintptr_t>(s.data) / sizeof(float));
    return static_cast<int>(std::gcd(std::gcd(across, s.batch_pitch), std::gcd(address, std::int64_t{4})));
  }

  LongConvSizes sizes_;
  bool exact_;
  PairLayout layout_;
};

}  // namespace
}  // namespace noema::cuda
