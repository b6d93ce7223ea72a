// glm/contrast: questions to a fitted model, as weights of its columns.
#pragma once

#include <Eigen/Core>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "noema/glm/fit.h"

namespace noema {

/// The answer to one question in every voxel.
struct ContrastMaps {
  Eigen::VectorXd effect;    // (V); empty for F, see row_effects
  Eigen::VectorXd variance;  // (V), of the effect; empty for F
  Eigen::VectorXd stat;      // (V), t = effect/√variance, or F; 0 where the variance is exactly 0
  Eigen::VectorXd z;         // (V), the normal value of the same upper tail probability; 0 where the variance is 0
  MatrixD row_effects;       // (q, V), of an F contrast's independent rows; empty for t
  double df = 0;
  /// Independent rows of an F contrast; 0: a t contrast.
  double df_numerator = 0;

  bool is_f() const { return df_numerator > 0; }
};

/// Estimates of the rows of one question and how they vary together: what t, F and fixed effects are made of.
struct JointEffects {
  MatrixD effects;      // (q, V)
  MatrixD covariances;  // (q(q+1)/2, V): lower triangle of the rows' covariance, row by row
  double df = 0;

  Eigen::Index rows() const { return effects.rows(); }
  Eigen::Index voxels() const { return effects.cols(); }
};

/// Weights of `columns` from a formula: names, numbers, + − * / and parentheses, such as "scene + house - face - body",
/// "(A+B)/2" or "a - 0.5*b". At each place the longest column name that fits is taken, so names may hold spaces or
/// signs; they may also stand in '…' or "…". Names may be multiplied and divided by numbers, not by names.
/// @throws UsageError for a formula that cannot be read, an unknown name (with the nearest), or weights that are all 0.
Eigen::VectorXd parse_contrast(std::string_view formula, const std::vector<std::string>& columns);

/// Whether a formula asks for F: it holds a ';' outside quotation marks, as in "a - b; b - c" or, of one row, "a;".
bool is_f_formula(std::string_view formula);
/// Weights (q, P) of formulas parted by ';', one for a t formula. @throws UsageError as `parse_contrast`.
Eigen::MatrixXd parse_contrast_rows(std::string_view formula, const std::vector<std::string>& columns);

/// t contrast of weights in every voxel: effect = c·β, variance = c·cov·cᵀ·dispersion. Fewer weights than columns count
/// as 0 for the rest, with a warning.
/// @throws ShapeError for more weights than columns; UsageError if all are 0 or one is not finite; DataError naming the
///   columns when the design cannot estimate the contrast.
ContrastMaps t_contrast(const GlmFit& fit, const Eigen::VectorXd& weights);
ContrastMaps t_contrast(const GlmFit& fit, std::string_view formula);

/// F contrast of rows of weights (q, P): F = (Cβ)ᵀ(C·cov·Cᵀ)⁻¹(Cβ)/(q·dispersion). Rows that depend on others are left
/// out, so q is their rank. @throws as `t_contrast`.
ContrastMaps f_contrast(const GlmFit& fit, const Eigen::MatrixXd& rows);
ContrastMaps f_contrast(const GlmFit& fit, std::string_view formula);

/// Answers to several questions, each of independent rows (q, P), in one pass over the voxels.
/// Cost: with noise of order above 1, O(P³) a voxel; else O(Σq²).
std::vector<JointEffects> joint_effects(const GlmFit& fit, std::span<const Eigen::MatrixXd> questions);
/// t of one row. @throws ShapeError for more rows.
ContrastMaps t_maps(const JointEffects& joint);
/// F of one or more rows.
ContrastMaps f_maps(const JointEffects& joint);

/// Rows of which none is a sum of others: the first ones that span what all of them span.
Eigen::MatrixXd independent_rows(const Eigen::MatrixXd& rows);

/// Fills `stat` and `z` of a t contrast from `effect`, `variance` and `df`.
void add_statistics(ContrastMaps& maps);

/// p of each voxel: of the upper tail, P(T > t) or P(F > f); or of the size of t on both sides (for F the same as
/// one-sided).
Eigen::VectorXd one_sided_p(const ContrastMaps& maps);
Eigen::VectorXd two_sided_p(const ContrastMaps& maps);

/// Whether the design can tell the contrast's value: every solution of least squares gives the same.
bool is_estimable(const GlmFit& fit, const Eigen::VectorXd& weights);

}  // namespace noema
