// learn/logistic: multinomial logistic regression, with its strength chosen within the training data.
#pragma once

#include <span>
#include <vector>

#include "noema/learn/linear_map.h"

namespace noema {

struct LogisticOptions {
  /// Strengths to choose from, as in scikit-learn's LogisticRegression: C · Σ −log p(label) + |w|² / 2 is least; small
  /// is strong. One alone is taken without choosing.
  std::vector<double> strengths = {1e-4, 1e-3, 0.01, 0.1, 1, 10};
  /// Taken where the training data cannot be split.
  double fallback = 1;
  /// Groups are dealt to at most this many inner folds.
  int inner_folds = 5;
  /// Converged when no entry of the gradient of the objective, divided by C · N and taken in coordinates of about unit
  /// curvature, exceeds this.
  double tolerance = 1e-6;
  int max_iterations = 2000;

  /// @throws UsageError
  void validate() const;
};

struct LogisticFit {
  LinearMap map;  // intercepts of zero sum
  StrengthChoice strength;
  double objective = 0;
  int iterations = 0;
};

/// Fits the multinomial model with L2 and unpenalised intercepts by L-BFGS, in the space the training rows span.
///
/// The strength is that of the largest balanced accuracy in inner folds of whole groups; `groups` empty: the fallback.
/// @throws as `check_classes`; UsageError; ShapeError; NumericalError when not converged; Cancelled
LogisticFit fit_logistic(const MatrixF& rows, std::span<const int> labels, int classes, std::span<const int> groups,
                         const LogisticOptions& options = {});

/// Rows of unit sum from decisions.
MatrixD softmax(const MatrixD& decisions);

}  // namespace noema
