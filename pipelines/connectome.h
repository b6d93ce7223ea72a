// pipelines/connectome: connectivity matrices of every run of a dataset and of the group.
#pragma once

#include <vector>

#include "noema/connectomics/connectivity.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/prepare.h"
#include "noema/pipelines/results.h"

namespace noema {

/// More regions make matrices that no one looks at: 8·R² bytes each.
inline constexpr std::int64_t kMostConnectomeRegions = 3000;

struct ConnectomeOptions {
  /// Without an atlas, spheres or kind of features: geometric parcels.
  PrepareOptions prepare;
  std::vector<ConnectivityKind> kinds;
  CovarianceEstimator estimator = CovarianceEstimator::ledoit_wolf;
  SpdMean reference = SpdMean::karcher;
  bool published = false;
};

/// Runs `noema connectome`: preprocesses as `noema decode` does, and writes the matrices of each run and of the group
/// as tables and as one connectome.h5, regions.tsv, results.json and report.html.
/// @throws as `prepare_dataset` and `measure_connectivity`; DataError for tangent matrices of one run; UsageError for
/// more than `kMostConnectomeRegions` regions
Results run_connectome(const ConnectomeOptions& options);

}  // namespace noema
