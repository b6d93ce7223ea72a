// learn/ridge: ridge classification, one target for each class, with its strength chosen within the training data.
#pragma once

#include <Eigen/Cholesky>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "noema/learn/linear_map.h"
#include "noema/learn/principal_components.h"

namespace noema {

struct RidgeOptions {
  /// Strengths to choose from, as in scikit-learn's RidgeClassifier: the sum of squared errors plus alpha · |w|² is
  /// least. Not relative to the number of rows or features. One alone is taken without choosing.
  std::vector<double> alphas = {0.1, 1, 10, 100, 1e3, 1e4, 1e5};
  /// Taken where the training data cannot be split.
  double fallback_alpha = 100;
  /// (K, F): weights that the fit is held towards instead of zero: alpha · |w − towards|². Empty: zero.
  MatrixD towards;

  /// @throws UsageError unless all are positive.
  void validate() const;
};

struct RidgeFit {
  LinearMap map;
  StrengthChoice alpha;
};

/// All of a ridge classification that does not depend on labels, so that other labels of the same rows cost little.
class RidgeSystem {
 public:
  /// `groups` has an entry for each row, or is empty. Cost: as `PrincipalComponents`, and for each alpha and group of G
  /// rows G·R·min(G, R). @throws ShapeError; UsageError
  RidgeSystem(const MatrixF& rows, std::span<const int> groups, const RidgeOptions& options);

  /// Ridge regression of +1 for the class and −1 for the others on each class, with unpenalised intercepts.
  ///
  /// The alpha is that of the largest balanced accuracy when each group of rows is left out in turn; exact, by the
  /// deletion formula e₋G = (I − H_GG)⁻¹ e_G of linear smoothers, without refitting. Without groups: the fallback.
  /// Cost: N·R·K for each alpha. Thread-safe. @throws as `check_classes`; ShapeError unless `towards` has a row for
  /// each class; Cancelled
  RidgeFit fit(std::span<const int> labels, int classes) const;

  std::int64_t bytes() const;

 private:
  /// (I − H_GG)⁻¹ of one group, in whichever of the spaces of rows and of scores is smaller.
  struct Deletion {
    std::vector<int> rows;
    bool by_rows = true;
    std::vector<Eigen::LDLT<Eigen::MatrixXd>> of_alpha;
  };
  Deletion deletion_of(std::vector<int> rows) const;
  MatrixD left_out_decisions(const MatrixD& targets, std::size_t alpha) const;
  StrengthChoice choose_alpha(const MatrixD& targets, const MatrixD& held, std::span<const int> labels) const;
  Eigen::VectorXd shrinkage(double alpha) const;
  MatrixD with_intercept(const std::vector<int>& rows, const Eigen::VectorXd& shrunk) const;

  RidgeOptions options_;
  PrincipalComponents components_;
  std::vector<Deletion> deletions_;
  /// (N, K): decisions of `towards`; (0, 0) without.
  MatrixD held_;
};

/// One `RidgeSystem`, fitted once. @throws as there
RidgeFit fit_ridge(const MatrixF& rows, std::span<const int> labels, int classes, std::span<const int> groups,
                   const RidgeOptions& options = {});

/// Keeps the systems of rows that come again with other labels, as in permutation tests. Thread-safe.
class RidgeCache {
 public:
  explicit RidgeCache(std::int64_t most_bytes = std::int64_t{512} << 20) : most_bytes_(most_bytes) {}
  /// The system of these very values; made, and kept if there is room, where it is not known. All calls must have the
  /// same options.
  std::shared_ptr<const RidgeSystem> system(const MatrixF& rows, std::span<const int> groups,
                                            const RidgeOptions& options);

 private:
  std::int64_t most_bytes_;
  std::int64_t bytes_ = 0;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const RidgeSystem>> systems_;
};

}  // namespace noema
