// decoders/voxel_box: features of voxels as volumes.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "noema/io/series.h"

namespace noema {

struct VoxelBox {
  /// The smallest box around the mask.
  std::array<std::int64_t, 3> size{0, 0, 0};
  /// (F) int64: the place of each feature in it, x + X·(y + Y·z).
  at::Tensor places;
};

/// @throws DataError unless the features are voxels.
VoxelBox box_around(const FeatureSpace& space);

/// Puts the features of volumes at their places in the box: (M, F) to (M, 1, X, Y, Z), zero elsewhere. Gradient: exact.
at::Tensor scatter_to_box(const at::Tensor& values, const VoxelBox& box);

}  // namespace noema
