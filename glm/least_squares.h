// glm/least_squares: an orthonormal basis of what a design spans. Used by fit.cpp alone.
#pragma once

#include <Eigen/Core>

namespace noema {

struct DesignBasis {
  Eigen::MatrixXd columns;  // (n, r), orthonormal; r is the design's rank
  /// (P, r): coefficients of the design's columns from those of the basis; columns·weights⁺ is the design, and
  /// weights·columnsᵀ its pseudo-inverse.
  Eigen::MatrixXd weights;
  /// Projection (P, P) onto what the design can tell.
  Eigen::MatrixXd estimable;

  Eigen::Index rank() const { return columns.cols(); }
};

/// Singular values up to max(n, P)·ε of the largest count as 0.
DesignBasis make_basis(const Eigen::MatrixXd& design);

}  // namespace noema
