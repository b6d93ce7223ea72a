// pipelines/command_output: what the commands that work on whole datasets say and write alike.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/core/log.h"
#include "noema/core/provenance.h"
#include "noema/learn/problem.h"
#include "noema/pipelines/evaluation.h"
#include "noema/pipelines/explain.h"
#include "noema/pipelines/prepare.h"
#include "noema/pipelines/results.h"
#include "noema/pipelines/stopwatch.h"

namespace noema {

/// Results with the dataset, its subjects and their series filled in.
Results start_results(const std::string& command, const PreparedData& data);

/// Labels, chance and split of a cross-validated problem into the results and the log, and split.tsv for a split that
/// does not leak.
void record_problem(const std::filesystem::path& folder, const LearningProblem& problem, Results& results);
/// One line, by the log.
void say_score(const ModelScores& scores, double chance);

/// predictions.tsv: what each model said of each tested sample.
void write_predictions(const std::filesystem::path& folder, const LearningProblem& problem,
                       const std::vector<ModelEvaluation>& models, Results& results);

/// Where the map of a label lies, relative to the output folder.
std::string model_map_file(const ModelMaps& maps, const std::string& label, const FeatureSpace& features);

/// One NIfTI map for each model, method and label under `maps/`; returns the paths relative to `folder`.
std::vector<std::string> write_model_maps(const std::filesystem::path& folder, const PreparedData& data,
                                          const LabelTable& labels, const std::vector<ModelMaps>& maps);

/// What a command found, by reference.
struct CommandFindings {
  const PreparedData& data;
  const LearningProblem& problem;
  const std::vector<ModelEvaluation>& models;
  const std::vector<ModelMaps>& maps;
  const GlmMaps* glm = nullptr;
  const Provenance& provenance;
  /// Of the page; empty: that of a decoding.
  std::string title = {};
  /// Pictures of the models' voxel maps are smoothed by this.
  double picture_fwhm_mm = 0;
  /// Of the page, besides those of models and the GLM.
  std::vector<MapRecord> further_maps = {};
};

/// The end of a command: results.json, its tables, and report.html.
void finish_results(const std::filesystem::path& folder, const CommandFindings& found, const Stopwatch& watch,
                    const WarningCollector& warnings, Results& results);

}  // namespace noema
