// preprocess/high_variance: confounds that are taken of the data: what the most variable series have in common.
#pragma once

#include "noema/io/series.h"

namespace noema {

struct HighVarianceOptions {
  int confounds = 5;
  /// The share of the series, the most variable ones, that they are computed from.
  double percentile = 2;
  bool detrend = true;
};

/// The leading left singular vectors of the most variable columns, by falling singular value: nilearn's
/// `high_variance_confounds`. Columns of length 1, of undetermined sign; fewer than asked for if the series have fewer
/// directions. A column counts whose mean square exceeds the percentile 100 − `percentile` (linear interpolation);
/// columns that are not finite are left out.
/// @throws UsageError for options out of range; DataError if no column is more variable than that percentile
MatrixD high_variance_confounds(MatrixD series, const HighVarianceOptions& options = {});  // (T, F) → (T, n)

}  // namespace noema
