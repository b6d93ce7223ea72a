// glm/clusters: voxels above a height that hang together.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "noema/glm/lattice.h"

namespace noema {

/// Finds the clusters of many maps of one mask; keeps its working memory between maps (one finder a thread).
class ClusterFinder {
 public:
  /// @throws as `make_lattice`.
  explicit ClusterFinder(const Mask& mask, Connectivity connectivity = Connectivity::faces);

  /// Calls `found` with the voxels (indices in the mask, ascending) of each cluster of voxels with sign·value >
  /// threshold; clusters come in the order of their first voxels. Cost: V, and a few steps for each voxel above.
  /// @throws ShapeError unless there is a value for each voxel.
  void find(std::span<const double> values, double threshold, int sign,
            const std::function<void(std::span<const std::int32_t>)>& found);

 private:
  Lattice lattice_;
  std::vector<std::int32_t> voxel_at_;  // at the positions of voxels above that no cluster has yet, else −1
  std::vector<std::int32_t> above_;
  std::vector<std::int32_t> members_;
};

struct ClusterExtremes {
  std::int64_t size = 0;  ///< voxels of the largest cluster
  double mass = 0;        ///< the largest sum over a cluster of |value| − threshold
};

/// The largest cluster by size and by mass, of values above `threshold`; two-sided also of those below −threshold.
ClusterExtremes largest_clusters(ClusterFinder& finder, std::span<const double> values, double threshold,
                                 bool two_sided);

struct MapThreshold {
  /// Values count above it; two-sided: also below its negative.
  double height = 0;
  bool two_sided = true;
  /// Clusters of fewer voxels do not count.
  std::int64_t smallest_cluster = 0;
  Connectivity connectivity = Connectivity::faces;
};

/// The values that count, zero elsewhere. Positive and negative clusters are told apart.
/// @throws UsageError for a negative height; ShapeError; as `make_lattice`.
std::vector<double> threshold_map(const Mask& mask, std::span<const double> values, const MapThreshold& threshold);

}  // namespace noema
