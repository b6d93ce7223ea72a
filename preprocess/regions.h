// preprocess/regions: one value for each region of a volume, such as its mean, and back.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "noema/io/series.h"

namespace noema {

enum class RegionStatistic {
  mean,
  median,  ///< of an even number the mean of the middle two
  sum,
  minimum,
  maximum,
  variance,            ///< over n
  standard_deviation,  ///< its root
};
/// "mean", "median", "sum", "minimum", "maximum", "variance" or "standard_deviation".
std::string_view region_statistic_name(RegionStatistic statistic);
/// The statistic of a name as above; nothing for any other.
std::optional<RegionStatistic> parse_region_statistic(std::string_view name);

/// Sets of voxels that may overlap.
///
/// Voxels are numbered as in the arrays that the regions are applied to: linear indices of a volume, or places in a
/// mask. Values that are not finite are left out; a region without any value left gets NaN. All sums are in double.
class Regions {
 public:
  /// `region_of_voxel[v]` is the region of voxel v, or −1. Voxels with `usable[v]` = 0 (empty: all are usable) belong
  /// to none. @throws ShapeError for sizes that differ or a region from `count` on
  Regions(std::span<const std::int32_t> region_of_voxel, std::int64_t count, std::span<const std::uint8_t> usable = {});
  /// The voxels of each region, in arrays of `voxels` values. @throws ShapeError for a voxel beyond
  Regions(const std::vector<std::vector<std::int64_t>>& voxels_of_region, std::int64_t voxels);

  std::int64_t count() const { return static_cast<std::int64_t>(begin_.size()) - 1; }
  /// Values in the arrays that the regions apply to.
  std::int64_t voxels() const { return voxels_; }
  /// The voxels of a region.
  std::span<const std::int32_t> of(std::int64_t region) const {
    const auto at = static_cast<std::size_t>(region);
    return std::span(members_).subspan(static_cast<std::size_t>(begin_[at]),
                                       static_cast<std::size_t>(begin_[at + 1] - begin_[at]));
  }

  /// @throws ShapeError unless the spans have `voxels()` and `count()` values
  void apply(std::span<const float> volume, RegionStatistic statistic, std::span<double> values) const;
  void apply(std::span<const double> volume, RegionStatistic statistic, std::span<double> values) const;
  /// Of many volumes, in parallel: (T, voxels) → (T, count). `Image::values` is such a matrix.
  MatrixD apply(const Eigen::Ref<const MatrixF>& volumes, RegionStatistic statistic = RegionStatistic::mean) const;

  /// The way back: the value of its region at each voxel, their mean where regions overlap, 0 elsewhere.
  /// @throws ShapeError unless the spans have `count()` and `voxels()` values
  void spread(std::span<const double> values, std::span<float> volume) const;

 private:
  template <class T>
  void apply_to(std::span<const T> volume, RegionStatistic statistic, std::span<double> values) const;

  std::int64_t voxels_ = 0;
  std::vector<std::int32_t> members_;
  std::vector<std::int64_t> begin_;  // of each region in members_, and the end
};

}  // namespace noema
