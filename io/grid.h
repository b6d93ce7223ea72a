// io/grid: where the values of an image lie in the world.
#pragma once

#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <memory>
#include <string>

namespace noema {

struct BrainModels;

/// A box of voxels and its place: voxel (i, j, k) has its centre at `ras_from_voxel · (i, j, k, 1)` in RAS millimetres.
///
/// The linear index of a voxel is i + X·(j + Y·k): x runs fastest, as in a NIfTI file.
///
/// Or a list of grayordinates (CIFTI): then `grayordinates` says where each lies, the shape is their number ×1×1 and
/// the affine means nothing.
struct Grid {
  std::array<std::int64_t, 3> shape{0, 0, 0};  // X, Y, Z
  Eigen::Matrix4d ras_from_voxel = Eigen::Matrix4d::Identity();
  /// Null for a box of voxels.
  std::shared_ptr<const BrainModels> grayordinates;

  std::int64_t voxel_count() const { return shape[0] * shape[1] * shape[2]; }
  std::int64_t linear_index(std::int64_t i, std::int64_t j, std::int64_t k) const {
    return i + shape[0] * (j + shape[1] * k);
  }
  std::array<std::int64_t, 3> voxel_at(std::int64_t linear_index) const {
    return {linear_index % shape[0], linear_index / shape[0] % shape[1], linear_index / (shape[0] * shape[1])};
  }
  /// Lengths of the three voxel edges: the norms of the affine's columns.
  std::array<double, 3> voxel_size_mm() const;
};

/// The "grid" of grayordinates.
Grid grid_of(std::shared_ptr<const BrainModels> grayordinates);

/// Same shape, and no corner of the box further apart than `tolerance_mm`; or the same grayordinates in the same order.
bool same_grid(const Grid& a, const Grid& b, double tolerance_mm = 1e-2);

/// For messages: "40×20×1 voxels of 3.5×3.75×3.75 mm, origin (…)", or what grayordinates there are.
std::string describe(const Grid& grid);

}  // namespace noema
