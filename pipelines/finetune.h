// pipelines/finetune: a trained model as the start of one for other labels or other data, scored beside training from
// scratch.
#pragma once

#include <filesystem>

#include "noema/decoders/fine_tuning.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

struct FinetuneOptions {
  std::filesystem::path model;
  PrepareOptions prepare;
  /// Without a unit the model's.
  EvaluationOptions evaluation;
  /// Seeds of networks, and permutations (without a number none). Which models there are follows from the file.
  ModelOptions models;
  /// `keep_output` follows from the labels.
  FineTuningOptions tuning;
};

/// Runs `noema finetune`: preprocesses the data as the model was trained, cross-validates on one split the model's
/// architecture from scratch (`<kind>`), the same that begins with the model's parameters (`<kind>-finetuned`), ridge,
/// and the baselines, and writes `model-<kind>-finetuned.safetensors`, fitted on everything.
///
/// Networks begin with all parameters, the last layer only where the labels are the same. Ridge needs the same labels
/// and is held towards the model's weights.
/// @throws UsageError for models that cannot be a start, with the reason; DataError if the model was trained on runs
///         that are to be tested (unless leakage is allowed); what the stages throw; Cancelled
Results finetune_model(const FinetuneOptions& options);

}  // namespace noema
