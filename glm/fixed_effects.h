// glm/fixed_effects: one answer from several runs of one subject.
#pragma once

#include <string_view>
#include <vector>

#include "noema/glm/contrast.h"

namespace noema {

enum class RunWeights {
  equal,      ///< effect = mean of the runs' effects, variance = Σ variance / n²
  precision,  ///< weights 1/variance: variance = 1/Σ(1/variance), effect = variance·Σ(effect/variance)
};

/// "equal" or "precision". @throws UsageError for another name.
RunWeights parse_run_weights(std::string_view name);
std::string_view run_weights_name(RunWeights weights);

/// Combines one question's answers of several runs, for t and F alike; degrees of freedom add up. Of several rows,
/// precision weights are the inverses of the rows' covariances, so F over runs is exact for both weightings. Precision
/// weights of one row hold variances to be at least 1e-16. A voxel without variance in one of the runs (a constant
/// series) has effects and covariances of 0.
/// @throws UsageError without runs, ShapeError for runs of different voxels or rows.
JointEffects fixed_effects(const std::vector<JointEffects>& runs, RunWeights weights = RunWeights::equal);
/// The same for t contrasts given as maps. @throws UsageError for F, whose maps do not tell the effects.
ContrastMaps fixed_effects(const std::vector<ContrastMaps>& runs, RunWeights weights = RunWeights::equal);

}  // namespace noema
