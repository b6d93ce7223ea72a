#include "noema/pipelines/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/pipelines/command_output.h"
#include "noema/pipelines/explain.h"
#include "noema/pipelines/final_model.h"
#include "noema/pipelines/label_contrasts.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/single_trials.h"
#include "noema/pipelines/stopwatch.h"
#include "noema/pipelines/surfaces.h"

namespace noema {
namespace {

std::vector<ModelEvaluation> evaluate_models(const DecodeOptions& options, const PreparedData& data,
                                             const LearningProblem& problem, double chance) {
  std::vector<ModelEvaluation> evaluations;
  for (const ModelPlan& plan : plan_models(options.models, data.features->kind, problem.unit)) {
    check_cancelled();
    evaluations.push_back(with_context(fmt::format("model '{}'", plan.name), [&] {
      return evaluate_model(problem, plan, data.nuisance, options.models.seed);
    }));
    say_score(evaluations.back().scores, chance);
  }
  return evaluations;
}

/// With a split that leaks: the linear models under the split that would have been taken, for the report.
void add_honest_scores(const DecodeOptions& options, const PreparedData& data, const LearningProblem& leaking,
                       std::vector<ModelEvaluation>& evaluations) {
  ProblemOptions honest = options.evaluation.problem;
  honest.shuffled_folds = 0;
  honest.unit = leaking.unit;
  const LearningProblem problem = make_problem(data.runs, options.evaluation.rule, honest);
  for (ModelPlan plan : plan_models(options.models, data.features->kind, problem.unit)) {
    plan.permutations = 0;
    plan.seeds = 1;
    for (ModelEvaluation& evaluation : evaluations) {
      if (evaluation.scores.name != plan.name) continue;
      evaluation.scores.honest_balanced_accuracy =
          evaluate_model(problem, plan, data.nuisance, options.models.seed).scores.balanced_accuracy;
    }
  }
}

GlmMaps make_glm_maps(const DecodeOptions& options, const PreparedData& data, const LearningProblem& problem,
                      const std::vector<ModelMaps>& maps, Results& results) {
  std::vector<std::string> notes;
  const GlmJob job = label_glm(data, problem, notes);
  GlmMaps glm = fit_glm_maps(job);
  glm.notes.insert(glm.notes.end(), notes.begin(), notes.end());
  const std::vector<std::string> files = write_glm_maps(options.prepare.output, glm, *job.voxels, data.mean.header);
  results.files.insert(results.files.end(), files.begin(), files.end());
  results.designs.push_back(write_design(options.prepare.output, glm));
  results.files.push_back(results.designs.back().file);
  results.agreement = agreement_with_glm(maps, glm, problem.labels, *data.features, options.explain.map_fwhm_mm);
  return glm;
}

/// Maps are named by their labels.
void check_file_names(const LabelTable& labels) {
  std::map<std::string, std::string> label_of;
  for (const std::string& label : labels.names) {
    const auto [entry, is_new] = label_of.emplace(bids_label(label), label);
    if (is_new) continue;
    throw DataError(fmt::format("files of the labels '{}' and '{}' would both be named '{}'; rename one with --labels",
                                entry->second, label, entry->first));
  }
}

/// What can be refused by the names and events of the runs alone.
void check_request(const DecodeOptions& options, const std::vector<LearningRun>& runs) {
  if (options.prepare.level == AnalysisLevel::participant) return;  // the labels of the others are not known
  check_file_names(make_label_table(runs, options.evaluation.rule));
  if (options.evaluation.problem.shuffled_folds == 0) check_split_options(runs, options.evaluation.problem.split);
}

/// Linear models alone read single maps, unless others are asked for.
void take_single_trials(DecodeOptions& options, PreparedData& data) {
  EvaluationOptions& evaluation = options.evaluation;
  data = single_trial_data(data, *evaluation.single_trials, evaluation.rule, evaluation.problem.unit);
  if (options.models.models.empty()) options.models.models = {"ridge", "logistic"};
}

void say_plan(const DecodeOptions& options) {
  const auto check = [&](const std::vector<LearningRun>& runs) { check_request(options, runs); };
  for (const std::string& line : plan_preparation(options.prepare, check)) log_info(line);
  log_info("dry run: nothing was written");
}

}  // namespace

Results decode(const DecodeOptions& asked) {
  DecodeOptions options = asked;
  options.models.checkpoint_folder = checkpoint_folder(options.prepare.output);
  check_models(options.models.models);
  for (const std::string& method : options.explain.methods) attribution_method(method);
  if (options.dry_run) {
    say_plan(options);
    return {};
  }
  const WarningCollector warnings;
  Stopwatch watch;
  const std::filesystem::path& folder = options.prepare.output;
  const auto begin = [&](const std::vector<LearningRun>& runs) {
    check_request(options, runs);
    open_output_folder(folder, "decode", options.prepare.configuration);
  };
  PreparedData data = watch.time("preprocessing", [&] { return prepare_dataset(options.prepare, begin); });
  Results results = start_results("decode", data);
  results.surfaces = keep_meshes(folder, read_meshes(options.prepare.surfaces, data.features->mask.grid));
  if (options.prepare.level == AnalysisLevel::participant) return results;

  if (options.evaluation.single_trials) watch.time("single trials", [&] { take_single_trials(options, data); });
  const LearningProblem problem = watch.time(
      "labels and folds", [&] { return make_problem(data.runs, options.evaluation.rule, options.evaluation.problem); });
  if (options.evaluation.single_trials) require_whole_runs(problem, options.evaluation.problem.allow_leakage);
  record_problem(folder, problem, results);
  std::vector<ModelEvaluation> models =
      watch.time("cross-validation", [&] { return evaluate_models(options, data, problem, results.chance); });
  if (problem.split.leaks) watch.time("cross-validation", [&] { add_honest_scores(options, data, problem, models); });
  for (const ModelEvaluation& model : models) results.models.push_back(model.scores);
  write_predictions(folder, problem, models, results);

  Provenance provenance = make_provenance(options.models.seed, options.prepare.configuration);
  provenance.inputs = data.inputs;
  watch.time("final models", [&] {
    if (problem.split.leaks) return;  // a demonstration of leakage is no model for use
    if (options.evaluation.single_trials) {
      log_info("models of single trials are not kept: a model file cannot ask new data for such estimates");
      return;
    }
    for (const std::string& file : save_final_models(folder, options.models, data, problem, provenance)) {
      results.files.push_back(file);
    }
  });

  std::vector<ModelMaps> maps;
  watch.time("attribution", [&] {
    for (const ModelEvaluation& model : models) {
      if (model.scores.name == "nuisance") continue;
      Explanation explanation = explain_model(problem, model, options.explain, options.models.seed);
      std::move(explanation.maps.begin(), explanation.maps.end(), std::back_inserter(maps));
      std::move(explanation.faithfulness.begin(), explanation.faithfulness.end(),
                std::back_inserter(results.faithfulness));
    }
    const std::vector<std::string> files = write_model_maps(folder, data, problem.labels, maps);
    results.files.insert(results.files.end(), files.begin(), files.end());
  });
  GlmMaps glm;
  const bool has_glm = options.explain.glm && problem.unit != SampleUnit::runs;
  if (has_glm) glm = watch.time("GLM", [&] { return make_glm_maps(options, data, problem, maps, results); });
  CommandFindings found{data, problem, models, maps, has_glm ? &glm : nullptr, provenance};
  found.picture_fwhm_mm = options.explain.map_fwhm_mm;
  finish_results(folder, found, watch, warnings, results);
  remove_checkpoints(folder);
  return results;
}

}  // namespace noema
