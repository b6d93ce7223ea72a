#include "noema/glm/clusters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"

namespace noema {

ClusterFinder::ClusterFinder(const Mask& mask, Connectivity connectivity)
    : lattice_(make_lattice(mask, connectivity)), voxel_at_(static_cast<std::size_t>(lattice_.positions), -1) {}

void ClusterFinder::find(std::span<const double> values, double threshold, int sign,
                         const std::function<void(std::span<const std::int32_t>)>& found) {
  if (values.size() != lattice_.position.size()) {
    throw ShapeError(fmt::format("found {} values for a mask of {} voxels", values.size(), lattice_.position.size()));
  }
  above_.clear();
  for (std::size_t v = 0; v < values.size(); ++v) {
    if (!(sign * values[v] > threshold)) continue;
    above_.push_back(static_cast<std::int32_t>(v));
    voxel_at_[static_cast<std::size_t>(lattice_.position[v])] = static_cast<std::int32_t>(v);
  }
  const auto take = [&](std::int32_t position) {
    std::int32_t& voxel = voxel_at_[static_cast<std::size_t>(position)];
    if (voxel >= 0) members_.push_back(voxel);
    voxel = -1;
  };
  for (const std::int32_t first : above_) {
    members_.clear();
    take(lattice_.position[static_cast<std::size_t>(first)]);
    for (std::size_t m = 0; m < members_.size(); ++m) {
      const std::int32_t position = lattice_.position[static_cast<std::size_t>(members_[m])];
      for (const std::int32_t offset : lattice_.offsets) take(position + offset);
    }
    if (members_.empty()) continue;
    std::sort(members_.begin(), members_.end());
    found(members_);
  }
}

ClusterExtremes largest_clusters(ClusterFinder& finder, std::span<const double> values, double threshold,
                                 bool two_sided) {
  ClusterExtremes largest;
  for (const int sign : {1, -1}) {
    if (sign < 0 && !two_sided) break;
    finder.find(values, threshold, sign, [&](std::span<const std::int32_t> members) {
      double mass = 0;
      for (const std::int32_t v : members) mass += std::abs(values[static_cast<std::size_t>(v)]) - threshold;
      largest.size = std::max(largest.size, static_cast<std::int64_t>(members.size()));
      largest.mass = std::max(largest.mass, mass);
    });
  }
  return largest;
}

std::vector<double> threshold_map(const Mask& mask, std::span<const double> values, const MapThreshold& threshold) {
  if (!(threshold.height >= 0)) {
    throw UsageError(fmt::format("found a threshold of {}, expected one that is not negative", threshold.height));
  }
  std::vector<double> kept(values.size(), 0);
  ClusterFinder finder(mask, threshold.connectivity);
  for (const int sign : {1, -1}) {
    if (sign < 0 && !threshold.two_sided) break;
    finder.find(values, threshold.height, sign, [&](std::span<const std::int32_t> members) {
      if (static_cast<std::int64_t>(members.size()) < threshold.smallest_cluster) return;
      for (const std::int32_t v : members) kept[static_cast<std::size_t>(v)] = values[static_cast<std::size_t>(v)];
    });
  }
  return kept;
}

}  // namespace noema
