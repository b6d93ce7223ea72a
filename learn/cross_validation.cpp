#include "noema/learn/cross_validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/core/random.h"
#include "noema/learn/torch_settings.h"

namespace noema {
namespace {

void check_runs(const LearningProblem& problem, const std::vector<LearningRun>& runs) {
  if (runs.size() != problem.runs->size()) {
    throw ShapeError(
        fmt::format("found {} runs of other series, expected the problem's {}", runs.size(), problem.runs->size()));
  }
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const LearningRun& own = (*problem.runs)[r];
    if (runs[r].series.volumes() == own.series.volumes()) continue;
    throw ShapeError(fmt::format("run '{}': found another series of {} volumes, expected {}", own.id,
                                 runs[r].series.volumes(), own.series.volumes()));
  }
}

std::uint64_t seed_of_fold(std::uint64_t seed, std::uint64_t fold) { return RandomStream(seed, "fold", {fold}).next(); }

struct FoldResult {
  Predictions predictions;
  std::unique_ptr<Classifier> model;
};

FoldResult run_fold(const LearningProblem& problem, const ClassifierFactory& factory, int fold,
                    const CrossValidationOptions& options) {
  check_cancelled();
  return with_context(fmt::format("fold '{}'", problem.folds[static_cast<std::size_t>(fold)].name), [&] {
    FoldResult result;
    result.model = factory(seed_of_fold(options.seed, static_cast<std::uint64_t>(fold)));
    result.model->fit(problem.train_set(fold, options.runs));
    const SampleSet test = problem.test_set(fold, options.runs);
    result.predictions = predictions_of(result.model->predict(test), test, fold);
    if (!options.keep_models) result.model.reset();
    return result;
  });
}

Predictions joined(const std::vector<FoldResult>& folds) {
  Predictions all = folds.front().predictions;
  for (std::size_t f = 1; f < folds.size(); ++f) all.append(folds[f].predictions);
  return all;
}

/// The predictions of all folds, one after the other and without progress: what runs on each thread of a permutation
/// test.
Predictions predictions_of_folds(const LearningProblem& problem, const ClassifierFactory& factory, std::uint64_t seed) {
  CrossValidationOptions options;
  options.seed = seed;
  std::vector<FoldResult> folds;
  for (std::size_t f = 0; f < problem.folds.size(); ++f) {
    folds.push_back(run_fold(problem, factory, static_cast<int>(f), options));
  }
  return joined(folds);
}

double value_of_predictions(const Predictions& predictions, const PermutationOptions& options) {
  const double value = value_of(score(options.by_block ? vote_by_block(predictions) : predictions), options.metric);
  if (std::isnan(value)) throw UsageError("the log-loss needs a model that gives probabilities: use another metric");
  return options.metric == Metric::log_loss ? -value : value;
}

/// The problem with other labels, or nothing if a fold would lack a label to train on.
std::optional<LearningProblem> relabelled(const LearningProblem& problem, const std::vector<int>& label_of_block) {
  LearningProblem other = problem;
  for (std::size_t b = 0; b < other.blocks.size(); ++b) other.blocks[b].label = label_of_block[b];
  for (FoldData& fold : other.folds) {
    for (Sample& sample : fold.samples) sample.label = label_of_block[static_cast<std::size_t>(sample.block)];
    const std::vector<int> counts = samples_per_label(fold, fold.train, other.labels);
    if (*std::min_element(counts.begin(), counts.end()) == 0) return std::nullopt;
  }
  return other;
}

/// Which permutations of the endless sequence are used: the first ones that leave every fold every label. To redraw
/// the others is to test among the labellings that could have been analysed, so the p value stays exact.
std::vector<std::uint64_t> usable_permutations(const LearningProblem& problem, std::span<const int> exchangeable,
                                               const PermutationOptions& options) {
  std::vector<std::uint64_t> usable;
  const auto wanted = static_cast<std::size_t>(options.permutations);
  const std::uint64_t most = 100 * static_cast<std::uint64_t>(options.permutations);
  for (std::uint64_t index = 0; usable.size() < wanted; ++index) {
    check_cancelled();
    if (index == most) {
      throw DataError(
          fmt::format("only {} of {} permutations of the labels leave every fold every label to train on: "
                      "a permutation test needs more blocks of each label",
                      usable.size(), most));
    }
    if (relabelled(problem, permute_labels(*problem.runs, problem.blocks, exchangeable, options.seed, index))) {
      usable.push_back(index);
    }
  }
  return usable;
}

}  // namespace

Predictions predictions_of(const ClassScores& said, const SampleSet& test, int fold) {
  if (said.decisions.rows() != test.size() || said.decisions.cols() != test.classes) {
    throw ShapeError(fmt::format("found decisions of {} × {}, expected {} samples × {} classes", said.decisions.rows(),
                                 said.decisions.cols(), test.size(), test.classes));
  }
  if (said.decisions.hasNaN() || said.probabilities.hasNaN()) {
    throw NumericalError(
        "the model says 'not a number' of test samples: look for values in the test data that are not finite");
  }
  Predictions predictions;
  predictions.classes = test.classes;
  predictions.truth = test.labels();
  predictions.decisions = said.decisions;
  predictions.probabilities = said.probabilities;
  predictions.fold.assign(test.samples.size(), fold);
  for (std::size_t n = 0; n < test.samples.size(); ++n) {
    Eigen::Index best = 0;
    said.decisions.row(static_cast<std::int64_t>(n)).maxCoeff(&best);
    predictions.predicted.push_back(static_cast<int>(best));
    predictions.block.push_back(test.samples[n].block);
    predictions.run.push_back(test.samples[n].run);
  }
  return predictions;
}

CrossValidation cross_validate(const LearningProblem& problem, const ClassifierFactory& factory,
                               const CrossValidationOptions& options) {
  if (problem.folds.empty()) throw UsageError("a problem without folds cannot be cross-validated");
  if (options.runs) check_runs(problem, *options.runs);
  const auto start = std::chrono::steady_clock::now();
  const auto count = static_cast<std::int64_t>(problem.folds.size());
  std::vector<FoldResult> folds(problem.folds.size());
  Progress progress(options.label, count);
  const auto work = [&](std::int64_t fold) {
    folds[static_cast<std::size_t>(fold)] = run_fold(problem, factory, static_cast<int>(fold), options);
    progress.advance();
  };
  if (options.parallel) {
    parallel_tasks(count, [&](std::int64_t fold) {
      const OneTorchThread guard;
      work(fold);
    });
  } else {
    for (std::int64_t fold = 0; fold < count; ++fold) work(fold);
  }
  CrossValidation result;
  result.predictions = joined(folds);
  for (FoldResult& fold : folds) {
    result.fold_scores.push_back(score(fold.predictions));
    if (options.keep_models) result.models.push_back(std::move(fold.model));
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

PermutationTest permutation_test(const LearningProblem& problem, const ClassifierFactory& factory,
                                 const PermutationOptions& options) {
  if (options.permutations < 1) {
    throw UsageError(fmt::format("found {} permutations, expected at least one", options.permutations));
  }
  const std::vector<int> exchangeable = exchangeable_blocks(problem.split, problem.blocks);
  const std::vector<std::uint64_t> indices = usable_permutations(problem, exchangeable, options);
  PermutationTest test;
  test.n = options.permutations;
  test.rejected = static_cast<int>(indices.back() + 1) - test.n;
  test.null.resize(indices.size());
  Progress progress(options.label, test.n + 1);
  // The labels as they are come first: they are analysed in the very same way.
  parallel_tasks(test.n + 1, [&](std::int64_t task) {
    const OneTorchThread guard;
    if (task == 0) {
      test.observed = value_of_predictions(predictions_of_folds(problem, factory, options.seed), options);
    } else {
      const auto i = static_cast<std::size_t>(task - 1);
      const auto other =
          relabelled(problem, permute_labels(*problem.runs, problem.blocks, exchangeable, options.seed, indices[i]));
      test.null[i] = value_of_predictions(predictions_of_folds(other.value(), factory, options.seed), options);
    }
    progress.advance();
  });
  test.p = permutation_p(test.observed, test.null);
  return test;
}

FinalModel fit_on_all(const LearningProblem& problem, const ClassifierFactory& factory, std::uint64_t seed) {
  FinalModel final{factory(seed), all_samples(problem)};
  with_context("fitting on all samples", [&] { final.model->fit(final.data.set); });
  return final;
}

}  // namespace noema
