// pipelines/interpret: where a trained model looks in the runs of a dataset.
#pragma once

#include <filesystem>

#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

/// What of a model is explained.
enum class ExplainedTarget {
  truth,      ///< the margin of each sample's own label
  predicted,  ///< the margin of the label that the model gives the sample; needs no events
};

struct InterpretOptions {
  std::filesystem::path model;
  PrepareOptions prepare;
  /// Renames, conditions, gap and overlap; unit, delay and the rest are the model's.
  LabelRule rule;
  ExplainedTarget target = ExplainedTarget::truth;
  /// Predictions: volumes from one window to the next; 0: as many as the window has.
  int step = 0;
  ExplainOptions explain;
  std::uint64_t seed = 0;
};

/// Runs `noema interpret`: preprocesses the runs as the model was trained, explains it on their samples, and writes
/// group maps as NIfTI, deletion curves, results.json, tables and report.html. When predictions are explained, runs are
/// cut into windows, whatever their events. That the model was trained on a run is noted, not refused.
/// @throws UsageError for a model that cannot be differentiated; as `evaluate_trained_model`; Cancelled
Results interpret_model(const InterpretOptions& options);

}  // namespace noema
