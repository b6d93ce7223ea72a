// learn/cross_validation: fits a model in each fold of a problem and collects what it says of the test samples.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "noema/learn/classifier.h"
#include "noema/learn/problem.h"
#include "noema/learn/scores.h"

namespace noema {

/// What a model said of samples beside the truth; the label of the largest decision is the predicted one.
/// @throws ShapeError unless there is a decision for each sample and class; NumericalError for what is no number.
Predictions predictions_of(const ClassScores& said, const SampleSet& test, int fold);

struct CrossValidationOptions {
  std::uint64_t seed = 0;
  /// Other series of the same runs and volumes to learn from, such as confounds; without it the problem's own.
  std::shared_ptr<const std::vector<LearningRun>> runs;
  bool keep_models = false;
  /// Folds on all threads of the library at once, LibTorch with one thread in each; else one fold after the other,
  /// which pays for large networks and fewer folds than threads.
  bool parallel = true;
  /// What progress calls it.
  std::string label = "cross-validation";
};

struct CrossValidation {
  /// By fold, in the order of each fold's test samples.
  Predictions predictions;
  /// One for each fold, if kept.
  std::vector<std::unique_ptr<Classifier>> models;
  std::vector<Scores> fold_scores;
  double seconds = 0;
};

/// Fits a fresh model on each fold's training samples and asks it about the test samples. The seed of a model depends
/// on `options.seed` and the fold alone; results do not depend on the number of threads.
/// @throws what the model throws, with the fold as context; ShapeError if the other runs differ in number or volumes.
CrossValidation cross_validate(const LearningProblem& problem, const ClassifierFactory& factory,
                               const CrossValidationOptions& options = {});

struct PermutationOptions {
  int permutations = 200;
  std::uint64_t seed = 0;
  Metric metric = Metric::balanced_accuracy;
  /// Scores one vote for each block instead of each sample.
  bool by_block = false;
  std::string label = "permutation test";
};

struct PermutationTest {
  /// (1 + number of null values as good as the observed one) / (1 + n).
  double p = 1;
  int n = 0;
  double observed = 0;
  std::vector<double> null;
  /// Permutations that were drawn but left a fold without training samples of a label, and were drawn anew.
  int rejected = 0;
};

/// Repeats the whole cross-validation with labels permuted as `permute_labels` does, screening and the choice of
/// strengths included. Delays stay: they do not depend on labels. Permutations run on all threads. With log-loss, which
/// is better when smaller, values are negated.
/// @throws UsageError for fewer than one permutation, or log-loss of a model without probabilities; DataError if almost
///         all permutations leave a fold without a label. Cancelled
PermutationTest permutation_test(const LearningProblem& problem, const ClassifierFactory& factory,
                                 const PermutationOptions& options = {});

/// A model for use: fitted on every sample, with the delay estimated on all blocks.
struct FinalModel {
  std::unique_ptr<Classifier> model;
  AllSamples data;
};
FinalModel fit_on_all(const LearningProblem& problem, const ClassifierFactory& factory, std::uint64_t seed = 0);

}  // namespace noema
