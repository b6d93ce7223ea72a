#include "noema/pipelines/finetune.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/decoders/network_classifier.h"
#include "noema/learn/linear_classifier.h"
#include "noema/learn/torch_settings.h"
#include "noema/pipelines/command_output.h"
#include "noema/pipelines/final_model.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/trained_model.h"

namespace noema {
namespace {

struct Plans {
  ModelPlan scratch;
  ModelPlan tuned;
};

Plans network_plans(const TrainedModel& model, const FinetuneOptions& options, bool same_labels) {
  FineTuningOptions tuning = options.tuning;
  tuning.keep_output = same_labels;
  Plans plans;
  plans.scratch.factory = network_like(model.content);
  plans.tuned.factory = fine_tuned(model.content, tuning);
  for (ModelPlan* plan : {&plans.scratch, &plans.tuned}) {
    plan->is_network = true;
    plan->seeds = options.models.seeds;
    plan->checkpoint_folder = options.models.checkpoint_folder;
  }
  return plans;
}

Plans ridge_plans(const LinearClassifier& source, const FinetuneOptions& options, FeatureKind features) {
  Plans plans;
  ModelOptions scratch = options.models;
  scratch.models = {"ridge"};
  plans.scratch.factory = plan_models(scratch, features, SampleUnit::blocks).front().factory;
  plans.tuned.factory = ridge_towards(source);
  return plans;
}

/// @throws UsageError with the reason why the model can be no start.
Plans plan_start(const TrainedModel& model, const FinetuneOptions& options, const std::vector<std::string>& labels) {
  const std::string kind = model.classifier->kind();
  const bool same_labels = labels == model.contract->labels;
  Plans plans;
  if (dynamic_cast<const NetworkClassifier*>(model.classifier.get())) {
    plans = network_plans(model, options, same_labels);
  } else if (const auto* linear = dynamic_cast<const LinearClassifier*>(model.classifier.get());
             linear && kind == "ridge" && same_labels) {
    plans = ridge_plans(*linear, options, model.contract->features.kind);
  } else if (kind == "ridge") {
    throw UsageError(fmt::format(
        "a ridge model has weights for its own labels only ({}), and the data have {}: start from a network, whose "
        "layers before the last serve any labels, or choose the labels with --conditions and --labels",
        fmt::join(model.contract->labels, ", "), fmt::join(labels, ", ")));
  } else {
    throw UsageError(fmt::format(
        "a model of kind '{}' cannot be a start: start from a network (long-conv, mlp, cnn3d), or from ridge with the "
        "same labels",
        kind));
  }
  plans.scratch.name = kind;
  plans.tuned.name = kind + "-finetuned";
  for (ModelPlan* plan : {&plans.scratch, &plans.tuned}) plan->permutations = options.models.permutations.value_or(0);
  return plans;
}

/// The two, ridge if it is not one of them, and the baselines.
std::vector<ModelPlan> all_plans(const Plans& plans, const FinetuneOptions& options, FeatureKind features,
                                 SampleUnit unit) {
  std::vector<ModelPlan> all{plans.scratch, plans.tuned};
  ModelOptions others = options.models;
  others.models = {"ridge"};
  others.permutations = options.models.permutations.value_or(0);
  for (ModelPlan& plan : plan_models(others, features, unit)) {
    if (plan.name != plans.scratch.name) all.push_back(std::move(plan));
  }
  return all;
}

LearningProblem make_tuning_problem(const TrainedModel& model, const PreparedData& data,
                                    const FinetuneOptions& options) {
  EvaluationOptions evaluation = options.evaluation;
  if (!evaluation.problem.unit) evaluation.problem.unit = model.contract->unit;
  if (evaluation.problem.unit == SampleUnit::trials && !(evaluation.rule.trial_s > 0)) {
    evaluation.rule.trial_s = rule_of(*model.contract).trial_s;
  }
  LearningProblem problem = make_problem(data.runs, evaluation.rule, evaluation.problem);
  add_training_overlap(problem, check_training_overlap(model, data), evaluation.problem.allow_leakage);
  return problem;
}

ScoreDifference difference_of(const ModelEvaluation& tuned, const ModelEvaluation& scratch,
                              const LearningProblem& problem, std::uint64_t seed) {
  const Predictions& first = tuned.cross_validation.predictions;
  BootstrapOptions bootstrap;
  bootstrap.seed = seed;
  const Comparison found =
      compare_models(first, scratch.cross_validation.predictions, resampling_groups(first, *problem.runs),
                     Metric::balanced_accuracy, bootstrap);
  return {tuned.scores.name, scratch.scores.name, found.difference, found.interval, found.p};
}

Provenance provenance_of(const TrainedModel& model, const PreparedData& data, const FinetuneOptions& options) {
  Provenance provenance = make_provenance(options.models.seed, options.prepare.configuration);
  provenance.inputs = data.inputs;
  provenance.inputs.push_back(record_input(model.path));
  // What the start was trained on, this model was trained on too.
  const std::vector<InputRecord> before = training_inputs(*model.contract);
  provenance.inputs.insert(provenance.inputs.end(), before.begin(), before.end());
  return provenance;
}

}  // namespace

Results finetune_model(const FinetuneOptions& asked) {
  FinetuneOptions options = asked;
  options.models.checkpoint_folder = checkpoint_folder(options.prepare.output);
  const WarningCollector warnings;
  Stopwatch watch;
  const std::filesystem::path& folder = options.prepare.output;
  const TrainedModel model = open_model(options.model);
  PrepareOptions prepare = options.prepare;
  prepare_for(model, prepare);
  const auto begin = [&](const std::vector<LearningRun>& runs) {
    plan_start(model, options, make_label_table(runs, options.evaluation.rule).names);
    if (options.evaluation.problem.shuffled_folds == 0) check_split_options(runs, options.evaluation.problem.split);
    open_output_folder(folder, "finetune", options.prepare.configuration);
  };
  const PreparedData data = watch.time("preprocessing", [&] { return prepare_dataset(prepare, begin); });
  Results results = start_results("finetune", data);
  const LearningProblem problem =
      watch.time("labels and folds", [&] { return make_tuning_problem(model, data, options); });
  const Plans plans = plan_start(model, options, problem.labels.names);
  record_problem(folder, problem, results);
  std::vector<ModelEvaluation> models;
  watch.time("cross-validation", [&] {
    for (const ModelPlan& plan : all_plans(plans, options, data.features->kind, problem.unit)) {
      check_cancelled();
      models.push_back(with_context(fmt::format("model '{}'", plan.name),
                                    [&] { return evaluate_model(problem, plan, data.nuisance, options.models.seed); }));
      say_score(models.back().scores, results.chance);
      results.models.push_back(models.back().scores);
    }
  });
  results.comparisons = {difference_of(models[1], models[0], problem, options.models.seed)};
  write_predictions(folder, problem, models, results);
  const Provenance provenance = provenance_of(model, data, options);
  if (!problem.split.leaks) {
    watch.time("final model", [&] {
      const OneTorchThread guard;  // a small fit
      const FinalModel fitted = fit_on_all(problem, plans.tuned.resumable_factory(), options.models.seed);
      results.files.push_back(fmt::format("model-{}.safetensors", plans.tuned.name));
      write_final_model(folder / results.files.back(), fitted, data, problem, provenance);
    });
  }
  const std::vector<ModelMaps> no_maps;
  CommandFindings found{data, problem, models, no_maps, nullptr, provenance};
  found.title = "Fine-tuning on " + data.dataset.name;
  finish_results(folder, found, watch, warnings, results);
  remove_checkpoints(folder);
  return results;
}

}  // namespace noema
