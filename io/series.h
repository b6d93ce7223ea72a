// io/series: time series of features: what preprocessing makes of a run and what decoders read.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/image.h"

namespace noema {

/// Row-major, so that one volume's features are contiguous.
using MatrixF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixD = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

enum class FeatureKind {
  voxels,   ///< one feature for each voxel of the mask
  parcels,  ///< the mean of the voxels of one label
  maps,     ///< the weight of one spatial map, by least squares
};

/// "voxels", "parcels" or "maps".
std::string_view feature_kind_name(FeatureKind kind);
/// The kind of a name as above; nothing for any other.
std::optional<FeatureKind> parse_feature_kind(std::string_view name);

/// What the columns of a series mean, and how a value per feature becomes a map on the brain.
struct FeatureSpace {
  FeatureKind kind = FeatureKind::voxels;
  /// BIDS space label, or empty.
  std::string space;
  Mask mask;
  /// parcels: for each voxel of the mask the index of its feature, or −1.
  std::vector<std::int32_t> parcel_of_voxel;
  /// maps: (V, F), the weight of each voxel in each map.
  MatrixF map_weights;
  /// parcels and maps: F names; empty for voxels.
  std::vector<std::string> names;
  /// Fingerprint of the atlas (values, grid and names); empty for voxels.
  std::string atlas_hash;

  std::int64_t count() const;
};

/// @throws ShapeError unless the parts fit each other: voxels ascending and within the grid, a parcel that exists (or
/// −1) or a row of weights for each voxel, a name for each parcel or map.
void check_features(const FeatureSpace& features);

/// An image with the value of each feature at its voxels (maps: the weighted sum); zero elsewhere.
/// @throws ShapeError unless there are `features.count()` values.
Image to_image(const FeatureSpace& features, std::span<const float> values);

/// The series of one run.
struct Series {
  MatrixF values;  // (T, F)
  std::shared_ptr<const FeatureSpace> features;
  double tr_s = 0;
  /// Begin of the first volume, seconds on the clock of the events. Volume t is acquired in [start + t·tr, start +
  /// (t+1)·tr).
  double start_s = 0;
  /// (T): 1 where the volume may be used, 0 where it was censored.
  std::vector<std::uint8_t> keep;

  std::int64_t volumes() const { return values.rows(); }
  double centre_s(std::int64_t volume) const { return start_s + (static_cast<double>(volume) + 0.5) * tr_s; }
};

}  // namespace noema
