// learn/svc_solver: the minimum of a linear support vector machine's objective, by rows or by features.
#pragma once

#include <Eigen/Core>

namespace noema {

/// What a row of margin m = label · decision costs.
enum class SvcLoss {
  squared_hinge,  ///< max(0, 1 − m)²
  hinge,          ///< max(0, 1 − m)
};

/// Of ½(|w|² + b²) + C·Σ loss, the objective of LIBLINEAR and of scikit-learn's LinearSVC with its defaults: the
/// intercept b counts as the weight of a feature that is 1 everywhere.
struct SvcSolution {
  /// By rows: (N), w = Σ coefficient · row and b = Σ coefficient. By features: (F + 1), the weights and then b.
  Eigen::VectorXd coefficients;
  double objective = 0;
  int iterations = 0;
};

/// From the products of rows with one another, for fewer rows than features.
///
/// Squared hinge: Newton steps on the rows within the margin, each an exact solution for those rows, until they stay
/// the same (Chapelle 2007, doi:10.1162/neco.2007.19.5.1155): exact up to rounding, N_margin³/6 multiplications a step.
/// Hinge: coordinate ascent of the dual (Hsieh et al. 2008, doi:10.1145/1390156.1390208), until primal and dual
/// objective agree within 1e-8 of the primal.
/// @param gram    (N, N), row · row; without the intercept's feature.
/// @param labels  (N), −1 or 1.
/// @param start   coefficients to start from; empty: none.
/// @param tolerance  Newton steps also end when one lowers the objective by a smaller share.
/// @throws NumericalError when not converged; Cancelled. C must be positive.
SvcSolution solve_svc_by_rows(const Eigen::MatrixXd& gram, const Eigen::VectorXd& labels, double c, SvcLoss loss,
                              const Eigen::VectorXd& start = {}, double tolerance = 1e-14);

/// Squared hinge from few features of many rows; N·F²/2 multiplications a step.
/// @param rows  (N, F + 1), the last column 1.
/// @throws as above
SvcSolution solve_svc_by_features(const Eigen::MatrixXd& rows, const Eigen::VectorXd& labels, double c,
                                  double tolerance = 1e-14);

}  // namespace noema
