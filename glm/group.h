// glm/group: what holds across subjects.
#pragma once

#include <span>

#include "noema/glm/contrast.h"

namespace noema {

/// One-sample t test of the subjects' effects (S, V) against 0 in every voxel: effect = mean, variance = s²/S, S−1
/// degrees of freedom. The test looks both ways: `z` keeps the sign of the effect, `two_sided_p` gives its p.
/// Where all subjects have the same value t and z are 0.
/// @throws UsageError for fewer than two subjects; DataError for effects that are not finite.
ContrastMaps one_sample_t(const MatrixD& effects);

/// Whether any of q effects of each subject, as the rows of an F contrast give them, follows a contrast (weights, P) of
/// the group's design (S, P): Hotelling's T² = eᵀC⁻¹e, where e (q) are the contrast's values and C their covariance
/// from the residuals. As F = T²·(df − q + 1)/(q·df), of q and df − q + 1 degrees of freedom, with df = S − rank.
/// Effects may vary and hang together in any way; other rows that ask the same give the same F. With a design of ones
/// it is whether the mean of any effect differs from 0, and for q = 1 the square of t. 0 where the effects' rests span
/// fewer than q directions, as where all are 0.
/// @param effects  q times (S, V).
/// @throws UsageError without effects or for a group too small for q; ShapeError; DataError for effects that are not
///   finite or a contrast that the design cannot estimate.
ContrastMaps joint_group_test(std::span<const MatrixD> effects, const DesignMatrix& design,
                              const Eigen::VectorXd& weights);

}  // namespace noema
