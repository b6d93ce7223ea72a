#include "noema/preprocess/detrend.h"

#include "noema/preprocess/columns.h"
#include "noema/preprocess/standardize.h"

namespace noema {

void detrend(MatrixD& series) {
  const Eigen::Index rows = series.rows();
  if (rows < 2) return;
  Eigen::VectorXd ramp =
      Eigen::VectorXd::LinSpaced(rows, 0, static_cast<double>(rows - 1)).array() - static_cast<double>(rows - 1) / 2;
  ramp /= ramp.norm();
  const Eigen::RowVectorXd mean = column_means(series);
  Eigen::RowVectorXd slope(series.cols());
  columns::shift_and_weigh(series.data(), rows, series.cols(), mean.data(), ramp.data(), slope.data());
  columns::remove_weighted(series.data(), rows, series.cols(), ramp.data(), slope.data());
}

}  // namespace noema
