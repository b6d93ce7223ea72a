// pipelines/trained_workflow: a workflow that `noema fit-connectome` trained, on new data.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "noema/connectomics/workflow.h"
#include "noema/learn/model_file.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

struct TrainedWorkflow {
  std::shared_ptr<const InputContract> contract;
  std::shared_ptr<const Workflow> workflow;
  /// What scores of a readout mean, as JSON (`readout_facts`).
  std::string readout;
};

/// @throws as `read_model` and `Workflow::load`, with the file as context; UsageError for a model of another kind;
/// DataError if contract and workflow contradict each other, or the names of the confounds are missing
TrainedWorkflow open_workflow(const std::filesystem::path& path);

/// @throws DataError with both lists unless names, number and order are the same
void require_confounds(const std::vector<std::string>& expected, const std::vector<std::string>& found);

struct ApplyWorkflowOptions {
  std::filesystem::path model;
  /// Mask, regions, smoothing, confounds and censoring are the model's.
  PrepareOptions prepare;
};

/// Runs `noema connectome --workflow`: prepares the runs as those the workflow was trained on, and writes its matrices
/// as `noema connectome` does, and scores.tsv if it has a readout. Nothing is fitted.
/// @throws DataError for runs or confounds that do not fit the model; as `prepare_dataset` and `Workflow::forward`
Results apply_workflow(const ApplyWorkflowOptions& options);

}  // namespace noema
