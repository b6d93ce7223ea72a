// glm/lagged_whitening: whitening of noise that remembers several volumes, each voxel with its own weights. Used by
// whitening.cpp alone.
#pragma once

#include <vector>

#include "noema/glm/voxel_factors.h"
#include "noema/glm/whitening.h"

namespace noema {

/// Volumes dropped between kept ones are put back as 0, each with a column of the design of its own that takes whatever
/// it may have been: the same least squares, and the same rest, as with the covariance of the kept volumes alone.
class LaggedWhitening final : public Whitening {
 public:
  LaggedWhitening(const Eigen::MatrixXd& basis, std::span<const std::int64_t> kept, int order);

  WhitenedFit fit(MatrixD rows, const MatrixD& rho) const override;
  MatrixD covariances(const MatrixD& rho, std::span<const Eigen::MatrixXd> questions) const override;

 private:
  Eigen::Index dropped() const { return std::ssize(dropped_); }
  Eigen::Index volumes() const { return std::ssize(kept_) + dropped(); }
  void make_terms(const Eigen::MatrixXd& basis);
  /// Rows of all volumes, from those of the kept ones.
  MatrixD spread(MatrixD rows) const;
  void factorise(const MatrixD& rho, Eigen::Index first, VoxelFactors& factors) const;

  int order_;
  std::vector<Eigen::Index> kept_, dropped_;  // volumes from the first kept to the last
  MatrixD transposed_basis_;                  // (r, n)
  Envelope envelope_;                         // of the d columns of dropped volumes, then those of the basis
  /// (size, pairs i ≤ j ≤ order): (LᵢA)ᵀLⱼA and, for i < j, its transpose on top, where Lᵢ A are all columns i volumes
  /// later.
  MatrixD terms_;
};

}  // namespace noema
