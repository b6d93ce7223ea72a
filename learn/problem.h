// learn/problem: everything that is decided before any model is fitted: labels, blocks, split, delays, samples.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "noema/learn/delay.h"
#include "noema/learn/labels.h"
#include "noema/learn/leakage.h"
#include "noema/learn/sample_set.h"
#include "noema/learn/splits.h"

namespace noema {

struct ProblemOptions {
  SplitOptions split;
  /// Above 0: samples are dealt to this many folds at random instead, a split that leaks; needs `allow_leakage`.
  int shuffled_folds = 0;
  /// For `shuffled_folds`.
  std::uint64_t seed = 0;
  /// Without it `choose_unit`.
  std::optional<SampleUnit> unit;
  bool allow_leakage = false;
};

/// What one fold is trained and tested on.
struct FoldData {
  std::string name;
  /// From the fold's training blocks alone; where the split leaks, from all. Without shifts where a delay has no
  /// meaning (unit runs, `DelayKind::none`).
  DelayEstimate estimate;
  /// What the samples were made with; 0 for unit runs, `DelayKind::hrf` and `DelayKind::none`.
  double delay_s = 0;
  std::vector<Sample> samples;
  std::vector<int> train;  // indices in `samples`, ascending
  std::vector<int> test;
  /// Blocks of the fold that gave no sample.
  int dropped_blocks = 0;
};

/// A decoding problem, the same for every model.
struct LearningProblem {
  std::shared_ptr<const std::vector<LearningRun>> runs;
  LabelTable labels;
  std::vector<Block> blocks;
  Split split;
  SampleUnit unit = SampleUnit::blocks;
  LabelRule rule;
  LeakageReport leakage;
  std::vector<FoldData> folds;

  /// The samples of a fold as a set of these runs, or of others that hold other series of the same volumes.
  SampleSet train_set(int fold, const std::shared_ptr<const std::vector<LearningRun>>& of = nullptr) const;
  SampleSet test_set(int fold, const std::shared_ptr<const std::vector<LearningRun>>& of = nullptr) const;
};

/// Samples of each label in these indices of a fold's samples.
std::vector<int> samples_per_label(const FoldData& fold, const std::vector<int>& indices, const LabelTable& labels);

/// Labels → blocks → split → delay of each fold from its training blocks → samples → leakage check.
///
/// Says a warning when a fixed delay contradicts the data.
/// @throws as `make_label_table`, `find_blocks`, `make_split`, `DelayEstimator`, `make_samples`, `samples_of_fold` and
///         `require_no_leakage`; UsageError without runs. Cancelled
LearningProblem make_problem(std::shared_ptr<const std::vector<LearningRun>> runs, const LabelRule& rule,
                             const ProblemOptions& options = {});

/// A problem without a split, for models that are fitted on everything or that came from elsewhere: one fold, "all",
/// that tests every sample and trains on none; the unit of its split is "none".
/// @param labels  a table that all selected events fit, such as `make_label_table` or a trained model's.
/// @throws as `find_blocks`, `make_samples`; UsageError without runs
LearningProblem make_unsplit_problem(std::shared_ptr<const std::vector<LearningRun>> runs, LabelTable labels,
                                     const LabelRule& rule, std::optional<SampleUnit> unit = std::nullopt);

/// All samples of a problem, with the delay by all blocks: what a final model is fitted on.
struct AllSamples {
  DelayEstimate estimate;
  double delay_s = 0;
  SampleSet set;
};
AllSamples all_samples(const LearningProblem& problem);

}  // namespace noema
