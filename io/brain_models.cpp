#include "noema/io/brain_models.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <unordered_map>
#include <utility>

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr double kSameVolume_mm = 1e-2;
constexpr double kSameVoxel_mm = 0.1;
constexpr std::string_view kPrefix = "CIFTI_STRUCTURE_";

std::string fault_of_surface(const BrainModel& model) {
  std::vector<bool> seen(static_cast<std::size_t>(model.surface_vertices), false);
  for (const std::int32_t vertex : model.vertices) {
    if (vertex < 0 || vertex >= model.surface_vertices) {
      return fmt::format("vertex {} of {} is outside the surface, which has {} vertices", vertex, model.structure,
                         model.surface_vertices);
    }
    if (seen[static_cast<std::size_t>(vertex)])
      return fmt::format("vertex {} of {} occurs twice", vertex, model.structure);
    seen[static_cast<std::size_t>(vertex)] = true;
  }
  return {};
}

std::int64_t index_of(const std::array<std::int64_t, 3>& shape, const std::array<std::int32_t, 3>& voxel) {
  return voxel[0] + shape[0] * (voxel[1] + shape[1] * std::int64_t{voxel[2]});
}

bool is_within(const std::array<std::int64_t, 3>& shape, const std::array<std::int32_t, 3>& voxel) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (voxel[axis] < 0 || voxel[axis] >= shape[axis]) return false;
  }
  return true;
}

std::string fault_of_voxels(const BrainModels& all, const BrainModel& model, std::set<std::int64_t>& seen) {
  for (const auto& voxel : model.voxels) {
    const std::string name = fmt::format("voxel ({}) of {}", fmt::join(voxel, ", "), model.structure);
    if (!is_within(all.volume_shape, voxel)) {
      return fmt::format("{} is outside the volume of {} voxels", name, fmt::join(all.volume_shape, "×"));
    }
    if (!seen.insert(index_of(all.volume_shape, voxel)).second) return fmt::format("{} occurs twice", name);
  }
  return {};
}

bool same_volume(const BrainModels& a, const BrainModels& b) {
  if (a.volume_shape != b.volume_shape) return false;
  for (int corner = 0; corner < 8; ++corner) {
    Eigen::Vector4d voxel(0, 0, 0, 1);
    for (int axis = 0; axis < 3; ++axis) {
      if (corner >> axis & 1) voxel[axis] = static_cast<double>(a.volume_shape[static_cast<std::size_t>(axis)]);
    }
    if (!(((a.ras_from_voxel - b.ras_from_voxel) * voxel).norm() <= kSameVolume_mm)) return false;
  }
  return true;
}

void find_vertices(const BrainModel& from, std::int64_t first, const BrainModel& to, std::int64_t* places) {
  if (from.surface_vertices != to.surface_vertices) {
    throw ShapeError(
        fmt::format("the surface {} has {} vertices in the one and {} in the other; use files of the same mesh (for "
                    "instance fsLR 32k), or resample one (wb_command -cifti-resample)",
                    short_structure(to.structure), from.surface_vertices, to.surface_vertices));
  }
  std::vector<std::int64_t> place(static_cast<std::size_t>(from.surface_vertices), -1);
  for (std::size_t v = 0; v < from.vertices.size(); ++v) {
    place[static_cast<std::size_t>(from.vertices[v])] = first + static_cast<std::int64_t>(v);
  }
  for (std::size_t v = 0; v < to.vertices.size(); ++v) places[v] = place[static_cast<std::size_t>(to.vertices[v])];
}

/// Voxels by their place in the world, whatever structure they are filed under.
class VoxelFinder {
 public:
  VoxelFinder(const BrainModels& from, const BrainModels& to)
      : shape_(from.volume_shape), voxel_from_voxel_(from.ras_from_voxel.inverse() * to.ras_from_voxel) {
    for (int axis = 0; axis < 3; ++axis) edge_mm_[axis] = from.ras_from_voxel.col(axis).head<3>().norm();
    std::int64_t place = 0;
    for (const BrainModel& model : from.models) {
      for (const auto& voxel : model.voxels) places_[index_of(shape_, voxel)] = place++;
      if (model.is_surface()) place += model.count();
    }
  }

  std::int64_t find(const std::array<std::int32_t, 3>& voxel) const {
    const Eigen::Vector3d at = (voxel_from_voxel_ * Eigen::Vector4d(voxel[0], voxel[1], voxel[2], 1)).head<3>();
    const Eigen::Vector3d nearest = at.array().round();
    if (!((at - nearest).cwiseProduct(edge_mm_).norm() <= kSameVoxel_mm)) return -1;
    if ((nearest.array() < 0).any()) return -1;
    std::array<std::int32_t, 3> index{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double i = nearest[static_cast<Eigen::Index>(axis)];
      if (i >= static_cast<double>(shape_[axis])) return -1;
      index[axis] = static_cast<std::int32_t>(i);
    }
    const auto found = places_.find(index_of(shape_, index));
    return found == places_.end() ? -1 : found->second;
  }

 private:
  std::array<std::int64_t, 3> shape_;
  Eigen::Matrix4d voxel_from_voxel_;
  Eigen::Vector3d edge_mm_;
  std::unordered_map<std::int64_t, std::int64_t> places_;
};

}  // namespace

std::int64_t BrainModels::count() const {
  return std::accumulate(models.begin(), models.end(), std::int64_t{0},
                         [](std::int64_t sum, const BrainModel& model) { return sum + model.count(); });
}

const BrainModel* BrainModels::find(std::string_view structure, bool surface) const {
  for (const BrainModel& model : models) {
    if (model.structure == structure && model.is_surface() == surface) return &model;
  }
  return nullptr;
}

bool same_brain_models(const BrainModels& a, const BrainModels& b) {
  return &a == &b || (same_volume(a, b) && a.models == b.models);
}

Eigen::Vector3d place_mm(const BrainModels& models, std::int64_t grayordinate) {
  for (const BrainModel& model : models.models) {
    if (grayordinate >= model.count()) {
      grayordinate -= model.count();
      continue;
    }
    if (model.is_surface()) break;
    const auto& [i, j, k] = model.voxels[static_cast<std::size_t>(grayordinate)];
    return (models.ras_from_voxel * Eigen::Vector4d(i, j, k, 1)).head<3>();
  }
  return Eigen::Vector3d::Constant(std::nan(""));
}

std::string_view short_structure(std::string_view structure) {
  return structure.starts_with(kPrefix) ? structure.substr(kPrefix.size()) : structure;
}

std::string describe(const BrainModels& models) {
  std::vector<std::string> parts;
  std::int64_t voxels = 0;
  int structures = 0;
  for (const BrainModel& model : models.models) {
    if (model.is_surface()) {
      parts.push_back(
          fmt::format("{} {} of {} vertices", short_structure(model.structure), model.count(), model.surface_vertices));
    } else {
      voxels += model.count();
      ++structures;
    }
  }
  if (structures > 0) parts.push_back(fmt::format("{} structures of {} voxels", structures, voxels));
  return fmt::format("{} grayordinates ({})", models.count(), fmt::join(parts, ", "));
}

std::string fault_of(const BrainModels& models) {
  if (models.models.empty()) return "there is no brain model";
  std::set<std::pair<std::string, bool>> known;
  std::set<std::int64_t> seen;
  for (const BrainModel& model : models.models) {
    if (!model.structure.starts_with(kPrefix)) {
      return fmt::format("the structure '{}' is none, expected a name that begins with {}", model.structure, kPrefix);
    }
    if (!known.emplace(model.structure, model.is_surface()).second) {
      return fmt::format("two models are of {}", model.structure);
    }
    if (model.count() == 0) return fmt::format("the model of {} is empty", model.structure);
    const std::string fault = model.is_surface() ? fault_of_surface(model) : fault_of_voxels(models, model, seen);
    if (!fault.empty()) return fault;
  }
  const Eigen::Matrix3d axes = models.ras_from_voxel.topLeftCorner<3, 3>();
  if (!models.ras_from_voxel.allFinite() || !(std::abs(axes.determinant()) > 0)) {
    return "the affine of the volume is singular or not finite";
  }
  return {};
}

std::vector<std::int64_t> places_in(const BrainModels& from, const BrainModels& to) {
  std::vector<std::int64_t> places(static_cast<std::size_t>(to.count()), -1);
  const VoxelFinder voxels(from, to);
  std::int64_t at = 0;
  for (const BrainModel& model : to.models) {
    if (model.is_surface()) {
      std::int64_t first = 0;
      for (const BrainModel& other : from.models) {
        if (other.is_surface() && other.structure == model.structure) {
          find_vertices(other, first, model, places.data() + at);
        }
        first += other.count();
      }
    } else {
      for (std::size_t v = 0; v < model.voxels.size(); ++v) {
        places[static_cast<std::size_t>(at) + v] = voxels.find(model.voxels[v]);
      }
    }
    at += model.count();
  }
  return places;
}

}  // namespace noema
