#include "noema/learn/svc_solver.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <vector>

#include "noema/core/cancel.h"
#include "noema/core/error.h"

namespace noema {
namespace {

constexpr int kMaxNewtonSteps = 200;
constexpr int kMaxSweeps = 200'000;
constexpr double kGap = 1e-8;

using Rows = std::vector<Eigen::Index>;

/// Coefficients of rows: decisions are G·coefficients.
struct RowSpace {
  Eigen::MatrixXd gram;  // with the intercept's feature

  Eigen::VectorXd decisions(const Eigen::VectorXd& coefficients) const { return gram * coefficients; }
  /// w·v from the coefficients of w and the decisions by v.
  double product(const Eigen::VectorXd& w, const Eigen::VectorXd&, const Eigen::VectorXd& decisions_of_v) const {
    return w.dot(decisions_of_v);
  }
  /// The minimum if exactly these rows lay within the margin: (G + I/2C) coefficients = labels.
  Eigen::VectorXd minimum(const Rows& inside, const Eigen::VectorXd& labels, double c) const {
    Eigen::MatrixXd system = gram(inside, inside);
    system.diagonal().array() += 1 / (2 * c);
    Eigen::VectorXd coefficients = Eigen::VectorXd::Zero(gram.rows());
    const Eigen::VectorXd solution = system.llt().solve(Eigen::VectorXd(labels(inside)));
    coefficients(inside) = solution;
    return coefficients;
  }
  Eigen::Index size() const { return gram.rows(); }
};

/// Weights of features: decisions are X·coefficients.
struct FeatureSpaceOfRows {
  const Eigen::MatrixXd& rows;

  Eigen::VectorXd decisions(const Eigen::VectorXd& coefficients) const { return rows * coefficients; }
  double product(const Eigen::VectorXd& w, const Eigen::VectorXd& v, const Eigen::VectorXd&) const { return w.dot(v); }
  /// (XᵀX + I/2C) coefficients = Xᵀ labels over these rows.
  Eigen::VectorXd minimum(const Rows& inside, const Eigen::VectorXd& labels, double c) const {
    const Eigen::MatrixXd chosen = rows(inside, Eigen::all).transpose();
    Eigen::MatrixXd system = Eigen::MatrixXd::Identity(rows.cols(), rows.cols()) / (2 * c);
    system.selfadjointView<Eigen::Lower>().rankUpdate(chosen);
    return system.llt().solve(chosen * labels(inside));
  }
  Eigen::Index size() const { return rows.cols(); }
};

Rows rows_inside(const Eigen::VectorXd& decisions, const Eigen::VectorXd& labels) {
  Rows inside;
  for (Eigen::Index n = 0; n < labels.size(); ++n) {
    if (labels[n] * decisions[n] < 1) inside.push_back(n);
  }
  return inside;
}

/// A point of the objective, and along a step from it.
struct Point {
  Eigen::VectorXd coefficients, decisions;
  double squares = 0;  // |w|² + b²
};

double squared_losses(const Eigen::VectorXd& decisions, const Eigen::VectorXd& labels) {
  return (1 - labels.array() * decisions.array()).max(0).square().sum();
}

/// Where between 0 and 1 the objective is least along the step: its slope rises, so halving finds it.
double least_along(const Point& at, const Eigen::VectorXd& change, double along, double squares,
                   const Eigen::VectorXd& labels, double c) {
  const auto slope = [&](double t) {
    const Eigen::ArrayXd rest = (1 - labels.array() * (at.decisions + t * change).array()).max(0);
    return along + t * squares - 2 * c * (rest * labels.array() * change.array()).sum();
  };
  if (slope(1) <= 0) return 1;
  double low = 0, high = 1;
  for (int halving = 0; halving < 60; ++halving) {
    const double middle = (low + high) / 2;
    (slope(middle) > 0 ? high : low) = middle;
  }
  return (low + high) / 2;
}

template <class Space>
SvcSolution solve_by_newton(const Space& space, const Eigen::VectorXd& labels, double c, const Eigen::VectorXd& start,
                            double tolerance) {
  Point at;
  at.coefficients = start.size() > 0 ? start : Eigen::VectorXd(Eigen::VectorXd::Zero(space.size()));
  at.decisions = space.decisions(at.coefficients);
  at.squares = space.product(at.coefficients, at.coefficients, at.decisions);
  double value = at.squares / 2 + c * squared_losses(at.decisions, labels);
  for (int iteration = 0; iteration < kMaxNewtonSteps; ++iteration) {
    check_cancelled();
    const Rows inside = rows_inside(at.decisions, labels);
    const Eigen::VectorXd target = space.minimum(inside, labels, c);
    const Eigen::VectorXd reached = space.decisions(target);
    const Eigen::VectorXd step = target - at.coefficients, change = reached - at.decisions;
    const double length = rows_inside(reached, labels) == inside
                              ? 1
                              : least_along(at, change, space.product(at.coefficients, step, change),
                                            space.product(step, step, change), labels, c);
    const bool is_minimum = length == 1 && rows_inside(reached, labels) == inside;
    at.coefficients += length * step;
    at.decisions += length * change;
    at.squares = space.product(at.coefficients, at.coefficients, at.decisions);
    const double next = at.squares / 2 + c * squared_losses(at.decisions, labels);
    // Rows on the margin itself may go in and out by rounding for ever.
    if (is_minimum || value - next <= tolerance * value) return {std::move(at.coefficients), next, iteration + 1};
    value = next;
  }
  throw NumericalError(fmt::format(
      "a support vector machine did not converge in {} steps (C = {:g}): scale the features", kMaxNewtonSteps, c));
}

SvcSolution solve_hinge(const Eigen::MatrixXd& gram, const Eigen::VectorXd& labels, double c,
                        const Eigen::VectorXd& start) {
  const Eigen::Index rows = gram.rows();
  Eigen::VectorXd signed_dual = start.size() > 0 ? start : Eigen::VectorXd(Eigen::VectorXd::Zero(rows));
  Eigen::VectorXd decisions = gram * signed_dual;
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    if (sweep % 10 == 0) check_cancelled();
    for (Eigen::Index n = 0; n < rows; ++n) {
      const double dual = signed_dual[n] * labels[n];
      const double better = std::clamp(dual + (1 - labels[n] * decisions[n]) / gram(n, n), 0.0, c);
      if (better == dual) continue;
      signed_dual[n] = better * labels[n];
      decisions += (better - dual) * labels[n] * gram.col(n);
    }
    const double half_squares = signed_dual.dot(decisions) / 2;
    const double primal = half_squares + c * (1 - labels.array() * decisions.array()).max(0).sum();
    const double dual_value = signed_dual.dot(labels) - half_squares;
    if (primal - dual_value <= kGap * primal) return {std::move(signed_dual), primal, sweep + 1};
  }
  throw NumericalError(
      fmt::format("a support vector machine did not converge in {} sweeps (C = {:g}): scale the "
                  "features, or take the squared hinge",
                  kMaxSweeps, c));
}

}  // namespace

SvcSolution solve_svc_by_rows(const Eigen::MatrixXd& gram, const Eigen::VectorXd& labels, double c, SvcLoss loss,
                              const Eigen::VectorXd& start, double tolerance) {
  RowSpace space{gram.array() + 1};
  if (loss == SvcLoss::hinge) return solve_hinge(space.gram, labels, c, start);
  return solve_by_newton(space, labels, c, start, tolerance);
}

SvcSolution solve_svc_by_features(const Eigen::MatrixXd& rows, const Eigen::VectorXd& labels, double c,
                                  double tolerance) {
  return solve_by_newton(FeatureSpaceOfRows{rows}, labels, c, {}, tolerance);
}

}  // namespace noema
