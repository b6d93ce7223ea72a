#include "noema/glm/permuted_model.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/glm/contrast.h"
#include "noema/glm/dense_products.h"
#include "noema/glm/least_squares.h"

namespace noema {
namespace {

constexpr double kNothing = 1e-10;  // of a column's length: rounding
constexpr double kRankTolerance = 1e-12;
constexpr double kEstimableTolerance = 1e-8;
constexpr double kSmallestPivot = 1e-10;  // of the squared length of an effect, which the effects before leave
constexpr double kSmallestRest = 1e-15;   // of the squared length of a voxel's data, where the model explains all

bool is_constant(const Eigen::VectorXd& values) { return (values.array() == values[0]).all(); }

void check(const MatrixD& data, const Eigen::MatrixXd& tested, const MatrixD& confounds) {
  if (tested.rows() != data.rows() || (confounds.cols() > 0 && confounds.rows() != data.rows())) {
    throw ShapeError(fmt::format("found {} rows of data, a tested variate of {} and confounds of {}, expected the same",
                                 data.rows(), tested.rows(), confounds.rows()));
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

/// An orthonormal basis of the part of the columns that lies outside of an orthonormal basis.
Eigen::MatrixXd what_is_left(const Eigen::MatrixXd& columns, const Eigen::MatrixXd& basis) {
  Eigen::MatrixXd left = columns;
  for (Eigen::Index c = 0; c < left.cols(); ++c) left.col(c).stableNormalize();
  left -= basis * (basis.transpose() * left);
  if ((left.colwise().norm().array() <= kNothing).any()) {
    throw DataError("the tested variate is 0 or explained by the confounds: there is nothing to test");
  }
  if (left.cols() == 1) return left.normalized();  // its sign is that of t
  return orthonormal_basis(left);
}

/// What lies outside of an orthonormal basis, of unit length; 0 where nothing but rounding does.
MatrixD without(const MatrixD& data, const Eigen::MatrixXd& basis) {
  MatrixD left = data;
  const Eigen::RowVectorXd lengths = data.colwise().norm();
  const Eigen::MatrixXd shares = basis.transpose() * data;  // (C, V)
  left.noalias() -= basis * shares;
  const Eigen::RowVectorXd rests = left.colwise().norm();
  left.array().rowwise() *= (rests.array() > kNothing * lengths.array()).select(rests.array().inverse(), 0.0);
  return left;
}

/// Effects of unit length, in every voxel, by Gram and Schmidt; where they span fewer directions all become 0.
void orthonormalize(std::vector<MatrixD>& effects) {
  for (Eigen::Index v = 0; v < effects.front().cols(); ++v) {
    bool spans = effects.front().col(v).squaredNorm() > 0;
    for (std::size_t k = 1; k < effects.size(); ++k) {
      Eigen::VectorXd own = effects[k].col(v);
      for (int twice = 0; twice < 2; ++twice) {
        for (std::size_t j = 0; j < k; ++j) own -= effects[j].col(v) * effects[j].col(v).dot(own);
      }
      const double squares = own.squaredNorm();
      spans = spans && squares > kSmallestPivot;
      effects[k].col(v) = own / std::sqrt(squares > 0 ? squares : 1);
    }
    if (spans) continue;
    for (MatrixD& effect : effects) effect.col(v).setZero();
  }
}

/// With b and a, what the tested directions and the confounds share with the data, t = b √(df / (1 − Σa² − b²)) and
/// F = (Σb² / q) · df / (1 − Σa² − Σb²).
MatrixD statistic_of(const PermutedModel& model, const MatrixD& shares) {
  const Eigen::Index count = shares.rows() / model.model.cols();
  MatrixD explained = shares.topRows(count).array().square();
  for (Eigen::Index m = 1; m < model.tested; ++m) {
    explained.array() += shares.middleRows(m * count, count).array().square();
  }
  MatrixD rest = 1 - explained.array();
  for (Eigen::Index m = model.tested; m < model.model.cols(); ++m) {
    rest.array() -= shares.middleRows(m * count, count).array().square();
  }
  const auto scale = model.df / rest.array().max(kSmallestRest);
  if (model.df_numerator > 0) return explained.array() * scale / model.df_numerator;
  return shares.topRows(count).array() * scale.sqrt();
}

/// Hotelling's test of effects E of which EᵀE is the identity: with b what the tested direction and A what the
/// confounds share with them, w = bᵀ(1 − AᵀA)⁻¹b and F = w / (1 − w) · df / q.
MatrixD joint_statistic_of(const PermutedModel& model, const std::vector<MatrixD>& shares) {
  const Eigen::Index count = shares.front().rows() / model.model.cols(), confounds = model.model.cols() - 1;
  const std::int64_t effects = std::ssize(shares);
  MatrixD statistic(count, shares.front().cols());
  Eigen::MatrixXd of_confounds(confounds, effects), rest(effects, effects);
  Eigen::VectorXd of_tested(effects);
  Eigen::LLT<Eigen::MatrixXd> factor(effects);
  for (Eigen::Index k = 0; k < count; ++k) {
    for (Eigen::Index v = 0; v < statistic.cols(); ++v) {
      for (std::int64_t e = 0; e < effects; ++e) {
        const MatrixD& own = shares[static_cast<std::size_t>(e)];
        of_tested[e] = own(k, v);
        for (Eigen::Index m = 0; m < confounds; ++m) of_confounds(m, e) = own((m + 1) * count + k, v);
      }
      rest.setIdentity();
      rest.noalias() -= of_confounds.transpose() * of_confounds;
      factor.compute(rest);
      const bool leaves_some = factor.info() == Eigen::Success;  // else the confounds have it all
      if (leaves_some) factor.matrixL().solveInPlace(of_tested);
      const double explained = leaves_some ? of_tested.squaredNorm() : 0;
      statistic(k, v) = explained / std::max(1 - explained, kSmallestRest) * model.df / model.df_numerator;
    }
  }
  return statistic;
}

}  // namespace

TestedVariate variate_of_columns(const Eigen::VectorXd& tested, const MatrixD& confounds, bool model_intercept) {
  const bool tests_constant = tested.size() > 0 && is_constant(tested);
  return {tested, tests_constant ? without_constants(confounds) : confounds,
          tests_constant ? Arrangements::Kind::signs : Arrangements::Kind::orders, model_intercept && !tests_constant};
}

TestedVariate variate_of_contrast(const DesignMatrix& design, const Eigen::MatrixXd& rows) {
  const Eigen::MatrixXd columns = design.values;
  if (rows.cols() != columns.cols()) {
    throw ShapeError(fmt::format("a contrast of {} weights was given for a design of {} columns: {}", rows.cols(),
                                 columns.cols(), fmt::join(design.names, ", ")));
  }
  if (!columns.allFinite() || !rows.allFinite() || rows.isZero(0)) {
    throw UsageError("a permutation test needs a finite design and finite weights of which one at least is not 0");
  }
  const DesignBasis basis = make_basis(columns);
  const Eigen::MatrixXd weights = independent_rows(rows).transpose();  // (P, q)
  const Eigen::MatrixXd missed = weights - basis.estimable * weights;
  if ((missed.colwise().norm().array() > kEstimableTolerance * weights.colwise().norm().array()).any()) {
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
  variate.confounds = columns * directions.rightCols(columns.cols() - weights.cols());
  variate.has_constant = spans_constant(variate.confounds);
  const bool tests_mean = !variate.has_constant && spans_constant(columns);
  variate.kind = tests_mean ? Arrangements::Kind::signs : Arrangements::Kind::orders;
  return variate;
}

PermutedModel make_permuted_model(std::span<const MatrixD> data, const TestedVariate& variate,
                                  PermutedStatistic statistic) {
  const auto& [tested, confounds, kind, has_constant] = variate;
  for (const MatrixD& effect : data) check(effect, tested, confounds);
  const Eigen::Index n = tested.rows();
  Eigen::MatrixXd moving(n, 0);
  if (confounds.cols() > 0) moving = orthonormal_basis(usable_confounds(confounds, has_constant));
  Eigen::MatrixXd all(n, moving.cols() + (has_constant ? 1 : 0));
  all.leftCols(moving.cols()) = moving;
  if (has_constant) all.col(moving.cols()).setConstant(1 / std::sqrt(static_cast<double>(n)));

  const Eigen::MatrixXd directions = what_is_left(tested, all);
  PermutedModel model;
  model.kind = kind;
  model.tested = directions.cols();
  model.model.resize(n, directions.cols() + moving.cols());
  model.model.leftCols(model.tested) = directions;
  model.model.rightCols(moving.cols()) = moving;
  const std::int64_t effects = std::ssize(data);
  model.df = static_cast<double>(n - model.tested - all.cols() - effects + 1);
  if (model.df < 1) {
    throw DataError(
        fmt::format("{} rows leave no degree of freedom beside a test of {} columns, {} confounds and {} effects "
                    "together; use fewer confounds",
                    n, model.tested, all.cols(), effects));
  }
  if (statistic == PermutedStatistic::f) model.df_numerator = static_cast<double>(model.tested * effects);
  for (const MatrixD& effect : data) model.data.push_back(without(effect, all));
  if (effects > 1) orthonormalize(model.data);
  model.constant_voxels = (model.data.front().colwise().squaredNorm().array() == 0).count();
  return model;
}

MatrixD stacked_models(const std::vector<Eigen::MatrixXd>& models) {
  const auto count = static_cast<Eigen::Index>(models.size());
  MatrixD stacked(count * models.front().cols(), models.front().rows());
  for (Eigen::Index k = 0; k < count; ++k) {
    for (Eigen::Index m = 0; m < models.front().cols(); ++m) {
      stacked.row(m * count + k) = models[static_cast<std::size_t>(k)].col(m).transpose();
    }
  }
  return stacked;
}

MatrixD permuted_statistic(const PermutedModel& model, const MatrixD& stacked, Eigen::Index begin, Eigen::Index width) {
  std::vector<MatrixD> shares;  // of each effect (K·M, width)
  for (const MatrixD& effect : model.data) {
    shares.push_back(dense_product(stacked, effect.middleCols(begin, width)));
  }
  return shares.size() == 1 ? statistic_of(model, shares.front()) : joint_statistic_of(model, shares);
}

}  // namespace noema
