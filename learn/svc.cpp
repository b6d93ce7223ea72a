#include "noema/learn/svc.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/learn/inner_folds.h"

namespace noema {
namespace {

constexpr Eigen::Index kColumns = 4096;  // of features in double precision at a time

/// (N, N): rows · rowsᵀ.
Eigen::MatrixXd products_of(const MatrixF& rows) {
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(rows.rows(), rows.rows());
  for (Eigen::Index begin = 0; begin < rows.cols(); begin += kColumns) {
    const Eigen::Index width = std::min(kColumns, rows.cols() - begin);
    const Eigen::MatrixXd block = rows.middleCols(begin, width).cast<double>();
    gram.selfadjointView<Eigen::Lower>().rankUpdate(block);
  }
  return gram.selfadjointView<Eigen::Lower>();
}

/// (K, F): coefficientsᵀ · rows.
MatrixD weights_of(const MatrixD& coefficients, const MatrixF& rows) {
  MatrixD weights(coefficients.cols(), rows.cols());
  for (Eigen::Index begin = 0; begin < rows.cols(); begin += kColumns) {
    const Eigen::Index width = std::min(kColumns, rows.cols() - begin);
    const MatrixD block = rows.middleCols(begin, width).cast<double>();
    weights.middleCols(begin, width) = coefficients.transpose() * block;
  }
  return weights;
}

/// Rows as their features and 1 where those are fewer than the rows, else as the products of rows.
struct Samples {
  bool by_features = false;
  Eigen::MatrixXd values;  // (N, F + 1) or (N, N)

  Samples(const MatrixF& rows, SvcLoss loss)
      : by_features(loss == SvcLoss::squared_hinge && rows.cols() < rows.rows()) {
    if (!by_features) {
      values = products_of(rows);
      return;
    }
    values.resize(rows.rows(), rows.cols() + 1);
    values.leftCols(rows.cols()) = rows.cast<double>();
    values.rightCols(1).setOnes();
  }
  Samples(const Samples& all, const std::vector<int>& chosen)
      : by_features(all.by_features),
        values(by_features ? all.values(chosen, Eigen::all) : Eigen::MatrixXd(all.values(chosen, chosen))) {}

  SvcSolution solve(const Eigen::VectorXd& signs, double c, SvcLoss loss, const Eigen::VectorXd& start) const {
    return by_features ? solve_svc_by_features(values, signs, c) : solve_svc_by_rows(values, signs, c, loss, start);
  }
  /// Of `test` by coefficients from `train`.
  MatrixD decisions(const std::vector<int>& test, const std::vector<int>& train, const MatrixD& coefficients) const {
    if (by_features) return values(test, Eigen::all) * coefficients;
    return (values(test, train).array() + 1).matrix() * coefficients;
  }
  LinearMap map(const MatrixD& coefficients, const MatrixF& rows) const {
    if (!by_features) return {weights_of(coefficients, rows), coefficients.colwise().sum().transpose()};
    return {coefficients.topRows(rows.cols()).transpose(), coefficients.bottomRows(1).transpose()};
  }
};

/// Solutions of each problem: one for two classes, else one a class.
struct Problems {
  std::vector<SvcSolution> solutions;

  void solve(const Samples& samples, std::span<const int> labels, int classes, double c, SvcLoss loss) {
    const std::size_t count = classes == 2 ? 1 : static_cast<std::size_t>(classes);
    const bool has_start = solutions.size() == count;
    solutions.resize(count);
    Eigen::VectorXd signs(static_cast<Eigen::Index>(labels.size()));
    for (std::size_t k = 0; k < count; ++k) {
      const int positive = classes == 2 ? 1 : static_cast<int>(k);
      for (Eigen::Index n = 0; n < signs.size(); ++n) {
        signs[n] = labels[static_cast<std::size_t>(n)] == positive ? 1 : -1;
      }
      // Of another C the dual of the hinge may lie outside its bounds: it is cut.
      Eigen::VectorXd start = has_start ? solutions[k].coefficients : Eigen::VectorXd();
      if (loss == SvcLoss::hinge) start = start.cwiseMax(-c).cwiseMin(c);
      solutions[k] = samples.solve(signs, c, loss, start);
    }
  }

  /// A column for each class; two classes: the negatives first.
  MatrixD coefficients() const {
    const auto size = solutions[0].coefficients.size();
    if (solutions.size() == 1) {
      MatrixD both(size, 2);
      both << -solutions[0].coefficients, solutions[0].coefficients;
      return both;
    }
    MatrixD all(size, static_cast<Eigen::Index>(solutions.size()));
    for (std::size_t k = 0; k < solutions.size(); ++k)
      all.col(static_cast<Eigen::Index>(k)) = solutions[k].coefficients;
    return all;
  }
};

double squared_hinge_of(const MatrixD& decisions, std::span<const int> labels) {
  double sum = 0;
  for (Eigen::Index n = 0; n < decisions.rows(); ++n) {
    for (Eigen::Index k = 0; k < decisions.cols(); ++k) {
      const double sign = labels[static_cast<std::size_t>(n)] == k ? 1 : -1;
      sum += std::pow(std::max(0.0, 1 - sign * decisions(n, k)), 2);
    }
  }
  return sum;
}

StrengthChoice strength_of(const Samples& samples, std::span<const int> labels, int classes,
                           std::span<const int> groups, const SvcOptions& options) {
  StrengthTrial trial{options.strengths, options.fallback, options.inner_folds, {}, {}};
  trial.decide = [&](const std::vector<int>& train, const std::vector<int>& train_labels,
                     const std::vector<int>& test) {
    const Samples of_train(samples, train);
    Problems problems;
    std::vector<MatrixD> decisions;
    for (const double strength : options.strengths) {
      problems.solve(of_train, train_labels, classes, strength, options.loss);
      decisions.push_back(samples.decisions(test, train, problems.coefficients()));
    }
    return decisions;
  };
  trial.loss = [&](const MatrixD& decisions) { return squared_hinge_of(decisions, labels); };
  return choose_strength(trial, labels, classes, groups);
}

}  // namespace

void SvcOptions::validate() const {
  const auto good = [](double value) { return value > 0 && std::isfinite(value); };
  if (!strengths.empty() && std::all_of(strengths.begin(), strengths.end(), good) && good(fallback) &&
      inner_folds >= 2) {
    return;
  }
  throw UsageError("a support vector machine needs at least one strength, all of them positive, and two inner folds");
}

SvcFit fit_svc(const MatrixF& rows, std::span<const int> labels, int classes, std::span<const int> groups,
               const SvcOptions& options) {
  options.validate();
  check_classes(rows.rows(), labels, classes);
  if (!groups.empty() && groups.size() != labels.size()) {
    throw ShapeError(fmt::format("found groups of {} rows, expected {}", groups.size(), labels.size()));
  }
  const Samples samples(rows, options.loss);
  SvcFit fit;
  fit.strength = strength_of(samples, labels, classes, groups, options);
  Problems problems;
  problems.solve(samples, labels, classes, fit.strength.value, options.loss);
  for (const SvcSolution& solution : problems.solutions) fit.objectives.push_back(solution.objective);
  fit.map = samples.map(problems.coefficients(), rows);
  return fit;
}

}  // namespace noema
