#include "noema/pipelines/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "noema/core/settings.h"
#include "noema/decoders/network_classifier.h"
#include "noema/learn/rena_classifier.h"

namespace noema {
namespace {

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double sd_of(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double mean = mean_of(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

/// The seed in the middle of the balanced accuracies (of two the lower).
std::size_t middle_seed(const std::vector<double>& per_seed) {
  std::vector<std::size_t> order(per_seed.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return per_seed[a] < per_seed[b]; });
  return order[(order.size() - 1) / 2];
}

/// What `resampling_groups` draws, in a word.
std::string group_unit(const Predictions& predictions, const std::vector<LearningRun>& runs) {
  std::set<std::string> subjects, ids;
  for (const int run : predictions.run) {
    subjects.insert(runs.at(static_cast<std::size_t>(run)).subject);
    ids.insert(runs.at(static_cast<std::size_t>(run)).id);
  }
  return subjects.size() > 1 ? "subjects" : ids.size() > 1 ? "runs" : "blocks";
}

/// Means over seeds of what is averaged.
void average_seeds(const std::vector<CrossValidation>& seeds, bool by_block, ModelScores& scores) {
  const double share = 1.0 / static_cast<double>(seeds.size());
  scores.per_fold.assign(seeds.front().fold_scores.size(), 0);
  double right = 0;
  for (const CrossValidation& seed : seeds) {
    const Scores all = score(seed.predictions);
    scores.per_seed.push_back(all.balanced_accuracy);
    scores.accuracy += share * all.accuracy;
    scores.macro_f1 += share * all.macro_f1;
    scores.log_loss += share * all.log_loss;
    scores.seconds += seed.seconds;
    for (std::size_t f = 0; f < scores.per_fold.size(); ++f) {
      scores.per_fold[f] += share * seed.fold_scores[f].balanced_accuracy;
    }
    if (!by_block) continue;
    const Scores votes = score(vote_by_block(seed.predictions));
    right += share * votes.confusion.trace();
    scores.blocks = static_cast<int>(votes.samples);
  }
  if (by_block) scores.blocks_right = right;
  scores.balanced_accuracy = mean_of(scores.per_seed);
  scores.sd_over_seeds = sd_of(scores.per_seed);
}

void add_interval(const Predictions& predictions, const std::vector<LearningRun>& runs, std::uint64_t seed,
                  ModelScores& scores) {
  const std::vector<int> groups = resampling_groups(predictions, runs);
  BootstrapOptions options;
  options.seed = seed;
  scores.interval = bootstrap_interval(predictions, groups, Metric::balanced_accuracy, options);
  scores.groups = static_cast<int>(std::set<int>(groups.begin(), groups.end()).size());
  scores.group_unit = group_unit(predictions, runs);
  scores.samples = predictions.size();
  scores.confusion = score(predictions).confusion;
}

}  // namespace

std::string to_string(SampleUnit unit) {
  switch (unit) {
    case SampleUnit::volumes:
      return "volumes";
    case SampleUnit::blocks:
      return "blocks";
    case SampleUnit::trials:
      return "trials";
    case SampleUnit::runs:
      return "runs";
  }
  return "";
}

ModelEvaluation evaluate_model(const LearningProblem& problem, const ModelPlan& plan,
                               const std::shared_ptr<const std::vector<LearningRun>>& nuisance, std::uint64_t seed) {
  std::vector<CrossValidation> seeds;
  for (int s = 0; s < plan.seeds; ++s) {
    CrossValidationOptions options;
    options.seed = seed + static_cast<std::uint64_t>(s);
    if (plan.uses_nuisance) options.runs = nuisance;
    options.keep_models = true;
    options.parallel = !plan.is_network || static_cast<int>(problem.folds.size()) >= thread_count();
    options.label = plan.seeds > 1 ? fmt::format("{}, seed {} of {}", plan.name, s + 1, plan.seeds) : plan.name;
    seeds.push_back(cross_validate(problem, plan.resumable_factory(), options));
  }
  ModelEvaluation result;
  ModelScores& scores = result.scores;
  scores.name = plan.name;
  scores.is_baseline = plan.is_baseline;
  scores.sample_unit = to_string(problem.unit);
  scores.seeds = plan.seeds;
  average_seeds(seeds, problem.unit == SampleUnit::volumes && !problem.split.leaks, scores);
  result.cross_validation = std::move(seeds[middle_seed(scores.per_seed)]);
  add_interval(result.cross_validation.predictions, *problem.runs, seed, scores);
  for (const auto& model : result.cross_validation.models) {
    if (const auto* network = dynamic_cast<const NetworkClassifier*>(&beneath_clusters(*model)))
      result.histories.push_back(network->history());
  }
  if (plan.permutations > 0) {
    PermutationOptions options;
    options.permutations = plan.permutations;
    options.seed = seed;
    options.label = plan.name + ", permutations";
    const PermutationTest test = permutation_test(problem, plan.evaluated_factory(), options);
    scores.permutation = PermutationResult{test.p, test.n, test.null};
  }
  return result;
}

ModelEvaluation score_predictions(const LearningProblem& problem, const std::string& name, Predictions predictions,
                                  std::uint64_t seed) {
  std::vector<CrossValidation> once(1);
  once.front().fold_scores.push_back(score(predictions));
  once.front().predictions = std::move(predictions);
  ModelEvaluation result;
  result.scores.name = name;
  result.scores.sample_unit = to_string(problem.unit);
  average_seeds(once, problem.unit == SampleUnit::volumes, result.scores);
  result.cross_validation = std::move(once.front());
  add_interval(result.cross_validation.predictions, *problem.runs, seed, result.scores);
  return result;
}

SplitRecord describe_split(const LearningProblem& problem) {
  SplitRecord facts;
  facts.unit = problem.split.unit == "group" ? fmt::format("group ({})", problem.split.group) : problem.split.unit;
  facts.folds = static_cast<int>(problem.folds.size());
  facts.leaks = problem.split.leaks;
  if (!problem.split.leaks) facts.hash = hash_split(problem.split, *problem.runs, problem.blocks, problem.labels);
  facts.checks = problem.leakage.checks;
  facts.notes = problem.leakage.notes;
  for (const LeakageViolation& violation : problem.leakage.violations) facts.violations.push_back(violation.text);
  for (const FoldData& fold : problem.folds) facts.delay_s.push_back(fold.delay_s);
  return facts;
}

}  // namespace noema
