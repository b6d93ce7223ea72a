// glm/lattice: which voxels of a mask touch.
#pragma once

#include <cstdint>
#include <vector>

#include "noema/io/image.h"

namespace noema {

/// Voxels touch when they share a face, or an edge or a face, or a corner, an edge or a face.
enum class Connectivity : std::uint8_t { faces = 6, edges = 18, corners = 26 };

/// The voxels of a mask in a box with a margin, so that neighbours are reached by adding an offset and need no bounds
/// check. Positions ascend with the voxels of the mask.
struct Lattice {
  std::int64_t positions = 0;          // of the box, margin included
  std::vector<std::int32_t> position;  // (V), of each voxel of the mask
  std::vector<std::int32_t> offsets;   // (6, 18 or 26), from a voxel to its neighbours, in both directions
};

/// @throws DataError for a mask without voxels or whose box has 2³¹ or more.
Lattice make_lattice(const Mask& mask, Connectivity connectivity = Connectivity::faces);

}  // namespace noema
