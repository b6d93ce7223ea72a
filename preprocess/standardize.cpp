#include "noema/preprocess/standardize.h"

#include <cmath>
#include <limits>

namespace noema {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

}  // namespace

Eigen::RowVectorXd column_means(const MatrixD& series) {
  Eigen::RowVectorXd mean = Eigen::RowVectorXd::Zero(series.cols());
  for (Eigen::Index t = 0; t < series.rows(); ++t) mean += series.row(t);
  return mean / static_cast<double>(series.rows());
}

void zscore(MatrixD& series, int lost) {
  if (series.rows() < 2) return;
  const Eigen::RowVectorXd mean = column_means(series);
  Eigen::RowVectorXd scale = Eigen::RowVectorXd::Zero(series.cols());
  for (Eigen::Index t = 0; t < series.rows(); ++t) {
    series.row(t) -= mean;
    scale += series.row(t).cwiseAbs2();
  }
  scale = (scale / static_cast<double>(series.rows() - lost)).cwiseSqrt();
  scale = scale.unaryExpr([](double sd) { return sd < kEpsilon ? 1.0 : sd; });
  for (Eigen::Index t = 0; t < series.rows(); ++t) series.row(t).array() /= scale.array();
}

void percent_change(MatrixD& series) {
  if (series.rows() < 2) return;
  const Eigen::RowVectorXd mean = column_means(series);
  const Eigen::RowVectorXd scale =
      mean.unaryExpr([](double m) { return std::abs(m) < kEpsilon ? 0.0 : 100 / std::abs(m); });
  for (Eigen::Index t = 0; t < series.rows(); ++t) {
    series.row(t) = ((series.row(t) - mean).array() * scale.array()).matrix();
  }
}

}  // namespace noema
