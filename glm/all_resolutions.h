// glm/all_resolutions: how much of a cluster is truly active, at least, whatever clusters are looked at.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "noema/glm/lattice.h"

namespace noema {

/// Hommel's h: the largest number of voxels without effect that p values of all voxels allow at level `alpha`, by
/// Simes' test. Cost: a sort. @throws UsageError unless 0 < alpha < 1; DataError without values or for NaN.
std::int64_t hommel_value(std::span<const double> p, double alpha);

/// The share of the voxels with these p values that has an effect, at least; holds with confidence 1 − alpha for all
/// sets of voxels at once. (Rosenblatt et al. 2018, doi:10.1016/j.neuroimage.2018.07.060.) Cost: a sort.
/// @param hommel  of all voxels of the analysis.
double true_discovery_proportion(std::span<const double> p, std::int64_t hommel, double alpha);

/// (V): for each voxel the proportion of true discoveries of its cluster of z > threshold, 0 outside of clusters. Of
/// several thresholds the highest that the voxel exceeds counts. One-sided: z from above.
/// @throws as `hommel_value`, `make_lattice`; UsageError for a negative threshold; ShapeError.
std::vector<double> true_discovery_map(const Mask& mask, std::span<const double> z, std::vector<double> thresholds,
                                       double alpha);

}  // namespace noema
