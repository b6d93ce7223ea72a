// pipelines/single_trials: runs whose volumes are estimates of trials, so that each trial is one sample.
#pragma once

#include "noema/glm/single_trial.h"
#include "noema/learn/problem.h"
#include "noema/pipelines/prepare.h"

namespace noema {

/// The runs with the estimate of each trial (`trial_weights`, ordinary least squares, SPM response, the drifts that
/// were filtered out of the series) in place of the first volume after its onset, and all other volumes censored.
/// Nuisance series become their mean over the response expected of each trial. Every decoded event is a trial; other
/// events are modelled by condition. `rule` and `unit` are set to find them: one volume for each event, without delay.
/// Trials without an estimate, or without a volume after their onset, stay as events without a volume: `make_samples`
/// leaves them out and counts them in its warning.
///
/// Estimates of a run are made of that run alone, but all of them of the same volumes: see `require_whole_runs`.
/// @throws UsageError for runs of different repetition times; DataError for trials that begin within one volume; and
/// what
///   `trial_weights` throws, with the run as context.
PreparedData single_trial_data(const PreparedData& data, TrialModel model, LabelRule& rule,
                               std::optional<SampleUnit>& unit);

/// A fold that trains and tests on one run sees its test data in training, since estimates of one run share its
/// volumes.
/// @throws DataError for such a split, unless `allow_leakage`, which makes it a warning.
void require_whole_runs(const LearningProblem& problem, bool allow_leakage);

}  // namespace noema
