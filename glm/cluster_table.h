// glm/cluster_table: the clusters of a map, with their peaks, as papers list them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "noema/glm/clusters.h"

namespace noema {

struct ClusterPeak {
  std::array<std::int64_t, 3> voxel;  ///< of the mask's grid
  std::array<double, 3> ras_mm;
  double value = 0;
};

struct ClusterRow {
  int id = 0;                        ///< from 1; positive clusters by falling peak, then negative ones
  std::vector<ClusterPeak> peaks;    ///< the peak, then sub-peaks by falling height
  std::vector<std::int32_t> voxels;  ///< indices in the mask, ascending
  double volume_mm3 = 0;

  /// "3" for the peak, "3a", "3b" … for sub-peaks.
  std::string label(std::size_t peak) const;
};

struct ClusterTableOptions {
  MapThreshold threshold;
  /// Sub-peaks are further than this from the peak and from one another.
  double min_distance_mm = 8;
  /// The peak and sub-peaks of a cluster, at most (up to 27).
  int most_peaks = 4;
};

/// The clusters that count, as nilearn's get_clusters_table: a peak is a voxel that no neighbour among its 26 in the
/// cluster exceeds; where several touching voxels are equally high their centre (of a cluster with one value
/// throughout: its centre), moved to the nearest of them.
/// @throws UsageError for a distance that is not positive, a count out of range; as `threshold_map`.
std::vector<ClusterRow> cluster_table(const Mask& mask, std::span<const double> values,
                                      const ClusterTableOptions& options);

}  // namespace noema
