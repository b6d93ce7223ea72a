#include "noema/preprocess/detrend.h"

namespace noema {

void detrend(MatrixD& series) {
  const Eigen::Index rows = series.rows();
  if (rows < 2) return;
  Eigen::VectorXd ramp =
      Eigen::VectorXd::LinSpaced(rows, 0, static_cast<double>(rows - 1)).array() - static_cast<double>(rows - 1) / 2;
  ramp /= ramp.norm();
  Eigen::RowVectorXd mean = Eigen::RowVectorXd::Zero(series.cols());
  for (Eigen::Index t = 0; t < rows; ++t) mean += series.row(t);
  mean /= static_cast<double>(rows);
  Eigen::RowVectorXd slope = Eigen::RowVectorXd::Zero(series.cols());
  for (Eigen::Index t = 0; t < rows; ++t) {
    series.row(t) -= mean;
    slope += ramp[t] * series.row(t);
  }
  for (Eigen::Index t = 0; t < rows; ++t) series.row(t) -= ramp[t] * slope;
}

}  // namespace noema
