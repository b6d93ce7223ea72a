// pipelines/final_model: models fitted on every sample and kept as files with their input contract.
#pragma once

#include "noema/core/provenance.h"
#include "noema/learn/problem.h"
#include "noema/pipelines/models.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/prepare.h"
#include "noema/pipelines/results.h"

namespace noema {

/// Fits each model that is not a baseline on all samples of the problem and writes `model-<name>.safetensors`; adds the
/// names to `results.files`.
void save_final_models(const DecodeOptions& options, const PreparedData& data, const LearningProblem& problem,
                       const Provenance& provenance, Results& results);

}  // namespace noema
