// pipelines/fit_connectome: trains a workflow of connectomics blocks on a dataset.
#pragma once

#include <filesystem>

#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

struct FitConnectomeOptions {
  /// Which data, mask, regions, smoothing, confounds and censoring; cleaning is the workflow's.
  PrepareOptions prepare;
  std::filesystem::path workflow;
};

/// Runs `noema fit-connectome`: preprocesses without cleaning, holds out subjects (or runs), trains what the workflow
/// declares as learned, and writes the model file, what was learned as tables and maps, the losses of training and
/// held-out data beside those of the same workflow with everything fixed, the connectivity of all runs by the trained
/// workflow, results.json and report.html. Interrupted and called again, it goes on from its checkpoint.
/// @throws as `read_workflow_file`, `prepare_dataset` and `train`; UsageError for a workflow that does not fit the
/// data, DataError for a target or split that the data do not have
Results fit_connectome(const FitConnectomeOptions& options);

}  // namespace noema
