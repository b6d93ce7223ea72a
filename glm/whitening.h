// glm/whitening: taking the memory out of autoregressive noise, in data and design alike. Used by fit.cpp and
// contrast.cpp alone.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <memory>
#include <span>

#include "noema/io/series.h"

namespace noema {

/// What least squares of whitened data on the whitened basis give.
struct WhitenedFit {
  MatrixD coefficients;        // (r, B), of the basis
  Eigen::RowVectorXd squares;  // (B), of what is left, whitened
};

/// The whitening W of noise of one order at the volumes that were kept, and an orthonormal basis Q (n, r) of the
/// design.
///
/// Row t becomes x_t − Σ ρ_i x_{t−i}; the first rows keep partial sums, as if nothing was before. Volumes that were
/// dropped between kept ones count as not seen: WᵀW is the inverse of the covariance that the kept volumes have.
class Whitening {
 public:
  virtual ~Whitening() = default;

  /// Least squares of every column of rows (n, B), each with its own ρ (order, B).
  virtual WhitenedFit fit(MatrixD rows, const MatrixD& rho) const = 0;
  /// Lower triangles of Cᵀ(QᵀWᵀWQ)⁻¹C, row by row and one C (r, q) of `questions` after the other, for each column of
  /// ρ.
  virtual MatrixD covariances(const MatrixD& rho, std::span<const Eigen::MatrixXd> questions) const = 0;

  /// Parts of a unit to which the ρ of order 1 is cut, so that voxels share what is made of it.
  static constexpr int kBins = 100;
};

/// @param kept  ascending. Cost of `fit` and `covariances` for each voxel: O(r²) for orders 0 and 1 (once O(r³) for
/// each
///   ρ); O((r + d)³) for higher orders, where each voxel has its own ρ, with d volumes dropped between kept ones (whose
///   share is banded: O(d·r² + d·order²)).
std::unique_ptr<const Whitening> make_whitening(Eigen::MatrixXd basis, std::span<const std::int64_t> kept, int order);

}  // namespace noema
