// pipelines/evaluate: a trained model on labelled runs that it has not seen.
#pragma once

#include <filesystem>

#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

struct EvaluateOptions {
  std::filesystem::path model;
  PrepareOptions prepare;
  /// Renames, conditions, gap and overlap; unit, delay and the rest are the model's.
  LabelRule rule;
  bool allow_leakage = false;
  std::uint64_t seed = 0;
};

/// Runs `noema evaluate`: preprocesses the runs as the model was trained, asks it about their labelled samples, and
/// writes results.json, tables and report.html. The baseline is the most frequent label of the test samples themselves.
/// @throws DataError for runs that do not fit the model, labels it does not know, or runs it was trained on (unless
///         `allow_leakage`); what the stages throw; Cancelled
Results evaluate_trained_model(const EvaluateOptions& options);

}  // namespace noema
