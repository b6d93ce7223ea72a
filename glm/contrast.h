// glm/contrast: questions to a fitted model, as weights of its columns.
#pragma once

#include <Eigen/Core>
#include <string>
#include <string_view>
#include <vector>

#include "noema/glm/fit.h"

namespace noema {

/// The answer to one question in every voxel.
struct ContrastMaps {
  Eigen::VectorXd effect;    // (V)
  Eigen::VectorXd variance;  // (V), of the effect
  Eigen::VectorXd stat;      // (V), t = effect/√variance; 0 where the variance is exactly 0
  Eigen::VectorXd z;         // (V), the normal value of the same tail probability; |z| ≤ 37.05
  double df = 0;
};

/// Weights of `columns` from a formula: names, numbers, + − * / and parentheses, such as "scene + house - face - body",
/// "(A+B)/2" or "a - 0.5*b". At each place the longest column name that fits is taken, so names may hold spaces or
/// signs; they may also stand in '…' or "…". Names may be multiplied and divided by numbers, not by names.
/// @throws UsageError for a formula that cannot be read, an unknown name (with the nearest), or weights that are all 0.
Eigen::VectorXd parse_contrast(std::string_view formula, const std::vector<std::string>& columns);

/// t contrast of weights (P) in every voxel: effect = c·β, variance = c·cov·cᵀ·dispersion.
/// @throws ShapeError unless there is a weight for each column; UsageError if all are 0 or one is not finite; DataError
///   naming the columns when the design cannot estimate the contrast.
ContrastMaps t_contrast(const GlmFit& fit, const Eigen::VectorXd& weights);
ContrastMaps t_contrast(const GlmFit& fit, std::string_view formula);

/// Fills `stat` and `z` from `effect`, `variance` and `df`.
void add_statistics(ContrastMaps& maps);

/// p of each voxel: P(T > t), or of the size of t on both sides.
Eigen::VectorXd one_sided_p(const ContrastMaps& maps);
Eigen::VectorXd two_sided_p(const ContrastMaps& maps);

/// Whether the design can tell the contrast's value: every solution of least squares gives the same.
bool is_estimable(const GlmFit& fit, const Eigen::VectorXd& weights);

}  // namespace noema
