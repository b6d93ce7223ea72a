#include "noema/decoders/voxel_box.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <vector>

#include "noema/core/error.h"
#include "noema/learn/tensors.h"

namespace noema {

VoxelBox box_around(const FeatureSpace& space) {
  if (space.kind != FeatureKind::voxels) {
    throw DataError("a volume network needs voxels as features, found parcels or maps; choose another model");
  }
  const Grid& grid = space.mask.grid;
  if (grid.grayordinates != nullptr) {
    throw DataError("a volume network needs voxels in a box, found grayordinates; choose another model");
  }
  std::array<std::int64_t, 3> low = grid.shape, high{0, 0, 0};
  for (const std::int64_t voxel : space.mask.voxels) {
    const auto at = grid.voxel_at(voxel);
    for (std::size_t axis = 0; axis < 3; ++axis) {
      low[axis] = std::min(low[axis], at[axis]);
      high[axis] = std::max(high[axis], at[axis] + 1);
    }
  }
  VoxelBox box;
  std::vector<std::int64_t> places;
  for (std::size_t axis = 0; axis < 3; ++axis) box.size[axis] = high[axis] - low[axis];
  for (const std::int64_t voxel : space.mask.voxels) {
    const auto at = grid.voxel_at(voxel);
    places.push_back((at[0] - low[0]) + box.size[0] * ((at[1] - low[1]) + box.size[1] * (at[2] - low[2])));
  }
  box.places = tensor_of(TensorData::from_ints({space.mask.size()}, places));
  return box;
}

at::Tensor scatter_to_box(const at::Tensor& values, const VoxelBox& box) {
  const auto [x, y, z] = box.size;
  const at::Tensor empty = at::zeros({values.size(0), x * y * z}, values.options().requires_grad(false));
  // x runs fastest, so it is the last axis in memory.
  return empty.index_copy(1, box.places, values).view({-1, 1, z, y, x}).permute({0, 1, 4, 3, 2});
}

}  // namespace noema
