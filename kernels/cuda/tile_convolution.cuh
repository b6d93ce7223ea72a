// kernels/cuda/tile_convolution: the long convolution of short series on tiles of bf16. Forward alone.
#pragma once

#include <algorithm>

#include "noema/kernels/cuda/geometry.h"
#include "noema/kernels/cuda/tile_kernels.cuh"

namespace noema::cuda {
namespace {

/// The kernels in their order; `launch` as in row_convolution.
class TileConvolution {
 public:
  /// Lags are such that each joins two values of a row.
  TileConvolution(const LongConvSizes& sizes, bool exact)
      : sizes_(sizes), exact_(exact), layout_{sizes.past, sizes.future} {
    constexpr std::int64_t kBanks = 32, kApart = 4;
    const std::int64_t words = (sizes.length + 15) / 16 * 8;
    memory_.row_words = (words - kApart + kBanks - 1) / kBanks * kBanks + kApart;
    memory_.pairs = count(layout_);
    memory_.parts = exact ? 2 : 1;
  }

  /// Whether a block's memory has room for a row of its items.
  static bool fits(const LongConvSizes& sizes, bool exact) {
    constexpr std::int64_t kMostMemory = 160 << 10;
    return TileConvolution(sizes, exact).memory_bytes() <= kMostMemory;
  }
  /// Whether it is expected to take less time than transforms: until then memory, and not products, should be its
  /// limit.
  static bool is_best(const LongConvSizes& sizes, bool exact) {
    constexpr std::int64_t kMostProducts = 1536;
    const std::int64_t full_items = (sizes.batch + kTileItems - 1) / kTileItems * kTileItems;
    const std::int64_t products = (sizes.past + sizes.future) * (exact ? 3 : 1);
    return products * full_items <= kMostProducts * sizes.batch && fits(sizes, exact);
  }

  std::int64_t prepared_words() const { return sizes_.channels * (2 * count(layout_) + 1); }

  template <class Launch>
  void prepare(const Launch& launch, const Taps<const float>& taps, std::uint32_t* prepared) const {
    constexpr int kThreads = 256;
    const std::int64_t pairs = sizes_.channels * count(layout_);
    launch(make_pairs, Geometry{(pairs + kThreads - 1) / kThreads, kThreads, 0}, taps, layout_, sizes_.channels,
           prepared);
  }
  template <class Launch>
  void forward(const Launch& launch, const LongConvForward& series, const std::uint32_t* prepared) const {
    const std::int64_t groups = (sizes_.batch + kTileItems - 1) / kTileItems;
    const std::int64_t strips = (sizes_.length + kStripTimes - 1) / kStripTimes;
    const int warps = static_cast<int>(std::clamp<std::int64_t>(strips, 2, 8));
    const Geometry geometry{groups * sizes_.channels, 32 * warps, static_cast<std::size_t>(memory_bytes())};
    const TileTask task{series, sizes_.batch, sizes_.channels, sizes_.length, layout_, memory_};
    launch(exact_ ? convolve_tiles<true> : convolve_tiles<false>, geometry, task, prepared);
  }

 private:
  static std::int64_t count(const PairLayout& layout) { return layout.past + layout.future + 2 * kLagMargin; }
  std::int64_t memory_bytes() const { return 4 * memory_.parts * (kTileItems * memory_.row_words + memory_.pairs); }

  LongConvSizes sizes_;
  bool exact_;
  PairLayout layout_;
  TileMemory memory_;
};

}  // namespace
}  // namespace noema::cuda
