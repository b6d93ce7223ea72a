#include "noema/pipelines/evaluate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/pipelines/command_output.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/trained_model.h"

namespace noema {
namespace {

/// Always the most frequent label of the test samples: no fixed answer is right more often.
Predictions majority_of(const Predictions& predictions) {
  std::vector<int> counts(static_cast<std::size_t>(predictions.classes), 0);
  for (const int label : predictions.truth) ++counts[static_cast<std::size_t>(label)];
  const auto most = std::max_element(counts.begin(), counts.end()) - counts.begin();
  Predictions constant = predictions;
  std::fill(constant.predicted.begin(), constant.predicted.end(), static_cast<int>(most));
  constant.probabilities.resize(0, 0);
  constant.decisions.resize(0, 0);
  return constant;
}

std::vector<ModelEvaluation> score_model(const TrainedModel& model, const LearningProblem& problem,
                                         std::uint64_t seed) {
  const SampleSet test = problem.test_set(0);
  const Predictions said = predictions_of(ask(model, test), test, 0);
  std::vector<ModelEvaluation> evaluations;
  evaluations.push_back(score_predictions(problem, model.classifier->kind(), said, seed));
  evaluations.push_back(score_predictions(problem, "majority-of-test-labels", majority_of(said), seed));
  evaluations.back().scores.is_baseline = true;
  return evaluations;
}

void say_missing_labels(const LearningProblem& problem, SplitRecord& split) {
  const std::vector<int> counts = samples_per_label(problem.folds[0], problem.folds[0].test, problem.labels);
  std::vector<std::string> missing;
  for (int k = 0; k < problem.labels.count(); ++k) {
    if (counts[static_cast<std::size_t>(k)] == 0) missing.push_back(problem.labels.names[static_cast<std::size_t>(k)]);
  }
  if (missing.empty()) return;
  split.notes.push_back(fmt::format("{} of the model's {} labels do not occur in these data: {}.", missing.size(),
                                    problem.labels.count(), fmt::join(missing, ", ")));
  log_warning(split.notes.back());
}

}  // namespace

Results evaluate_trained_model(const EvaluateOptions& options) {
  const WarningCollector warnings;
  Stopwatch watch;
  const std::filesystem::path& folder = options.prepare.output;
  const TrainedModel model = open_model(options.model);
  PrepareOptions prepare = options.prepare;
  prepare_for(model, prepare);
  require_run_labels(model, prepare);
  const auto begin = [&](const std::vector<LearningRun>& runs) {
    require_known_labels(model, runs, options.rule);
    open_output_folder(folder, "evaluate", options.prepare.configuration);
  };
  const PreparedData data = watch.time("preprocessing", [&] { return prepare_dataset(prepare, begin); });
  Results results = start_results("evaluate", data);
  LearningProblem problem = watch.time("labels", [&] { return labelled_problem(model, data.runs, options.rule); });
  add_training_overlap(problem, check_training_overlap(model, data), options.allow_leakage);
  results.labels = problem.labels.names;
  results.chance = 1.0 / problem.labels.count();
  results.split = describe_split(problem);
  say_missing_labels(problem, results.split);

  const std::vector<ModelEvaluation> models =
      watch.time("prediction", [&] { return score_model(model, problem, options.seed); });
  for (const ModelEvaluation& evaluation : models) {
    say_score(evaluation.scores, results.chance);
    results.models.push_back(evaluation.scores);
  }
  write_predictions(folder, problem, models, results);
  Provenance provenance = make_provenance(options.seed, options.prepare.configuration);
  provenance.inputs = data.inputs;
  provenance.inputs.push_back(record_input(options.model));
  const std::vector<ModelMaps> no_maps;
  CommandFindings found{data, problem, models, no_maps, nullptr, provenance};
  found.title = "A trained model on " + data.dataset.name;
  finish_results(folder, found, watch, warnings, results);
  return results;
}

}  // namespace noema
