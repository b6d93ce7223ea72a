#include "noema/preprocess/spheres.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <Eigen/LU>
#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/core/hash.h"

namespace noema {
namespace {

/// Rounding of coordinates.
constexpr double kSnap_mm = 1e-9;

/// The place in the mask of each voxel of the grid, or −1.
std::vector<std::int32_t> places_of(const Mask& mask) {
  std::vector<std::int32_t> places(static_cast<std::size_t>(mask.grid.voxel_count()), -1);
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
    places[static_cast<std::size_t>(mask.voxels[v])] = static_cast<std::int32_t>(v);
  }
  return places;
}

/// The voxels of the grid around a point, which may hold some of a sphere.
struct Box {
  std::array<std::int64_t, 3> first, last;
};
Box box_around(const Eigen::Vector3d& centre, const Eigen::Matrix4d& voxel_from_ras, double radius_mm,
               const std::array<std::int64_t, 3>& shape) {
  Box box{};
  for (int a = 0; a < 3; ++a) {
    const auto at = static_cast<std::size_t>(a);
    const double reach = radius_mm * voxel_from_ras.row(a).head<3>().norm() + kSnap_mm;
    const double most = static_cast<double>(shape[at]);
    box.first[at] = static_cast<std::int64_t>(std::clamp(std::floor(centre[a] - reach), 0.0, most));
    box.last[at] = static_cast<std::int64_t>(std::clamp(std::ceil(centre[a] + reach), -1.0, most - 1));
  }
  return box;
}

std::vector<std::int64_t> sphere_at(const Eigen::Vector3d& seed_mm, const Mask& mask,
                                    const std::vector<std::int32_t>& places, std::optional<double> radius_mm) {
  const Grid& grid = mask.grid;
  const Eigen::Matrix4d voxel_from_ras = grid.ras_from_voxel.inverse();
  const Eigen::Vector3d centre = (voxel_from_ras * seed_mm.homogeneous()).head<3>();
  const Eigen::Vector3d holder = centre.array().rint();
  const Box box = box_around(centre, voxel_from_ras, radius_mm.value_or(0), grid.shape);
  std::vector<std::int64_t> voxels;
  for (std::int64_t k = box.first[2]; k <= box.last[2]; ++k) {
    for (std::int64_t j = box.first[1]; j <= box.last[1]; ++j) {
      for (std::int64_t i = box.first[0]; i <= box.last[0]; ++i) {
        const std::int32_t place = places[static_cast<std::size_t>(grid.linear_index(i, j, k))];
        if (place < 0) continue;
        const Eigen::Vector3d voxel(static_cast<double>(i), static_cast<double>(j), static_cast<double>(k));
        const double distance_mm = ((grid.ras_from_voxel * voxel.homogeneous()).head<3>() - seed_mm).norm();
        if (voxel == holder || (radius_mm && distance_mm <= *radius_mm + kSnap_mm)) voxels.push_back(place);
      }
    }
  }
  return voxels;
}

void check_overlap(const std::vector<std::vector<std::int64_t>>& spheres, const Seeds& seeds, std::int64_t voxels) {
  std::vector<std::int32_t> owner(static_cast<std::size_t>(voxels), -1);
  for (std::size_t s = 0; s < spheres.size(); ++s) {
    for (const std::int64_t voxel : spheres[s]) {
      std::int32_t& first = owner[static_cast<std::size_t>(voxel)];
      if (first >= 0) {
        throw DataError(
            fmt::format("the spheres '{}' and '{}' overlap ({:.4g} mm from seed to seed); use a smaller "
                        "radius or seeds further apart",
                        seeds.names[static_cast<std::size_t>(first)], seeds.names[s],
                        (seeds.ras_mm[static_cast<std::size_t>(first)] - seeds.ras_mm[s]).norm()));
      }
      first = static_cast<std::int32_t>(s);
    }
  }
}

}  // namespace

std::vector<std::vector<std::int64_t>> sphere_voxels(const Seeds& seeds, const Mask& mask,
                                                     const SphereOptions& options) {
  if (options.radius_mm && !(*options.radius_mm >= 0 && std::isfinite(*options.radius_mm))) {
    throw UsageError(fmt::format("spheres: found a radius of {} mm, expected at least 0", *options.radius_mm));
  }
  const std::vector<std::int32_t> places = places_of(mask);
  std::vector<std::vector<std::int64_t>> spheres;
  for (std::size_t s = 0; s < seeds.ras_mm.size(); ++s) {
    const Eigen::Vector3d& at = seeds.ras_mm[s];
    spheres.push_back(sphere_at(at, mask, places, options.radius_mm));
    if (spheres.back().empty()) {
      throw DataError(
          fmt::format("the sphere of '{}' at ({:g}, {:g}, {:g}) mm has no voxel of the mask ({}); are the "
                      "coordinates of the same space?",
                      seeds.names[s], at[0], at[1], at[2], describe(mask.grid)));
    }
  }
  if (!options.allow_overlap) check_overlap(spheres, seeds, mask.size());
  return spheres;
}

FeatureSpace sphere_features(const Seeds& seeds, const Mask& mask, std::optional<double> radius_mm) {
  const auto spheres = sphere_voxels(seeds, mask, {radius_mm, false});
  FeatureSpace features;
  features.kind = FeatureKind::parcels;
  features.mask = mask;
  features.names = seeds.names;
  features.parcel_of_voxel.assign(mask.voxels.size(), -1);
  Hasher hasher;
  hasher.add(radius_mm ? fmt::format("spheres {:.6f}", *radius_mm) : "single voxels");
  for (std::size_t s = 0; s < spheres.size(); ++s) {
    for (const std::int64_t v : spheres[s]) {
      features.parcel_of_voxel[static_cast<std::size_t>(v)] = static_cast<std::int32_t>(s);
    }
    const Eigen::Vector3d& at = seeds.ras_mm[s];
    hasher.add(fmt::format("\n{:.6f},{:.6f},{:.6f},{}", at[0], at[1], at[2], seeds.names[s]));
  }
  features.atlas_hash = hasher.digest();
  return features;
}

}  // namespace noema
