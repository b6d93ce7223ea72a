// glm/least_squares: pseudo-inverse of a design, and the whitening of autoregressive noise. Used by fit.cpp alone.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <vector>

#include "noema/io/series.h"

namespace noema {

struct LeastSquares {
  Eigen::MatrixXd design;      // (n, P)
  Eigen::MatrixXd inverse;     // (P, n), its pseudo-inverse
  Eigen::MatrixXd covariance;  // (P, P), inverse·inverseᵀ
  Eigen::Index rank = 0;
};

/// Singular values up to max(n, P)·ε of the largest count as 0.
LeastSquares make_least_squares(const Eigen::MatrixXd& design);

/// How far each kept volume is from the kept one before it, in volumes; 0 for the first.
std::vector<std::int64_t> gaps_between(std::span<const std::int64_t> kept);

/// Whitens rows (time) of AR(1) noise in place.
void whiten(Eigen::Ref<MatrixD> rows, double rho, std::span<const std::int64_t> gaps);

}  // namespace noema
