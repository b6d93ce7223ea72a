#include "noema/glm/least_squares.h"

#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <limits>

namespace noema {

LeastSquares make_least_squares(const Eigen::MatrixXd& design) {
  if (design.rows() == 0) {
    const Eigen::Index columns = design.cols();
    return {design, Eigen::MatrixXd(columns, 0), Eigen::MatrixXd::Zero(columns, columns), 0};
  }
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(design, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::VectorXd& values = svd.singularValues();
  const double cut =
      static_cast<double>(std::max(design.rows(), design.cols())) * std::numeric_limits<double>::epsilon() * values[0];
  const Eigen::Index rank = (values.array() > cut).count();
  const Eigen::MatrixXd scaled = svd.matrixV().leftCols(rank) * values.head(rank).cwiseInverse().asDiagonal();
  return {design, scaled * svd.matrixU().leftCols(rank).transpose(), scaled * scaled.transpose(), rank};
}

std::vector<std::int64_t> gaps_between(std::span<const std::int64_t> kept) {
  std::vector<std::int64_t> gaps(kept.size(), 0);
  for (std::size_t i = 1; i < kept.size(); ++i) gaps[i] = kept[i] - kept[i - 1];
  return gaps;
}

void whiten(Eigen::Ref<MatrixD> rows, double rho, std::span<const std::int64_t> gaps) {
  for (Eigen::Index t = rows.rows() - 1; t > 0; --t) {
    const std::int64_t gap = gaps[static_cast<std::size_t>(t)];
    const double remembered = gap == 1 ? rho : std::pow(rho, gap);
    rows.row(t) -= remembered * rows.row(t - 1);
    if (gap > 1) rows.row(t) *= std::sqrt((1 - rho * rho) / (1 - remembered * remembered));
  }
}

}  // namespace noema
