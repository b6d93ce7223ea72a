#include "noema/learn/principal_components.h"

#include <Eigen/Eigenvalues>
#include <limits>

#include "noema/core/error.h"

namespace noema {
namespace {

struct Spectrum {
  Eigen::VectorXd values;   // descending
  Eigen::MatrixXd vectors;  // columns
};

/// Eigenvalues above rounding of a symmetric matrix of which the lower half is filled.
Spectrum spectrum_of(const Eigen::MatrixXd& matrix, std::int64_t largest_side) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(matrix);
  if (solver.info() != Eigen::Success) {
    throw NumericalError("the principal components of the training data cannot be found: are all values finite?");
  }
  const Eigen::VectorXd& ascending = solver.eigenvalues();
  const double most = ascending.size() > 0 ? std::max(ascending(ascending.size() - 1), 0.0) : 0;
  const double nothing = static_cast<double>(largest_side) * std::numeric_limits<double>::epsilon() * most;
  const auto rank = (ascending.array() > nothing).count();
  return {ascending.tail(rank).reverse(), solver.eigenvectors().rightCols(rank).rowwise().reverse()};
}

}  // namespace

PrincipalComponents::PrincipalComponents(const MatrixF& rows) {
  if (rows.rows() == 0) throw DataError("found no training rows, expected at least one");
  centred_ = rows.cast<double>();
  mean_ = centred_.colwise().mean();
  centred_.rowwise() -= mean_.transpose();
  const std::int64_t side = std::min(rows.rows(), rows.cols());
  Eigen::MatrixXd product = Eigen::MatrixXd::Zero(side, side);
  const bool by_rows = rows.rows() <= rows.cols();
  if (by_rows) {
    product.selfadjointView<Eigen::Lower>().rankUpdate(centred_);
  } else {
    product.selfadjointView<Eigen::Lower>().rankUpdate(centred_.transpose());
  }
  Spectrum spectrum = spectrum_of(product, std::max(rows.rows(), rows.cols()));
  eigenvalues_ = std::move(spectrum.values);
  if (by_rows) {
    scores_ = spectrum.vectors * eigenvalues_.cwiseSqrt().asDiagonal();
  } else {
    components_ = spectrum.vectors;
    scores_ = centred_ * components_;
    centred_.resize(0, 0);
  }
}

MatrixD PrincipalComponents::to_features(const MatrixD& coefficients) const {
  if (centred_.size() == 0) return components_ * coefficients;
  // components = centredᵀ · scores / eigenvalues; never made, since the product with few columns comes cheaper.
  const MatrixD of_rows = scores_ * (eigenvalues_.cwiseInverse().asDiagonal() * coefficients);
  return centred_.transpose() * of_rows;
}

MatrixD PrincipalComponents::components() const {
  return to_features(MatrixD::Identity(eigenvalues_.size(), eigenvalues_.size()));
}

}  // namespace noema
