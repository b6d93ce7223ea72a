// preprocess/morphology: erosion, dilation and components of voxel sets, with the six face neighbours.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace noema {

/// A box of voxels, each in the set (1) or not (0); x fastest.
struct VoxelSet {
  std::array<std::int64_t, 3> shape{0, 0, 0};
  std::vector<std::uint8_t> in;
};

/// Along which axes voxels are neighbours.
using Axes = std::array<bool, 3>;

/// Keeps voxels whose neighbours all belong to the set; beyond the box nothing does.
void erode(VoxelSet& set, int times, const Axes& axes = {true, true, true});
/// Adds the neighbours of the set.
void dilate(VoxelSet& set, int times, const Axes& axes = {true, true, true});
/// Keeps the largest component connected through faces; of equals the one with the lowest linear index.
void keep_largest_component(VoxelSet& set);

}  // namespace noema
