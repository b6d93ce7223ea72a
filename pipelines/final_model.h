// pipelines/final_model: models fitted on every sample and kept as files with their input contract.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/core/provenance.h"
#include "noema/learn/cross_validation.h"
#include "noema/learn/problem.h"
#include "noema/pipelines/models.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/prepare.h"

namespace noema {

/// Writes a fitted model with what it expects of a run.
/// @param data     what it was fitted on; @param problem the labels and the rule of its samples.
void write_final_model(const std::filesystem::path& path, const FinalModel& fitted, const PreparedData& data,
                       const LearningProblem& problem, const Provenance& provenance);

/// Fits each model that is not a baseline on all samples of the problem and writes `model-<name>.safetensors`; returns
/// the names of the files.
std::vector<std::string> save_final_models(const std::filesystem::path& folder, const ModelOptions& options,
                                           const PreparedData& data, const LearningProblem& problem,
                                           const Provenance& provenance);

}  // namespace noema
