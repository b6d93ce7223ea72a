// connectomics/sparse_affinity: networks of the strongest correlations between many series, without a V × V array.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "noema/connectomics/eigenmaps.h"

namespace noema {

struct AffinityOptions {
  /// Each series names this many others of the largest correlation (of equals those of lower number); 0: all.
  std::int64_t neighbours = 100;
  /// Only correlations above it are named.
  double threshold = 0;
  /// Series whose correlations with all others are held at one time.
  std::int64_t rows_at_once = 512;

  /// @throws UsageError for neighbours below 0, a threshold outside [0, 1), rows_at_once below 1
  void validate() const;
};

/// Correlations of series (V, T) as a network for eigenmaps: an edge where either end names the other, with their
/// correlation as its weight, so that it is symmetric; no loops. A constant series has no edges.
///
/// On the CPU, in the series' own precision (weights carry its rounding), without gradient. Cost O(V²·T) and
/// O(V·neighbours + rows_at_once·V) memory beside two copies of the series.
/// @throws ShapeError; UsageError; DataError for series that are not finite; Cancelled
SparseNetwork sparse_affinity(const at::Tensor& series, const AffinityOptions& options = {});

}  // namespace noema
