// learn/principal_components: rows in the few coordinates they span, however many features they have.
#pragma once

#include <Eigen/Core>

#include "noema/io/series.h"

namespace noema {

/// Centred rows as scores × componentsᵀ, by the eigenvalues of the smaller of the two products of the rows with
/// themselves: (N, N) or (F, F).
///
/// Directions without variation (eigenvalue below max(N, F) · 2.2e-16 of the largest) are left out. The signs of
/// components are arbitrary. Cost: N·F·min(N,F) + 10·min(N,F)³.
class PrincipalComponents {
 public:
  /// Rows (N, F). @throws DataError without rows; NumericalError if the eigenvalues cannot be found.
  explicit PrincipalComponents(const MatrixF& rows);

  const Eigen::VectorXd& mean() const { return mean_; }                // (F)
  const Eigen::VectorXd& eigenvalues() const { return eigenvalues_; }  // (R), descending: sums of squares of scores
  const MatrixD& scores() const { return scores_; }                    // (N, R)
  /// Weights of features from weights of scores, (R, K) to (F, K): components × coefficients.
  MatrixD to_features(const MatrixD& coefficients) const;
  /// (F, R), orthonormal columns.
  MatrixD components() const;
  /// How many numbers this holds.
  std::int64_t numbers() const { return mean_.size() + scores_.size() + centred_.size() + components_.size(); }

 private:
  Eigen::VectorXd mean_;
  Eigen::VectorXd eigenvalues_;
  MatrixD scores_;
  MatrixD centred_;     // (N, F), where the components follow from it
  MatrixD components_;  // (F, R), where F < N
};

}  // namespace noema
