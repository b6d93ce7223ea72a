#include "noema/glm/least_squares.h"

#include <Eigen/SVD>
#include <algorithm>
#include <limits>

namespace noema {

DesignBasis make_basis(const Eigen::MatrixXd& design) {
  const Eigen::Index columns = design.cols();
  if (design.rows() == 0) {
    return {Eigen::MatrixXd(0, 0), Eigen::MatrixXd(columns, 0), Eigen::MatrixXd::Zero(columns, columns)};
  }
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(design, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::VectorXd& values = svd.singularValues();
  const double cut =
      static_cast<double>(std::max(design.rows(), columns)) * std::numeric_limits<double>::epsilon() * values[0];
  const Eigen::Index rank = (values.array() > cut).count();
  const Eigen::MatrixXd right = svd.matrixV().leftCols(rank);
  return {svd.matrixU().leftCols(rank), right * values.head(rank).cwiseInverse().asDiagonal(),
          right * right.transpose()};
}

}  // namespace noema
