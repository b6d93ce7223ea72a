#include "noema/glm/lattice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>

#include "noema/core/error.h"

namespace noema {

Lattice make_lattice(const Mask& mask, Connectivity connectivity) {
  if (mask.voxels.empty()) throw DataError("clusters were asked of a mask without voxels");
  std::array<std::int64_t, 3> low = mask.grid.voxel_at(mask.voxels[0]);
  std::array<std::int64_t, 3> high = low;
  for (const std::int64_t voxel : mask.voxels) {
    const auto at = mask.grid.voxel_at(voxel);
    for (std::size_t a = 0; a < 3; ++a) {
      low[a] = std::min(low[a], at[a]);
      high[a] = std::max(high[a], at[a]);
    }
  }
  // One empty column before each row (and so after the one before it), one row before each slice, a slice on each side.
  const std::int64_t width = high[0] - low[0] + 2;
  const std::int64_t slice = width * (high[1] - low[1] + 2);
  Lattice lattice;
  lattice.positions = slice * (high[2] - low[2] + 3) + width + 1;
  if (lattice.positions > std::numeric_limits<std::int32_t>::max()) {
    throw DataError(fmt::format("a box of {} voxels around the mask is too large for clusters", lattice.positions));
  }
  lattice.position.reserve(mask.voxels.size());
  for (const std::int64_t voxel : mask.voxels) {
    const auto at = mask.grid.voxel_at(voxel);
    lattice.position.push_back(
        static_cast<std::int32_t>(at[0] - low[0] + 1 + width * (at[1] - low[1] + 1) + slice * (at[2] - low[2] + 1)));
  }
  const int most_axes = connectivity == Connectivity::faces ? 1 : connectivity == Connectivity::edges ? 2 : 3;
  for (int k = -1; k <= 1; ++k) {
    for (int j = -1; j <= 1; ++j) {
      for (int i = -1; i <= 1; ++i) {
        const int axes = std::abs(i) + std::abs(j) + std::abs(k);
        if (axes > 0 && axes <= most_axes) {
          lattice.offsets.push_back(static_cast<std::int32_t>(i + width * j + slice * k));
        }
      }
    }
  }
  return lattice;
}

}  // namespace noema
