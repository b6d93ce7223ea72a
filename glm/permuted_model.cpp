#include "noema/glm/permuted_model.h"

#include <fmt/format.h>

#include <Eigen/SVD>
#include <cmath>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/log.h"

namespace noema {
namespace {

constexpr double kNothing = 1e-10;  // of a column's length: rounding
constexpr double kRankTolerance = 1e-12;

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

/// Columns that vary, as deviations from their mean where a constant is in the model; unit length.
Eigen::MatrixXd usable_confounds(const MatrixD& confounds, Eigen::Index rows, bool has_constant, bool tests_constant) {
  std::vector<Eigen::VectorXd> columns;
  int dropped = 0;
  for (Eigen::Index c = 0; c < confounds.cols(); ++c) {
    Eigen::VectorXd column = confounds.col(c);
    if (has_constant || tests_constant) {
      if (is_constant(column)) {
        ++dropped;
        continue;
      }
    }
    if (has_constant) column.array() -= column.mean();
    if (column.norm() > 0) columns.push_back(column.normalized());
  }
  if (dropped > 0 && tests_constant) {
    log_warning(fmt::format("{} constant confound(s) left out: the constant is what is tested", dropped));
  }
  Eigen::MatrixXd usable(rows, static_cast<Eigen::Index>(columns.size()));
  for (std::size_t c = 0; c < columns.size(); ++c) usable.col(static_cast<Eigen::Index>(c)) = columns[c];
  return usable;
}

Eigen::MatrixXd orthonormal_basis(const Eigen::MatrixXd& columns) {
  if (columns.cols() == 0) return columns;
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(columns, Eigen::ComputeThinU);
  const auto rank = (svd.singularValues().array() > kRankTolerance * svd.singularValues()[0]).count();
  return svd.matrixU().leftCols(rank);
}

}  // namespace

PermutedModel make_permuted_model(const MatrixD& data, const Eigen::VectorXd& tested, const MatrixD& confounds,
                                  bool model_intercept) {
  check(data, tested, confounds);
  const Eigen::Index n = data.rows();
  const bool tests_constant = is_constant(tested);
  const bool has_constant = model_intercept && !tests_constant;
  const Eigen::MatrixXd moving = orthonormal_basis(usable_confounds(confounds, n, has_constant, tests_constant));
  Eigen::MatrixXd all(n, moving.cols() + (has_constant ? 1 : 0));
  all.leftCols(moving.cols()) = moving;
  if (has_constant) all.col(moving.cols()).setConstant(1 / std::sqrt(static_cast<double>(n)));

  PermutedModel model;
  model.kind = tests_constant ? Arrangements::Kind::signs : Arrangements::Kind::orders;
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
