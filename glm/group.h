// glm/group: what holds across subjects.
#pragma once

#include "noema/glm/contrast.h"

namespace noema {

/// One-sample t test of the subjects' effects (S, V) against 0 in every voxel: effect = mean, variance = s²/S, S−1
/// degrees of freedom. The test looks both ways: `z` keeps the sign of the effect, `two_sided_p` gives its p.
/// Where all subjects have the same value t and z are 0.
/// @throws UsageError for fewer than two subjects; DataError for effects that are not finite.
ContrastMaps one_sample_t(const MatrixD& effects);

}  // namespace noema
