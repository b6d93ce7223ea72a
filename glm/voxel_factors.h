// glm/voxel_factors: Cholesky factors of eight voxels side by side, for noise whose weights are each voxel's own. Used
// by lagged_whitening.cpp alone.
#pragma once

#include <Eigen/Core>
#include <vector>

#include "noema/io/series.h"

namespace noema {

/// Where the lower triangle of a symmetric matrix may have values: in row i from column `first[i]` on. The triangle of
/// its Cholesky factor has none elsewhere. Values lie row by row.
class Envelope {
 public:
  explicit Envelope(std::vector<Eigen::Index> first);

  Eigen::Index rows() const { return std::ssize(first_); }
  Eigen::Index size() const { return size_; }
  /// (rows): the first column of each row, and where its column 0 would lie.
  const Eigen::Index* firsts() const { return first_.data(); }
  const Eigen::Index* begins() const { return begin_.data(); }

 private:
  std::vector<Eigen::Index> first_, begin_;
  Eigen::Index size_ = 0;
};

/// L of LLᵀ for eight positive definite matrices. Vectors are the columns of (n, 8), one a voxel.
class VoxelFactors {
 public:
  static constexpr Eigen::Index kVoxels = 8;

  /// The matrix of voxel v is Σ_p shares(p, v)·terms.col(p); terms (size of the envelope, P), shares (P, 8). The
  /// envelope must live as long. Cost: O(size·P), and of the envelope's rows the sum of their squared lengths.
  void compute(const Envelope& envelope, const MatrixD& terms, const MatrixD& shares);

  /// x ← L⁻¹x, for x whose rows before `from` are 0.
  void solve_lower(MatrixD& x, Eigen::Index from = 0) const;
  /// The rows of L⁻ᵀx from `from` on take their place in x; those before are left as they are.
  void solve_upper(MatrixD& x, Eigen::Index from = 0) const;

 private:
  const Envelope* envelope_ = nullptr;
  MatrixD lower_;  // (size, 8); of the diagonal the inverse
};

}  // namespace noema
