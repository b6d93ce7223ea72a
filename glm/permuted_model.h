// glm/permuted_model: data and model of a permutation test, reduced to what is multiplied for each permutation. Used by
// permutation.cpp alone.
#pragma once

#include <Eigen/Core>
#include <cstdint>

#include "noema/glm/arrangements.h"
#include "noema/io/series.h"

namespace noema {

struct PermutedModel {
  MatrixD data;           // (n, V): what the confounds leave of it, columns of unit length (0 where nothing is left)
  Eigen::MatrixXd model;  // (n, 1 + C'): what they leave of the tested variate, unit length; then an orthonormal basis
                          // of those confounds that an arrangement changes
  double df = 0;
  Arrangements::Kind kind = Arrangements::Kind::orders;
  std::int64_t constant_voxels = 0;
};

/// @throws as `permuted_ols`.
PermutedModel make_permuted_model(const MatrixD& data, const Eigen::VectorXd& tested, const MatrixD& confounds,
                                  bool model_intercept);

}  // namespace noema
