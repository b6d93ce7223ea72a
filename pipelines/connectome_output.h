// pipelines/connectome_output: connectivity matrices as files: tables, connectome.h5, regions.tsv, report.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/io/connectome_file.h"
#include "noema/pipelines/prepare.h"
#include "noema/pipelines/results.h"
#include "noema/pipelines/staged_output.h"

namespace noema {

/// Matrices of one set of regions.
struct ConnectomeOutput {
  ConnectomeFile file;
  /// Of the group's matrices, one for each kind.
  std::vector<std::string> titles;
  /// Beside a table of the group, one for each run.
  bool run_tables = true;
  /// Of the names of regions.tsv and connectome.h5: "" or "_<label>".
  std::string suffix = {};
};

/// Runs and subjects of the data, without regions and kinds.
ConnectomeFile connectome_of_runs(const std::vector<LearningRun>& runs);

/// Writes them, adds the names to `results.files`, and takes them for the report unless there are some already.
/// @throws ShapeError if matrices do not fit their regions; IoError
void write_connectome(const std::filesystem::path& folder, const ConnectomeOutput& output, Results& results);

/// Shares of runs that give each subject the same weight; they sum to 1.
std::vector<double> subject_shares(const std::vector<LearningRun>& runs);

/// results.json, report.html and what else commands about connectivity write at their end; then all of it takes its
/// place.
void finish_connectome(StagedOutput& staged, const PreparedData& data, const Provenance& provenance, Results& results);

}  // namespace noema
