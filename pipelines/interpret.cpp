#include "noema/pipelines/interpret.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/pipelines/command_output.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/surfaces.h"
#include "noema/pipelines/trained_model.h"

namespace noema {
namespace {

/// Windows over all runs, labelled by what the model says of them.
LearningProblem window_problem(const TrainedModel& model, const PreparedData& data, int step) {
  LearningProblem problem;
  problem.runs = data.runs;
  problem.labels = {model.contract->labels};
  problem.unit = model.contract->unit;
  problem.rule = rule_of(*model.contract);
  problem.split = {"none", "", false, {{"all", {}, {}}}};
  FoldData all;
  all.name = "all";
  all.delay_s = problem.rule.delay_s;
  for (std::size_t r = 0; r < data.runs->size(); ++r) {
    const int apart = step > 0 ? step : std::max(1, model.contract->window_volumes);
    for (Sample& sample : sliding_windows(*model.contract, data.runs->at(r), static_cast<int>(r), apart)) {
      all.samples.push_back(std::move(sample));
    }
  }
  if (all.samples.empty()) throw DataError("no window keeps a volume: all of them are censored");
  all.test.resize(all.samples.size());
  std::iota(all.test.begin(), all.test.end(), 0);
  problem.folds.push_back(std::move(all));
  return problem;
}

LearningProblem problem_of(const TrainedModel& model, const PreparedData& data, const InterpretOptions& options) {
  return options.target == ExplainedTarget::truth ? labelled_problem(model, data.runs, options.rule)
                                                  : window_problem(model, data, options.step);
}

void take_predicted_labels(const TrainedModel& model, SampleSet& samples) {
  const Predictions said = predictions_of(ask(model, samples), samples, 0);
  for (std::size_t n = 0; n < samples.samples.size(); ++n) samples.samples[n].label = said.predicted[n];
}

/// A label without a sample has a map of zeros, which is no map.
void say_missing_targets(const SampleSet& samples, const std::vector<std::string>& labels) {
  std::vector<int> counts(labels.size(), 0);
  for (const int label : samples.labels()) ++counts[static_cast<std::size_t>(label)];
  for (std::size_t k = 0; k < labels.size(); ++k) {
    if (counts[k] > 0) continue;
    log_warning(fmt::format("no sample has the target '{}': its maps are zero (the pattern of a linear model is not)",
                            labels[k]));
  }
}

}  // namespace

Results interpret_model(const InterpretOptions& options) {
  const WarningCollector warnings;
  Stopwatch watch;
  const std::filesystem::path& folder = options.prepare.output;
  const TrainedModel model = open_model(options.model);
  const std::string kind = model.classifier->kind();
  if (!dynamic_cast<const DifferentiableClassifier*>(model.classifier.get())) {
    throw UsageError(fmt::format("'{}': a model of kind '{}' cannot be explained, it has no gradient in the features",
                                 options.model.string(), kind));
  }
  PrepareOptions prepare = options.prepare;
  prepare_for(model, prepare);
  if (options.target == ExplainedTarget::truth) require_run_labels(model, prepare);
  const auto begin = [&](const std::vector<LearningRun>& runs) {
    if (options.target == ExplainedTarget::truth) require_known_labels(model, runs, options.rule);
    open_output_folder(folder, "interpret", options.prepare.configuration);
  };
  const PreparedData data = watch.time("preprocessing", [&] { return prepare_dataset(prepare, begin); });
  Results results = start_results("interpret", data);
  results.surfaces = keep_meshes(folder, read_meshes(options.prepare.surfaces, data.features->mask.grid));
  LearningProblem problem = watch.time("labels", [&] { return problem_of(model, data, options); });
  const LeakageReport overlap = check_training_overlap(model, data);
  for (const LeakageViolation& violation : overlap.violations) problem.leakage.notes.push_back(violation.text + ".");
  problem.leakage.notes.insert(problem.leakage.notes.end(), overlap.notes.begin(), overlap.notes.end());
  results.labels = problem.labels.names;
  results.chance = 1.0 / problem.labels.count();
  results.split = describe_split(problem);

  SampleSet samples = problem.test_set(0);
  if (options.target == ExplainedTarget::predicted) take_predicted_labels(model, samples);
  say_missing_targets(samples, problem.labels.names);
  const Explanation explanation = watch.time("attribution", [&] {
    return explain_samples(kind, {{*model.classifier, samples}}, options.explain, options.seed);
  });
  results.faithfulness = explanation.faithfulness;
  for (const std::string& file : write_model_maps(folder, data, problem.labels, explanation.maps)) {
    results.files.push_back(file);
  }
  Provenance provenance = make_provenance(options.seed, options.prepare.configuration);
  provenance.inputs = data.inputs;
  provenance.inputs.push_back(record_input(options.model));
  const std::vector<ModelEvaluation> none;
  CommandFindings found{data, problem, none, explanation.maps, nullptr, provenance};
  found.title = fmt::format("What {} looks at in {}", kind, data.dataset.name);
  found.picture_fwhm_mm = options.explain.map_fwhm_mm;
  finish_results(folder, found, watch, warnings, results);
  return results;
}

}  // namespace noema
