#include "noema/glm/lattice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>

#include "noema/core/error.h"

namespace noema {
namespace {

/// As `voxel_at` for each voxel, with divisions only where a new row begins.
void for_each_place(const Mask& mask, const auto& visit) {
  std::array<std::int64_t, 3> at{0, 0, 0};
  std::int64_t begin = 0, end = 0;  // of the row
  for (const std::int64_t voxel : mask.voxels) {
    if (voxel < begin || voxel >= end) {
      at = mask.grid.voxel_at(voxel);
      begin = voxel - at[0];
      end = begin + mask.grid.shape[0];
    }
    at[0] = voxel - begin;
    visit(at);
  }
}

}  // namespace

Lattice make_lattice(const Mask& mask, Connectivity connectivity) {
  if (mask.voxels.empty()) throw DataError("clusters were asked of a mask without voxels");
  std::array<std::int64_t, 3> low = mask.grid.shape, high{0, 0, 0};
  for_each_place(mask, [&](const std::array<std::int64_t, 3>& at) {
    for (std::size_t a = 0; a < 3; ++a) {
      low[a] = std::min(low[a], at[a]);
      high[a] = std::max(high[a], at[a]);
    }
  });
  // One empty column before each row (and so after the one before it), one row before each slice, a slice on each side.
  const std::int64_t width = high[0] - low[0] + 2;
  const std::int64_t slice = width * (high[1] - low[1] + 2);
  Lattice lattice;
  lattice.positions = slice * (high[2] - low[2] + 3) + width + 1;
  if (lattice.positions > std::numeric_limits<std::int32_t>::max()) {
    throw DataError(fmt::format("a box of {} voxels around the mask is too large for clusters", lattice.positions));
  }
  lattice.position.reserve(mask.voxels.size());
  for_each_place(mask, [&](const std::array<std::int64_t, 3>& at) {
    lattice.position.push_back(
        static_cast<std::int32_t>(at[0] - low[0] + 1 + width * (at[1] - low[1] + 1) + slice * (at[2] - low[2] + 1)));
  });
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
