// pipelines/predict: what a trained model says of new runs, window by window.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "noema/io/dataset.h"

namespace noema {

struct PredictOptions {
  std::filesystem::path model;
  /// A BIDS dataset, or the image of one run.
  std::filesystem::path input;
  std::filesystem::path output;
  DatasetQuery query;
  /// Asks about the blocks of events instead of sliding windows: "dataset" for the events of the dataset's runs, or the
  /// events file of the one run; empty: sliding windows.
  std::string events;
  std::string label_column = "trial_type";
  std::optional<double> block_gap_s;
  /// A run of another grid than the model's is resampled instead of refused.
  bool allow_resample = false;
  /// Meshes of the cortex that grayordinates are smoothed along, where the model's were.
  std::vector<std::filesystem::path> surfaces;
  /// Volumes from one window to the next.
  int step = 1;
  /// The effective configuration, kept with the result.
  std::string configuration;
};

struct PredictedRuns {
  /// Relative to the output folder.
  std::vector<std::string> files;
  /// Runs that failed; their errors were said by the log.
  std::vector<std::string> failed;
};

/// Runs `noema predict`: for each run checks that it fits the model, preprocesses it as the model was trained, and
/// writes `<run id>_desc-<kind>_predictions.tsv`: onset and duration (seconds on the clock of the events: the window
/// minus the model's delay), label, and for each label a column `p_<label>` with its probability, or `score_<label>`
/// with the softmax of the decisions where the model gives no probabilities. With events also their `trial_type`.
/// Beside it a .json with the steps that the run went through.
///
/// A run that fails is left out, and the others go on. One run is in memory at a time.
/// @throws as `open_model`, `index_dataset`; UsageError for an input that is neither, or events that do not fit it;
///         IoError; Cancelled
PredictedRuns predict_runs(const PredictOptions& options);

}  // namespace noema
