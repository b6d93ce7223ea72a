// io/brain_models: grayordinates: vertices of cortex surfaces and voxels of deep structures, as CIFTI-2 lists them.
#pragma once

#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// One structure of the brain and the part of it that has values: vertices of its surface, or voxels.
struct BrainModel {
  /// CIFTI's name, such as "CIFTI_STRUCTURE_CORTEX_LEFT".
  std::string structure;
  /// How many vertices the whole surface has; 0 for a model of voxels.
  std::int64_t surface_vertices = 0;
  /// Surfaces: the vertices that have values, in the order of the values.
  std::vector<std::int32_t> vertices;
  /// Voxels: (i, j, k) in the volume of `BrainModels`.
  std::vector<std::array<std::int32_t, 3>> voxels;

  bool is_surface() const { return surface_vertices > 0; }
  std::int64_t count() const { return static_cast<std::int64_t>(is_surface() ? vertices.size() : voxels.size()); }
  bool operator==(const BrainModel&) const = default;
};

/// The places of a list of values (grayordinates): those of the first model, then those of the second …
struct BrainModels {
  std::vector<BrainModel> models;
  /// The box that the voxels lie in, and its affine (RAS mm); all 0 and the identity when there are no voxels.
  std::array<std::int64_t, 3> volume_shape{0, 0, 0};
  Eigen::Matrix4d ras_from_voxel = Eigen::Matrix4d::Identity();

  std::int64_t count() const;
  /// The model of a structure as a surface (or as voxels); null when there is none.
  const BrainModel* find(std::string_view structure, bool surface) const;
};

/// Same structures with the same vertices and voxels in the same order, in the same volume (to 0.01 mm).
bool same_brain_models(const BrainModels& a, const BrainModels& b);

/// For messages: "91282 grayordinates (CORTEX_LEFT 29696 of 32492 vertices, …, 19 structures of 31870 voxels)".
std::string describe(const BrainModels& models);

/// Where a grayordinate lies in the world if it is a voxel; NaN for vertices, which only a mesh places.
Eigen::Vector3d place_mm(const BrainModels& models, std::int64_t grayordinate);

/// "CORTEX_LEFT" for "CIFTI_STRUCTURE_CORTEX_LEFT".
std::string_view short_structure(std::string_view structure);

/// What is wrong with the models as a description of `count` values; empty when nothing is.
///
/// Every model has a structure (none twice as the same kind) and at least one value, vertices are within their surface
/// and voxels within the volume, no place occurs twice.
std::string fault_of(const BrainModels& models);

/// For each grayordinate of `to` the place of the same vertex or voxel in `from`, or −1. Voxels are the same when their
/// centres lie within 0.1 mm of each other.
/// @throws ShapeError when a surface has another number of vertices in the two (names both)
std::vector<std::int64_t> places_in(const BrainModels& from, const BrainModels& to);

}  // namespace noema
