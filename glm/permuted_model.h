// glm/permuted_model: data and model of a permutation test, reduced to what is multiplied for each permutation. Used by
// permutation.cpp alone.
#pragma once

#include <Eigen/Core>
#include <cstdint>

#include "noema/glm/arrangements.h"
#include "noema/glm/design.h"
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

/// What is tested and what is taken out.
struct TestedVariate {
  Eigen::VectorXd tested;  // (n)
  MatrixD confounds;       // (n, C); C may be 0
  Arrangements::Kind kind = Arrangements::Kind::orders;
  bool has_constant = false;  // beside the confounds
};

/// @throws as `permuted_ols`.
TestedVariate variate_of_columns(const Eigen::VectorXd& tested, const MatrixD& confounds, bool model_intercept);

/// The design in other columns: the one whose coefficient the contrast is, up to its length, and the others, of which
/// the contrast is 0 (Beckmann's partition, Winkler et al. 2014, appendix A). @throws as `permuted_contrast`.
TestedVariate variate_of_contrast(const DesignMatrix& design, const Eigen::VectorXd& weights);

/// @throws as `permuted_ols`.
PermutedModel make_permuted_model(const MatrixD& data, const TestedVariate& variate);

}  // namespace noema
