// io/orientation: which way the axes of a grid run, and how to turn them.
#pragma once

#include <Eigen/Core>

#include "noema/io/grid.h"
#include "noema/io/image.h"

namespace noema {

/// The permutation and flips that bring the axes of a file nearest to right, front and up.
///
/// Of the six assignments of file axes to world axes the one with the largest sum of |direction cosines| is taken;
/// between equals (an axis at exactly 45°) the one that permutes least.
Orientation orientation_of(const Eigen::Matrix4d& ras_from_voxel);

/// The same voxels with axes permuted and flipped: file order → canonical order. Every voxel keeps its place in the
/// world.
Grid to_canonical(const Grid& disk, const Orientation& orientation);

/// The inverse of `to_canonical`.
Grid to_disk(const Grid& canonical, const Orientation& orientation);

/// How to walk a canonical array in file order: file voxel (a, b, c) is the canonical voxel with linear index
/// `first + a·step[0] + b·step[1] + c·step[2]`.
struct DiskWalk {
  std::int64_t first = 0;
  std::array<std::int64_t, 3> step{1, 0, 0};
};
DiskWalk disk_walk(const Grid& canonical, const Orientation& orientation);

/// The three indices in the file of a canonical voxel.
std::array<std::int64_t, 3> disk_voxel(const Grid& canonical, const Orientation& orientation,
                                       const std::array<std::int64_t, 3>& voxel);

}  // namespace noema
