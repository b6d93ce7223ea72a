// glm/permuted_model: data and model of a permutation test, reduced to what is multiplied for each permutation. Used by
// permutation.cpp alone.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <vector>

#include "noema/glm/arrangements.h"
#include "noema/glm/design.h"
#include "noema/io/series.h"

namespace noema {

struct PermutedModel {
  /// One, or of a joint test one for each effect, (n, V): what the confounds leave of it, in every voxel of unit length
  /// and at right angles to the others (0 where nothing is left).
  std::vector<MatrixD> data;
  /// (n, q + C'): an orthonormal basis of what they leave of the tested columns; then one of those confounds that an
  /// arrangement changes.
  Eigen::MatrixXd model;
  Eigen::Index tested = 1;  // q
  double df = 0;            // of the statistic
  double df_numerator = 0;  // of F; 0: t
  Arrangements::Kind kind = Arrangements::Kind::orders;
  std::int64_t constant_voxels = 0;
};

/// What is tested and what is taken out.
struct TestedVariate {
  Eigen::MatrixXd tested;  // (n, q)
  MatrixD confounds;       // (n, C); C may be 0
  Arrangements::Kind kind = Arrangements::Kind::orders;
  bool has_constant = false;  // beside the confounds
};

/// @throws as `permuted_ols`.
TestedVariate variate_of_columns(const Eigen::VectorXd& tested, const MatrixD& confounds, bool model_intercept);

/// The design in other columns: those whose coefficients the contrast's independent rows (q, P) are, up to their
/// lengths, and the others, of which the contrast is 0 (Beckmann's partition, Winkler et al. 2014, appendix A).
/// @throws as `permuted_contrast`.
TestedVariate variate_of_contrast(const DesignMatrix& design, const Eigen::MatrixXd& rows);

enum class PermutedStatistic : std::uint8_t { t, f };

/// @param data  one matrix (n, V), or with F of one tested column several, which are tested together.
/// @throws as `permuted_ols` and `permuted_joint_contrast`.
PermutedModel make_permuted_model(std::span<const MatrixD> data, const TestedVariate& variate,
                                  PermutedStatistic statistic);

/// Models of one arrangement each, (K·M, n): the first column of each, then the second of each …
MatrixD stacked_models(const std::vector<Eigen::MatrixXd>& models);

/// (K, width): t or F of `width` voxels from `begin` on, for each of K stacked models.
MatrixD permuted_statistic(const PermutedModel& model, const MatrixD& stacked, Eigen::Index begin, Eigen::Index width);

}  // namespace noema
