#include "noema/preprocess/standardize.h"

#include <cmath>
#include <limits>

#include "noema/preprocess/columns.h"

namespace noema {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

}  // namespace

Eigen::RowVectorXd column_means(const MatrixD& series) {
  Eigen::RowVectorXd mean(series.cols());
  columns::sums(series.data(), series.rows(), series.cols(), mean.data());
  return mean / static_cast<double>(series.rows());
}

void zscore(MatrixD& series, int lost) {
  if (series.rows() < 2) return;
  const Eigen::RowVectorXd mean = column_means(series);
  Eigen::RowVectorXd scale(series.cols());
  columns::shift_and_sum_squares(series.data(), series.rows(), series.cols(), mean.data(), scale.data());
  scale = (scale / static_cast<double>(series.rows() - lost)).cwiseSqrt();
  scale = scale.unaryExpr([](double sd) { return sd < kEpsilon ? 1.0 : 1 / sd; });
  columns::scale(series.data(), series.rows(), series.cols(), scale.data());
}

void percent_change(MatrixD& series) {
  if (series.rows() < 2) return;
  const Eigen::RowVectorXd mean = column_means(series);
  const Eigen::RowVectorXd scale =
      mean.unaryExpr([](double m) { return std::abs(m) < kEpsilon ? 0.0 : 100 / std::abs(m); });
  const Eigen::RowVectorXd shift = -mean;
  columns::shift(series.data(), series.rows(), series.cols(), shift.data());
  columns::scale(series.data(), series.rows(), series.cols(), scale.data());
}

}  // namespace noema
