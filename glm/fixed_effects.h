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

/// Combines the maps of several runs; degrees of freedom add up. Precision weights hold variances to be at least 1e-16.
/// A voxel without variance in one of the runs (a constant series) has effect, variance, t and z of 0.
/// @throws UsageError without maps, ShapeError for maps of different size.
ContrastMaps fixed_effects(const std::vector<ContrastMaps>& runs, RunWeights weights = RunWeights::equal);

}  // namespace noema
