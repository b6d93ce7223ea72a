// learn/svc: linear support vector classification, one against the rest, with its strength chosen within training data.
#pragma once

#include <span>
#include <vector>

#include "noema/learn/linear_map.h"
#include "noema/learn/svc_solver.h"

namespace noema {

struct SvcOptions {
  SvcLoss loss = SvcLoss::squared_hinge;
  /// Strengths C to choose from, as in scikit-learn's LinearSVC; small is strong. One alone is taken without choosing.
  std::vector<double> strengths = {1e-5, 1e-4, 1e-3, 0.01, 0.1, 1};
  /// Taken where the training data cannot be split.
  double fallback = 1;
  /// Groups are dealt to at most this many inner folds.
  int inner_folds = 5;

  /// @throws UsageError
  void validate() const;
};

struct SvcFit {
  /// Two classes: one problem, whose decisions and their negatives are the two columns.
  LinearMap map;
  StrengthChoice strength;
  /// Of each problem at its minimum, see `SvcSolution`.
  std::vector<double> objectives;
};

/// Each class against the others. The strength is that of the largest balanced accuracy in inner folds of whole groups;
/// `groups` empty: the fallback. Cost: N²·F for the products of rows, then N³/6 for each step, class and fold.
/// @throws as `check_classes`, `solve_svc_by_rows`; UsageError; ShapeError
SvcFit fit_svc(const MatrixF& rows, std::span<const int> labels, int classes, std::span<const int> groups,
               const SvcOptions& options = {});

}  // namespace noema
