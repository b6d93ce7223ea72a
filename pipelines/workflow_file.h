// pipelines/workflow_file: a workflow and its training, declared in a TOML file (docs/workflow.md).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/connectomics/workflow_description.h"

namespace noema {

/// The table [training].
struct WorkflowTraining {
  int epochs = 100;
  /// Runs in one step; 0: all.
  int batch_size = 0;
  double learning_rate = 0.02;
  /// Epochs without a lower validation loss after which it stops; 0: never.
  int patience = 0;
  /// What is held out together: "subject" or "run".
  std::string split = "subject";
  /// The share of subjects (runs) held out, drawn by the seed; not looked at where `held_out` names them.
  double validation = 0.25;
  /// Labels of subjects, or ids of runs.
  std::vector<std::string> held_out;
  /// An entity of the runs' names or a column of participants.tsv; empty: none.
  std::string target;
  /// A column of participants.tsv that qc-fc looks at; empty: mean framewise displacement.
  std::string quality;
};

struct WorkflowFile {
  WorkflowDescription workflow;
  WorkflowTraining training;
  std::string text;
};

/// @throws IoError; UsageError with file, line, what was found and what is known: no TOML, unknown tables, keys, types
/// of blocks, settings or losses, values of another type or out of range, and whatever `fault_of` finds
WorkflowFile read_workflow_file(const std::filesystem::path& path);

}  // namespace noema
