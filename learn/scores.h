// learn/scores: how good predictions are, how sure that is, and what chance would give.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <vector>

#include "noema/learn/samples.h"

namespace noema {

/// What a model said about N test samples, one row each; from one fold or from all.
struct Predictions {
  int classes = 0;
  std::vector<int> truth;
  std::vector<int> predicted;
  MatrixD probabilities;  // (N, K), rows of unit sum; (0, 0) when the model gives none
  MatrixD decisions;      // (N, K), larger is likelier, any scale; (0, 0) when the model gives none
  std::vector<int> fold;
  std::vector<int> block;
  std::vector<int> run;

  std::int64_t size() const { return static_cast<std::int64_t>(truth.size()); }
  /// Appends the rows of another set. @throws ShapeError if classes or the presence of probabilities or decisions
  /// differ.
  void append(const Predictions& other);
  /// @throws ShapeError if the lengths disagree or a label is not in [0, classes).
  void validate() const;
};

struct Scores {
  std::int64_t samples = 0;
  double accuracy = 0;
  /// Mean of the recalls of the labels that occur in the truth. Chance: 1 / their number.
  double balanced_accuracy = 0;
  /// Mean F1 of the labels that occur in truth or predictions.
  double macro_f1 = 0;
  /// Mean −log(probability of the truth), probabilities clipped to 1e-15 from below; NaN without probabilities.
  double log_loss = 0;
  Eigen::MatrixXi confusion;  // (K, K), truth by prediction, counts
};

/// Scores of all rows, or of the given rows. NaN where there is nothing to score.
Scores score(const Predictions& predictions);
Scores score(const Predictions& predictions, std::span<const int> rows);

/// Scores from counts (K, K), truth by prediction; the log-loss is NaN.
Scores scores_of_confusion(Eigen::MatrixXi confusion);

enum class Metric { accuracy, balanced_accuracy, macro_f1, log_loss };
double value_of(const Scores& scores, Metric metric);

/// One prediction for each block: decisions (else probabilities, else votes) averaged over its samples in the same
/// fold; ties go to the lower label. Rows in the order of first appearance.
Predictions vote_by_block(const Predictions& predictions);

/// What is drawn anew in a bootstrap: for each prediction the number of its subject where there are several, else of
/// its run where there are several, else of its block.
std::vector<int> resampling_groups(const Predictions& predictions, const std::vector<LearningRun>& runs);

struct Interval {
  double low = 0;
  double high = 0;
};

struct BootstrapOptions {
  int draws = 1000;
  double level = 0.95;
  std::uint64_t seed = 0;
};

/// Percentile bootstrap interval (Efron 1979) of a metric of all rows, groups drawn with replacement, with the
/// percentiles moved outward so that it also covers with few groups (Hesterberg 2015,
/// doi:10.1080/00031305.2015.1089789). NaN for fewer than two groups.
/// @throws UsageError for options out of range, ShapeError for lengths that disagree.
Interval bootstrap_interval(const Predictions& predictions, std::span<const int> groups, Metric metric,
                            const BootstrapOptions& options = {});

struct Comparison {
  /// Metric of the first minus metric of the second model.
  double difference = 0;
  Interval interval;
  /// Two-sided: how often the difference would be as large if, in each group, it were a coin's toss which model is
  /// which.
  double p = 1;
};

/// Compares two models on the same samples (same truth, block and fold in the same order), groups drawn together.
///
/// The p value is exact (all 2^G exchanges) up to 12 groups, else by `options.draws` random ones with p = (1 + k) / (1
/// + n).
/// @throws ShapeError if the samples are not the same.
Comparison compare_models(const Predictions& first, const Predictions& second, std::span<const int> groups,
                          Metric metric, const BootstrapOptions& options = {});

/// (1 + number of null values ≥ observed) / (1 + number of null values): larger must be better. Phipson & Smyth 2010,
/// doi:10.2202/1544-6115.1585.
double permutation_p(double observed, std::span<const double> null);

/// Which blocks may exchange labels in a permutation test: blocks with the same number.
///
/// Blocks of one run; if the split divides runs, blocks of one run and one test fold, so that every training fold keeps
/// its counts of labels (unless some such set held a single label only: then blocks of one run). With labels that are
/// constant within runs, see `permute_labels`.
std::vector<int> exchangeable_blocks(const Split& split, const std::vector<Block>& blocks);

/// Labels of all blocks after one random permutation; number `index` of the sequence that `seed` names.
///
/// Labels are exchanged between blocks of equal `exchangeable`, so that blocks stay whole and each run keeps its
/// counts. Labels that hold for whole runs or sessions are exchanged between those of a subject; labels that hold for
/// whole subjects between subjects.
std::vector<int> permute_labels(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks,
                                std::span<const int> exchangeable, std::uint64_t seed, std::uint64_t index);

}  // namespace noema
