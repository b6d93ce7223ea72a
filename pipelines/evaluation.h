// pipelines/evaluation: cross-validates one model with all its seeds, and scores it.
#pragma once

#include <memory>
#include <vector>

#include "noema/learn/cross_validation.h"
#include "noema/learn/training.h"
#include "noema/pipelines/models.h"
#include "noema/pipelines/results.h"

namespace noema {

struct ModelEvaluation {
  ModelScores scores;
  /// Of the seed in the middle of the seeds' balanced accuracies, with the models of its folds.
  CrossValidation cross_validation;
  /// Networks: one history a fold.
  std::vector<TrainingHistory> histories;
};

/// @param nuisance  the nuisance series of the problem's runs, for models that use them.
/// @throws what the model throws; Cancelled
ModelEvaluation evaluate_model(const LearningProblem& problem, const ModelPlan& plan,
                               const std::shared_ptr<const std::vector<LearningRun>>& nuisance, std::uint64_t seed);

/// Scores of predictions that one model made, with their interval; `evaluation.scores.per_fold` has one entry.
/// @param problem  whose samples they are of.
ModelEvaluation score_predictions(const LearningProblem& problem, const std::string& name, Predictions predictions,
                                  std::uint64_t seed);

/// The facts of a problem's split for results.
SplitRecord describe_split(const LearningProblem& problem);

std::string to_string(SampleUnit unit);

}  // namespace noema
