// tests/glm/blobs: a map with clusters of both signs, in closed form.
#pragma once

#include <array>
#include <cmath>
#include <vector>

#include "noema/io/image.h"

namespace noema {

/// All voxels of a box, 3 × 3 × 3.5 mm.
inline Mask box_mask(std::array<std::int64_t, 3> shape) {
  Mask mask;
  mask.grid.shape = shape;
  mask.grid.ras_from_voxel << 3, 0, 0, -20, 0, 3, 0, -18, 0, 0, 3.5, -15, 0, 0, 0, 1;
  for (std::int64_t v = 0; v < mask.grid.voxel_count(); ++v) mask.voxels.push_back(v);
  return mask;
}

inline const Mask& blob_mask() {
  static const Mask kMask = box_mask({14, 12, 11});
  return kMask;
}

/// Σ h·exp(−|x − c|²/s) of five blobs (three that hang together, two negative ones) + 0.4·sin(1.3i + 0.7jk).
inline std::vector<double> blob_map() {
  struct Blob {
    std::array<double, 3> centre;
    double spread, height;
  };
  const std::vector<Blob> blobs = {
      {{3, 3, 4}, 5, 6}, {{7, 4, 5}, 4, 5}, {{3, 8, 4}, 3, 4.2}, {{10, 8, 6}, 5, -5.5}, {{10, 3, 8}, 2, -4.4}};
  std::vector<double> values;
  for (const std::int64_t voxel : blob_mask().voxels) {
    const auto at = blob_mask().grid.voxel_at(voxel);
    const auto i = static_cast<double>(at[0]), j = static_cast<double>(at[1]), k = static_cast<double>(at[2]);
    double value = 0.4 * std::sin(1.3 * i + 0.7 * j * k);
    for (const Blob& blob : blobs) {
      const auto& c = blob.centre;
      value += blob.height *
               std::exp(-((i - c[0]) * (i - c[0]) + (j - c[1]) * (j - c[1]) + (k - c[2]) * (k - c[2])) / blob.spread);
    }
    values.push_back(value);
  }
  return values;
}

}  // namespace noema
