// pipelines/connectome: connectivity matrices of every run of a dataset and of the group.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/connectomics/connectivity.h"
#include "noema/io/connectome_file.h"
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

/// (F, kept T) float64: what a run's series holds at the volumes that were not censored.
/// @throws DataError if all were, naming the run
at::Tensor kept_series(const LearningRun& run);

/// Shares of runs that give each subject the same weight.
at::Tensor subject_shares(const std::vector<LearningRun>& runs);

/// regions.tsv; returns its name.
std::string write_regions(const std::filesystem::path& folder, const std::vector<ConnectomeRegion>& regions);

/// A matrix with a column of names first. @throws ShapeError, IoError
void write_matrix(const std::filesystem::path& path, const std::vector<ConnectomeRegion>& regions,
                  const MatrixD& matrix);

/// results.json, report.html and what else commands about connectivity write at their end.
void finish_connectome(const std::filesystem::path& folder, const PreparedData& data, const Provenance& provenance,
                       Results& results);

/// Runs `noema connectome`: preprocesses as `noema decode` does, and writes the matrices of each run and of the group
/// as tables and as one connectome.h5, regions.tsv, results.json and report.html.
/// @throws as `prepare_dataset` and `measure_connectivity`; UsageError for more than `kMostConnectomeRegions` regions
Results run_connectome(const ConnectomeOptions& options);

}  // namespace noema
