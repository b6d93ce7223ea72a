// learn/delay: how long after the events the data respond, estimated on training data alone.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "noema/learn/samples.h"

namespace noema {

struct DelayEstimate {
  double delay_s = 0;
  /// False where the blocks leave too little rest (less than a tenth of the volumes) to tell; then `delay_s` is 5 s.
  bool determined = false;
  /// The shifts that were tried, 0 to 8 s in steps of TR/2, and what each gave.
  std::vector<double> shifts_s;
  std::vector<double> mean_abs_correlation;
  /// How many features the mean goes over, and how many volumes the correlation.
  std::int64_t features = 0;
  std::int64_t volumes = 0;
};

/// Finds the shift of the events that agrees best with the data.
///
/// For each shift d, "volume centre in [onset + d, end + d) of any block", whatever its label, is correlated with every
/// feature over the training volumes, both centred within runs; the estimate is the d with the largest mean
/// |correlation| of the 2 % (at least 20) most correlated features. Nothing of test data enters: of runs with both
/// training and other blocks, the volumes from the onset of each other block to 8 s + TR after its end are left out,
/// whatever the shift. The products of whole runs are kept (about a fifth of the memory of the data), so many folds
/// cost little more than one.
class DelayEstimator {
 public:
  /// `runs` and `blocks` must outlive the estimator. @throws ShapeError if runs differ in their number of features.
  DelayEstimator(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks);

  /// The delay by these blocks. Says a warning if the data cannot tell. Thread-safe.
  /// @throws DataError without training blocks or volumes.
  DelayEstimate estimate(std::span<const int> train) const;

 private:
  /// Sums over the volumes of one run: additive over runs.
  struct Products {
    MatrixD cross;                    // (D, F): centred boxcar · centred feature
    Eigen::VectorXd boxcar_squares;   // (D)
    Eigen::VectorXd feature_squares;  // (F)
    std::int64_t volumes = 0;
    std::int64_t rest_volumes = 0;  // outside all blocks, not shifted
  };
  Products products_of(int run, std::span<const int> train) const;
  DelayEstimate estimate_from(const Products& sum) const;

  const std::vector<LearningRun>& runs_;
  const std::vector<Block>& blocks_;
  std::vector<std::vector<int>> blocks_of_run_;
  std::vector<double> shifts_s_;
  std::vector<Products> whole_runs_;
};

/// A sentence when a declared delay contradicts the data: more than 2 s from the estimate, and its mean |correlation|
/// less than nine tenths of the best. Empty when it does not, or when the data cannot tell.
std::string delay_disagreement(const DelayEstimate& estimate, double declared_s);

}  // namespace noema
