// learn/inner_folds: folds within training data, for what is chosen there.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "noema/learn/linear_map.h"

namespace noema {

/// The fold of each row, as few as asked for but so that every fold trains on every label; empty where it cannot be, or
/// without groups. Whole groups are dealt, the largest first, each to the fold with the fewest rows.
/// @param labels  in [0, classes), one a row; `groups` likewise.
std::vector<int> inner_folds(std::span<const int> labels, int classes, std::span<const int> groups, int wanted);

/// What is to be chosen between, and how.
struct StrengthTrial {
  std::span<const double> strengths;
  /// Where the training data cannot be split.
  double fallback = 1;
  int folds = 2;
  /// Decisions for the rows `test`, one matrix for each strength, of models fitted on the rows `train`.
  std::function<std::vector<MatrixD>(const std::vector<int>& train, const std::vector<int>& train_labels,
                                     const std::vector<int>& test)>
      decide;
  /// Of all decisions; decides between equal accuracies.
  std::function<double(const MatrixD& decisions)> loss;
};

/// The best of the strengths in folds within the training data (`best_strength`); a single one is not tried.
StrengthChoice choose_strength(const StrengthTrial& trial, std::span<const int> labels, int classes,
                               std::span<const int> groups);

}  // namespace noema
