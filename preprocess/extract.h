// preprocess/extract: from volumes to the values of features. Regions are in regions.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "noema/io/series.h"

namespace noema {

/// The values at the mask's voxels, in their order.
/// @throws ShapeError unless `volume` has a value for each voxel of the mask's grid and `values` for each of the mask
void extract_voxels(std::span<const float> volume, const Mask& mask, std::span<float> values);

/// How strongly each spatial map is expressed in a volume: argmin ‖maps·s − volume‖. The way back is maps·s.
///
/// By the normal equations (Cholesky, once); where the maps are nearly dependent (reciprocal condition of MᵀM below
/// 1e-10), the solution of smallest norm by a singular value decomposition, singular values below ε·largest left out.
/// All sums are in double; a volume with a value that is not finite gets weights that are not.
class MapProjection {
 public:
  /// @throws ShapeError without maps; DataError for weights that are not finite
  explicit MapProjection(const MatrixD& maps);  // (V, F)

  bool full_rank() const { return cholesky_.size() > 0; }
  /// @throws ShapeError unless there is a value for each voxel
  Eigen::VectorXd apply(std::span<const double> voxels) const;  // (V) → (F)
  /// Many volumes, in parallel. @throws ShapeError as above; Cancelled
  MatrixD apply(const Eigen::Ref<const MatrixF>& volumes) const;  // (T, V) → (T, F)

 private:
  void solve(Eigen::Ref<Eigen::VectorXd> weights) const;

  std::int64_t maps_ = 0;     // F
  MatrixD columns_;           // (V, F and zeros): the maps; when rank deficient their pseudo-inverse, transposed
  Eigen::MatrixXd cholesky_;  // (F, F) lower; empty when rank deficient
};

}  // namespace noema
