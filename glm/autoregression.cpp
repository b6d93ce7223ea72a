#include "noema/glm/autoregression.h"

#include <algorithm>
#include <vector>

namespace noema {
namespace {

constexpr double kLargestPartialCorrelation = 0.99;

/// Mean product of rows that are `lag` volumes apart, of each column.
Eigen::RowVectorXd mean_products(const MatrixD& rows, std::span<const std::int64_t> kept, std::int64_t lag) {
  Eigen::RowVectorXd products = Eigen::RowVectorXd::Zero(rows.cols());
  std::int64_t pairs = 0;
  std::size_t early = 0;
  for (std::size_t late = 0; late < kept.size(); ++late) {
    while (kept[early] < kept[late] - lag) ++early;
    if (kept[early] != kept[late] - lag) continue;
    products += rows.row(static_cast<Eigen::Index>(early)).cwiseProduct(rows.row(static_cast<Eigen::Index>(late)));
    ++pairs;
  }
  return pairs == 0 ? products : Eigen::RowVectorXd(products / static_cast<double>(pairs));
}

}  // namespace

Eigen::VectorXd levinson(std::span<const double> autocovariance) {
  const auto order = std::ssize(autocovariance) - 1;
  Eigen::VectorXd weights = Eigen::VectorXd::Zero(order);
  double rest = autocovariance[0];  // variance of what the weights so far cannot predict
  for (Eigen::Index k = 0; k < order && rest > 0; ++k) {
    double unexplained = autocovariance[static_cast<std::size_t>(k + 1)];
    for (Eigen::Index i = 0; i < k; ++i) unexplained -= weights[i] * autocovariance[static_cast<std::size_t>(k - i)];
    const double partial = std::clamp(unexplained / rest, -kLargestPartialCorrelation, kLargestPartialCorrelation);
    const Eigen::VectorXd before = weights.head(k);
    weights.head(k) -= partial * before.reverse();
    weights[k] = partial;
    rest *= 1 - partial * partial;
  }
  return weights;
}

MatrixD yule_walker(MatrixD residuals, std::span<const std::int64_t> kept, int order) {
  const Eigen::RowVectorXd means = residuals.colwise().mean();
  residuals.rowwise() -= means;
  MatrixD covariances(order + 1, residuals.cols());
  for (int lag = 0; lag <= order; ++lag) covariances.row(lag) = mean_products(residuals, kept, lag);
  MatrixD weights(order, residuals.cols());
  std::vector<double> of_column(static_cast<std::size_t>(order) + 1);
  for (Eigen::Index v = 0; v < residuals.cols(); ++v) {
    for (int lag = 0; lag <= order; ++lag) of_column[static_cast<std::size_t>(lag)] = covariances(lag, v);
    weights.col(v) = levinson(of_column);
  }
  return weights;
}

}  // namespace noema
