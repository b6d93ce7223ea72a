#include "noema/preprocess/morphology.h"

#include <algorithm>
#include <cstddef>

namespace noema {
namespace {

/// Sets every voxel that differs from `value` and has (or, for erosion, lacks) a neighbour to `value`.
void grow(VoxelSet& set, std::uint8_t value, const Axes& axes, bool beyond) {
  const auto [nx, ny, nz] = set.shape;
  const std::array<std::int64_t, 3> stride{1, nx, nx * ny};
  const std::vector<std::uint8_t> before = set.in;
  for (std::int64_t z = 0; z < nz; ++z) {
    for (std::int64_t y = 0; y < ny; ++y) {
      for (std::int64_t x = 0; x < nx; ++x) {
        const std::int64_t at = x + nx * (y + ny * z);
        if (before[static_cast<std::size_t>(at)] == value) continue;
        const std::array<std::int64_t, 3> place{x, y, z};
        bool touches = false;
        for (std::size_t a = 0; a < 3 && !touches; ++a) {
          if (!axes[a]) continue;
          touches = (place[a] > 0 ? before[static_cast<std::size_t>(at - stride[a])] == value : beyond) ||
                    (place[a] + 1 < set.shape[a] ? before[static_cast<std::size_t>(at + stride[a])] == value : beyond);
        }
        if (touches) set.in[static_cast<std::size_t>(at)] = value;
      }
    }
  }
}

}  // namespace

void erode(VoxelSet& set, int times, const Axes& axes) {
  for (int i = 0; i < times; ++i) grow(set, 0, axes, true);
}

void dilate(VoxelSet& set, int times, const Axes& axes) {
  for (int i = 0; i < times; ++i) grow(set, 1, axes, false);
}

void keep_largest_component(VoxelSet& set) {
  const auto [nx, ny, nz] = set.shape;
  std::vector<std::int64_t> largest, component;
  std::vector<std::uint8_t> waiting = set.in;
  for (std::size_t seed = 0; seed < waiting.size(); ++seed) {
    if (!waiting[seed]) continue;
    component.assign(1, static_cast<std::int64_t>(seed));
    waiting[seed] = 0;
    for (std::size_t next = 0; next < component.size(); ++next) {
      const std::int64_t at = component[next];
      const std::int64_t x = at % nx, y = at / nx % ny, z = at / (nx * ny);
      const auto visit = [&](bool inside, std::int64_t neighbour) {
        if (!inside || !waiting[static_cast<std::size_t>(neighbour)]) return;
        waiting[static_cast<std::size_t>(neighbour)] = 0;
        component.push_back(neighbour);
      };
      visit(x > 0, at - 1);
      visit(x + 1 < nx, at + 1);
      visit(y > 0, at - nx);
      visit(y + 1 < ny, at + nx);
      visit(z > 0, at - nx * ny);
      visit(z + 1 < nz, at + nx * ny);
    }
    if (component.size() > largest.size()) largest.swap(component);
  }
  std::fill(set.in.begin(), set.in.end(), std::uint8_t{0});
  for (const std::int64_t at : largest) set.in[static_cast<std::size_t>(at)] = 1;
}

}  // namespace noema
