// learn/linear_map: linear decisions, and the choice of how strongly they are held back.
#pragma once

#include <Eigen/Core>
#include <span>
#include <vector>

#include "noema/io/series.h"
#include "noema/learn/sample_set.h"

namespace noema {

/// decisions = rows · weightsᵀ + intercepts.
struct LinearMap {
  MatrixD weights;             // (K, F)
  Eigen::VectorXd intercepts;  // (K)

  /// (N, F) to (N, K). @throws ShapeError
  MatrixD decisions(const MatrixF& rows) const;
};

/// How the strength of a linear model was chosen.
struct StrengthChoice {
  double value = 0;
  /// False where the training data cannot be split, and `value` is the fallback.
  bool by_inner_folds = false;
  /// What was tried, and the balanced accuracy in the inner folds; empty where nothing was tried.
  std::vector<double> tried;
  std::vector<double> accuracy;
};

/// Groups of samples that are left out together when a strength is chosen within training data: subjects where there
/// are several, else runs, else occurrences (the o-th block of each label in its run), the first of them that leaves
/// every label a sample whichever group is left out. Empty where none does.
std::vector<int> inner_groups(const SampleSet& train);

/// The strength of the largest balanced accuracy; of equal ones that of the smallest loss, then the first.
std::size_t best_strength(std::span<const double> accuracy, std::span<const double> loss);

/// Mean over the labels that occur of the share of rows whose largest decision is their label's.
double balanced_accuracy_of(const MatrixD& decisions, std::span<const int> labels);

/// @throws ShapeError unless there is a label for each row; DataError if a class has no row (all of [0, classes) must).
void check_classes(std::int64_t rows, std::span<const int> labels, int classes);

}  // namespace noema
