#include "noema/io/grid.h"

#include <fmt/format.h>

#include <utility>

#include "noema/io/brain_models.h"

namespace noema {

std::array<double, 3> Grid::voxel_size_mm() const {
  return {ras_from_voxel.col(0).head<3>().norm(), ras_from_voxel.col(1).head<3>().norm(),
          ras_from_voxel.col(2).head<3>().norm()};
}

Grid grid_of(std::shared_ptr<const BrainModels> grayordinates) {
  Grid grid;
  grid.shape = {grayordinates->count(), 1, 1};
  grid.grayordinates = std::move(grayordinates);
  return grid;
}

bool same_grid(const Grid& a, const Grid& b, double tolerance_mm) {
  if (a.shape != b.shape || (a.grayordinates == nullptr) != (b.grayordinates == nullptr)) return false;
  if (a.grayordinates != nullptr) return same_brain_models(*a.grayordinates, *b.grayordinates);
  for (int corner = 0; corner < 8; ++corner) {
    Eigen::Vector4d voxel(-0.5, -0.5, -0.5, 1);
    for (int axis = 0; axis < 3; ++axis) {
      if (corner >> axis & 1) voxel[axis] = static_cast<double>(a.shape[axis]) - 0.5;
    }
    const double distance_mm = ((a.ras_from_voxel - b.ras_from_voxel) * voxel).norm();
    if (!(distance_mm <= tolerance_mm)) return false;
  }
  return true;
}

std::string describe(const Grid& grid) {
  if (grid.grayordinates != nullptr) return describe(*grid.grayordinates);
  const auto size = grid.voxel_size_mm();
  const auto origin = grid.ras_from_voxel.col(3);
  return fmt::format("{}×{}×{} voxels of {:.4g}×{:.4g}×{:.4g} mm, origin ({:.5g}, {:.5g}, {:.5g})", grid.shape[0],
                     grid.shape[1], grid.shape[2], size[0], size[1], size[2], origin[0], origin[1], origin[2]);
}

}  // namespace noema
