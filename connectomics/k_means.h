// connectomics/k_means: clusters of points around their means.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace noema {

struct KMeansOptions {
  std::int64_t clusters = 2;
  /// Of each start; it ends before when no point changes its cluster.
  int iterations = 100;
  /// Starts from different k-means++ centres (Arthur and Vassilvitskii 2007); the one of least spread is taken.
  int starts = 10;
  std::uint64_t seed = 0;

  /// @throws UsageError
  void validate() const;
};
struct KMeans {
  at::Tensor labels;   // (N) int64
  at::Tensor centres;  // (K, F)
  double spread = 0;   // Σ squared distances of points from their centre
};

/// Lloyd's algorithm on points (N, F), float32 or float64, without gradient. A cluster that loses its last point keeps
/// its centre. O(N K F) per iteration, and no (N, K, F) array. The same seed gives the same clusters.
/// @throws ShapeError; DataError for fewer points than clusters or numbers that are not finite; Cancelled
KMeans k_means(const at::Tensor& points, const KMeansOptions& options);

}  // namespace noema
