#include "noema/pipelines/region_places.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "noema/io/brain_models.h"

namespace noema {
namespace {

Eigen::Vector3d on_mesh(const BrainModels& models, std::int64_t grayordinate, const std::vector<SurfaceMesh>& meshes) {
  std::int64_t first = 0;
  for (const BrainModel& model : models.models) {
    const std::int64_t within = grayordinate - first;
    first += model.count();
    if (grayordinate >= first || !model.is_surface()) continue;
    for (const SurfaceMesh& mesh : meshes) {
      if (mesh.structure == model.structure) {
        return mesh.points_mm.row(model.vertices[static_cast<std::size_t>(within)]).transpose();
      }
    }
    break;
  }
  return Eigen::Vector3d::Constant(std::numeric_limits<double>::quiet_NaN());
}

Eigen::Vector3d place_of(const Grid& grid, std::int64_t voxel, const std::vector<SurfaceMesh>& meshes) {
  if (grid.grayordinates != nullptr) {
    const Eigen::Vector3d place = place_mm(*grid.grayordinates, voxel);
    return std::isfinite(place[0]) ? place : on_mesh(*grid.grayordinates, voxel, meshes);
  }
  const auto at = grid.voxel_at(voxel);
  return (grid.ras_from_voxel *
          Eigen::Vector4d(static_cast<double>(at[0]), static_cast<double>(at[1]), static_cast<double>(at[2]), 1))
      .head<3>();
}

struct Centre {
  Eigen::Vector3d sum = Eigen::Vector3d::Zero();
  double weight = 0;
  std::int64_t voxels = 0;

  void add(const Eigen::Vector3d& place, double share) {
    ++voxels;
    if (!std::isfinite(place[0])) return;
    sum += share * place;
    weight += share;
  }
};

}  // namespace

std::vector<ConnectomeRegion> region_places(const FeatureSpace& features, const std::vector<SurfaceMesh>& meshes) {
  std::vector<Centre> centres(static_cast<std::size_t>(features.count()));
  for (std::size_t v = 0; v < features.mask.voxels.size(); ++v) {
    const Eigen::Vector3d place = place_of(features.mask.grid, features.mask.voxels[v], meshes);
    if (features.kind == FeatureKind::voxels) centres[v].add(place, 1);
    if (features.kind == FeatureKind::parcels && features.parcel_of_voxel[v] >= 0) {
      centres[static_cast<std::size_t>(features.parcel_of_voxel[v])].add(place, 1);
    }
    if (features.kind != FeatureKind::maps) continue;
    for (std::size_t f = 0; f < centres.size(); ++f) {
      const float weight = features.map_weights(static_cast<Eigen::Index>(v), static_cast<Eigen::Index>(f));
      if (weight > 0) centres[f].add(place, weight);
    }
  }
  std::vector<ConnectomeRegion> regions;
  for (std::size_t f = 0; f < centres.size(); ++f) {
    const Centre& centre = centres[f];
    const Eigen::Vector3d mm = centre.sum / centre.weight;  // NaN without a place
    regions.push_back({features.names.empty() ? fmt::format("voxel_{}", f + 1) : features.names[f],
                       {mm[0], mm[1], mm[2]},
                       centre.voxels});
  }
  return regions;
}

}  // namespace noema
