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
  std::string split_note, features_note;
};

/// Of the confounds that all runs have and that were not regressed out.
std::vector<std::string> confound_names(const PreparedData& data);

/// Series and those confounds of each run, in the order of `PreparedData::runs`. @param output  where the subjects'
/// files are, which hold confounds in full precision @throws as `SampleStore`
std::vector<RunSeries> series_of_runs(const PreparedData& data, const std::filesystem::path& output);

/// Are there enough runs to hold some out, and for the losses? @param runs  as far as their names tell
/// @throws DataError for too few; UsageError for held-out labels that are not there, or batches that are too small
void require_sizes(const WorkflowFile& file, const std::vector<LearningRun>& runs, std::uint64_t seed);

/// @param asked  as the command was called, with its atlas
/// @throws as `require_sizes`; DataError for a target or measure of quality that a run has not; UsageError for losses
/// whose targets contradict
WorkflowRuns gather_runs(const PrepareOptions& asked, const WorkflowFile& file, const PreparedData& data);

/// split.tsv: which run was trained on and which held out.
void write_split_of_runs(const std::filesystem::path& folder, const WorkflowRuns& runs, const PreparedData& data);

/// JSON for the model file: classes, or mean and standard deviation of the numbers that scores are in.
std::string readout_facts(const WorkflowRuns& runs);

}  // namespace noema
