// pipelines/train: models fitted on every sample of a dataset and kept as files; nothing is scored.
#pragma once

#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

struct TrainOptions {
  PrepareOptions prepare;
  /// The labels' rule and the unit; nothing is split.
  EvaluationOptions evaluation;
  /// `models` must name at least one that is no baseline.
  ModelOptions models;
};

/// Runs `noema train`: preprocesses as `decode` does, makes samples with the delay by all blocks, and writes one model
/// file for each model. In the results are the subjects, the labels and the files; results.json is not written.
/// @throws UsageError without a model to train; what the stages throw; Cancelled
Results train_models(const TrainOptions& options);

}  // namespace noema
