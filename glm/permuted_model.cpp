#include "noema/glm/permuted_model.h"

#include <fmt/format.h>

#include <Eigen/QR>
#include <Eigen/SVD>
#include <cmath>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/glm/least_squares.h"

namespace noema {
namespace {

constexpr double kNothing = 1e-10;  // of a column's length: rounding
constexpr double kRankTolerance = 1e-12;
constexpr double kEstimableTolerance = 1e-8;

bool is_constant(const Eigen::VectorXd& values) { return (values.array() == values[0]).all(); }

void check(const MatrixD& data, const Eigen::VectorXd& tested, const MatrixD& confounds) {
  if (tested.size() != data.rows() || (confounds.cols() > 0 && confounds.rows() != data.rows())) {
    throw ShapeError(fmt::format("found {} rows of data, a tested variate of {} and confounds of {}, expected the same",
                                 data.rows(), tested.size(), confounds.rows()));
  }
  if (data.rows() < 2 || data.cols() == 0) {
    throw DataError(
        fmt::format("a permutation test needs at least two rows and a voxel; got {} × {}", data.rows(), data.cols()));
  }
  if (!data.allFinite() || !tested.allFinite() || !confounds.allFinite()) {
    throw DataError(
        "data, tested variate or confounds of a permutation test are not finite; use the voxels and rows "
        "that have a value everywhere");
  }
}

/// Columns of unit length, as deviations from their mean where a constant is in the model; without those of which
/// nothing is left.
Eigen::MatrixXd usable_confounds(const MatrixD& confounds, bool has_constant) {
  std::vector<Eigen::VectorXd> columns;
  for (Eigen::Index c = 0; c < confounds.cols(); ++c) {
    Eigen::VectorXd column = confounds.col(c);
    const double length = column.norm();
    if (has_constant) column.array() -= column.mean();
    if (column.norm() > kNothing * length) columns.push_back(column.normalized());
  }
  Eigen::MatrixXd usable(confounds.rows(), static_cast<Eigen::Index>(columns.size()));
  for (std::size_t c = 0; c < columns.size(); ++c) usable.col(static_cast<Eigen::Index>(c)) = columns[c];
  return usable;
}

MatrixD without_constants(const MatrixD& confounds) {
  std::vector<Eigen::Index> moving;
  for (Eigen::Index c = 0; c < confounds.cols(); ++c) {
    if (!is_constant(confounds.col(c))) moving.push_back(c);
  }
  if (std::ssize(moving) < confounds.cols()) {
    log_warning(fmt::format("{} constant confound(s) left out: the constant is what is tested",
                            confounds.cols() - std::ssize(moving)));
  }
  return confounds(Eigen::all, moving);
}

Eigen::MatrixXd orthonormal_basis(const Eigen::MatrixXd& columns) {
  if (columns.cols() == 0) return columns;
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(columns, Eigen::ComputeThinU);
  const auto rank = (svd.singularValues().array() > kRankTolerance * svd.singularValues()[0]).count();
  return svd.matrixU().leftCols(rank);
}

}  // namespace

TestedVariate variate_of_columns(const Eigen::VectorXd& tested, const MatrixD& confounds, bool model_intercept) {
  const bool tests_constant = tested.size() > 0 && is_constant(tested);
  return {tested, tests_constant ? without_constants(confounds) : confounds,
          tests_constant ? Arrangements::Kind::signs : Arrangements::Kind::orders, model_intercept && !tests_constant};
}

TestedVariate variate_of_contrast(const DesignMatrix& design, const Eigen::VectorXd& weights) {
  const Eigen::MatrixXd columns = design.values;
  if (weights.size() != columns.cols()) {
    throw ShapeError(fmt::format("a contrast of {} weights was given for a design of {} columns: {}", weights.size(),
                                 columns.cols(), fmt::join(design.names, ", ")));
  }
  if (!columns.allFinite() || !weights.allFinite() || weights.isZero(0)) {
    throw UsageError("a permutation test needs a finite design and finite weights of which one at least is not 0");
  }
  const DesignBasis basis = make_basis(columns);
  if ((weights - basis.estimable * weights).norm() > kEstimableTolerance * weights.norm()) {
    throw DataError(fmt::format("the design of the columns {} cannot estimate the contrast, so it cannot be permuted",
                                fmt::join(design.names, ", ")));
  }
  const Eigen::MatrixXd directions = weights.householderQr().householderQ();
  const Eigen::VectorXd ones = Eigen::VectorXd::Ones(columns.rows());
  const auto spans_constant = [&](const Eigen::MatrixXd& some) {
    const Eigen::MatrixXd of_some = orthonormal_basis(some);
    return (ones - of_some * (of_some.transpose() * ones)).norm() <= kEstimableTolerance * ones.norm();
  };
  TestedVariate variate;
  variate.tested = basis.columns * (basis.weights.transpose() * weights);
  variate.confounds = columns * directions.rightCols(columns.cols() - 1);
  variate.has_constant = spans_constant(variate.confounds);
  const bool tests_mean = !variate.has_constant && spans_constant(columns);
  variate.kind = tests_mean ? Arrangements::Kind::signs : Arrangements::Kind::orders;
  return variate;
}

PermutedModel make_permuted_model(const MatrixD& data, const TestedVariate& variate) {
  const auto& [tested, confounds, kind, has_constant] = variate;
  check(data, tested, confounds);
  const Eigen::Index n = data.rows();
  Eigen::MatrixXd moving(n, 0);
  if (confounds.cols() > 0) moving = orthonormal_basis(usable_confounds(confounds, has_constant));
  Eigen::MatrixXd all(n, moving.cols() + (has_constant ? 1 : 0));
  all.leftCols(moving.cols()) = moving;
  if (has_constant) all.col(moving.cols()).setConstant(1 / std::sqrt(static_cast<double>(n)));

  PermutedModel model;
  model.kind = kind;
  model.df = static_cast<double>(n - all.cols() - 1);
  if (model.df < 1) {
    throw DataError(
        fmt::format("{} rows leave no degree of freedom beside a tested variate and {} confounds; use "
                    "fewer confounds",
                    n, all.cols()));
  }
  Eigen::VectorXd left = tested.stableNormalized();
  left -= all * (all.transpose() * left);
  if (!(left.norm() > kNothing)) {
    throw DataError("the tested variate is 0 or explained by the confounds: there is nothing to test");
  }
  model.model.resize(n, 1 + moving.cols());
  model.model.col(0) = left.normalized();
  model.model.rightCols(moving.cols()) = moving;

  model.data = data;
  const Eigen::RowVectorXd lengths = data.colwise().norm();
  const Eigen::MatrixXd shares = all.transpose() * data;  // (C, V)
  model.data.noalias() -= all * shares;
  const Eigen::RowVectorXd rests = model.data.colwise().norm();
  for (Eigen::Index v = 0; v < data.cols(); ++v) {
    const bool varies = rests[v] > kNothing * lengths[v];
    if (!varies) ++model.constant_voxels;
    model.data.col(v) *= varies ? 1 / rests[v] : 0;
  }
  return model;
}

}  // namespace noema
