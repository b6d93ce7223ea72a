// preprocess/extract: from volumes to the values of features.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "noema/io/series.h"

namespace noema {

/// The values at the mask's voxels, in their order.
/// @throws ShapeError unless `volume` has a value for each voxel of the mask's grid and `values` for each of the mask
void extract_voxels(std::span<const float> volume, const Mask& mask, std::span<float> values);

/// The mean over the voxels of each parcel, summed in double: `parcel_of_voxel[v]` is the parcel of voxel v, or −1.
///
/// Voxels with `usable[v]` = 0 (empty: all are usable) and NaN are left out; a parcel without any voxel left gets NaN.
/// @throws ShapeError for sizes that differ
std::vector<double> parcel_means(std::span<const float> voxels, std::span<const std::int32_t> parcel_of_voxel,
                                 std::int64_t parcels, std::span<const std::uint8_t> usable = {});
std::vector<double> parcel_means(std::span<const double> voxels, std::span<const std::int32_t> parcel_of_voxel,
                                 std::int64_t parcels, std::span<const std::uint8_t> usable = {});

/// How strongly each spatial map is expressed in a volume: argmin ‖maps·s − volume‖.
///
/// By the normal equations (Cholesky, once); where the maps are nearly dependent (reciprocal condition of MᵀM below
/// 1e-10), the solution of smallest norm by a singular value decomposition, singular values below ε·largest left out.
class MapProjection {
 public:
  /// @throws ShapeError without maps; DataError for weights that are not finite
  explicit MapProjection(MatrixD maps);  // (V, F)

  bool full_rank() const { return solution_.size() > 0; }
  /// @throws ShapeError unless there is a value for each voxel
  Eigen::VectorXd apply(std::span<const double> voxels) const;  // (V) → (F)

 private:
  MatrixD maps_;              // (V, F)
  Eigen::MatrixXd solution_;  // (F, F) lower Cholesky factor; empty when rank deficient
  Eigen::MatrixXd inverse_;   // (F, V) pseudo-inverse; empty when of full rank
};

}  // namespace noema
