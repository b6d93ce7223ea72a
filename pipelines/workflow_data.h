// pipelines/workflow_data: the runs of a dataset as a workflow trains on them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/connectomics/workflow_training.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/prepare.h"
#include "noema/pipelines/workflow_file.h"

namespace noema {

/// Makes `prepare_dataset` give series without any cleaning: of voxels where the workflow parcellates, else of regions.
/// @throws UsageError for an atlas that does not go with that
PrepareOptions prepare_for_workflow(const PrepareOptions& asked, const WorkflowDescription& workflow);

struct WorkflowRuns {
  WorkflowInput input;
  /// In the order of `PreparedData::runs`.
  WorkflowData all;
  WorkflowData training, held_out;
  /// Of each run of `all`.
  std::vector<bool> is_held_out;
  std::vector<std::string> classes;
  /// Of numbers to predict, over the training runs.
  double target_mean = 0, target_sd = 1;
  std::vector<std::string> confounds;
  /// Of the labels that a parcellation starts from.
  std::vector<std::string> parcel_names;
  std::string split_note, features_note;
};

/// @param asked  as the command was called, with its atlas
/// @throws DataError for a target or measure of quality that a run has not, or with too few subjects (runs) to hold
/// some out; UsageError for held-out labels that are not there, or losses whose targets contradict
WorkflowRuns gather_runs(const PrepareOptions& asked, const WorkflowFile& file, const PreparedData& data);

/// split.tsv: which run was trained on and which held out.
void write_split_of_runs(const std::filesystem::path& folder, const WorkflowRuns& runs, const PreparedData& data);

/// JSON for the model file: classes, or mean and standard deviation of the numbers that scores are in.
std::string readout_facts(const WorkflowRuns& runs);

}  // namespace noema
