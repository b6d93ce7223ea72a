// preprocess/spheres: regions around points of the brain.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "noema/io/seeds.h"
#include "noema/io/series.h"

namespace noema {

struct SphereOptions {
  /// Voxels whose centre is at most this far from the seed; none: the voxel that holds the seed alone.
  std::optional<double> radius_mm;
  /// A voxel may belong to several spheres.
  bool allow_overlap = false;
};

/// For each seed the places in the mask, ascending, of the voxels with their centre within the radius (1e-9 mm of
/// rounding allowed) and of the voxel that holds the seed; voxels outside the mask belong to none.
/// @throws UsageError for a radius that is negative or not finite; DataError for a sphere without a voxel in the mask,
/// or spheres that overlap against the options (both name the seeds)
std::vector<std::vector<std::int64_t>> sphere_voxels(const Seeds& seeds, const Mask& mask,
                                                     const SphereOptions& options);

/// Spheres as parcels. @throws as `sphere_voxels`; spheres must not overlap
FeatureSpace sphere_features(const Seeds& seeds, const Mask& mask, std::optional<double> radius_mm);

}  // namespace noema
