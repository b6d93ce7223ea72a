// learn/ridge: ridge classification, one target for each class, with its strength chosen within the training data.
#pragma once

#include <span>
#include <vector>

#include "noema/learn/linear_map.h"

namespace noema {

struct RidgeOptions {
  /// Strengths to choose from, as in scikit-learn's RidgeClassifier: the sum of squared errors plus alpha · |w|² is
  /// least. Not relative to the number of rows or features. One alone is taken without choosing.
  std::vector<double> alphas = {0.1, 1, 10, 100, 1e3, 1e4, 1e5};
  /// Taken where the training data cannot be split.
  double fallback_alpha = 100;

  /// @throws UsageError unless all are positive.
  void validate() const;
};

struct RidgeFit {
  LinearMap map;
  StrengthChoice alpha;
};

/// Fits a ridge regression of +1 for the class and −1 for the others on each class, with unpenalised intercepts.
///
/// The alpha is that of the largest balanced accuracy when each group of rows is left out in turn; exact, by the
/// deletion formula e₋G = (I − H_GG)⁻¹ e_G of linear smoothers, without refitting. `groups` empty: the fallback.
/// Cost: as `PrincipalComponents`, and N·R·(largest group) for each alpha.
/// @throws as `check_classes`; UsageError; ShapeError unless groups is empty or has an entry for each row.
RidgeFit fit_ridge(const MatrixF& rows, std::span<const int> labels, int classes, std::span<const int> groups,
                   const RidgeOptions& options = {});

}  // namespace noema
