#include "noema/learn/logistic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/learn/inner_folds.h"
#include "noema/learn/principal_components.h"

namespace noema {
namespace {

/// A solution in the coordinates of scores: decisions = scores · weights + intercepts.
struct Coefficients {
  MatrixD weights;                // (R, K)
  Eigen::RowVectorXd intercepts;  // (K)

  MatrixD decisions(const MatrixD& scores) const {
    MatrixD result = scores * weights;
    result.rowwise() += intercepts;
    return result;
  }
};

/// Mean loss plus |w|² / (2 C N), as a function of coordinates in which its curvature is about 1 in all directions:
/// then L-BFGS needs few steps. The last row of the coordinates holds the intercepts.
class Objective {
 public:
  Objective(const MatrixD& scores, std::span<const int> labels, int classes, double strength)
      : scores_(scores), labels_(labels), classes_(classes) {
    const double rows = static_cast<double>(scores.rows());
    penalty_ = 1 / (strength * rows);
    const Eigen::ArrayXd squares = scores.colwise().squaredNorm().transpose();
    units_ = (squares / (rows * classes) + penalty_).rsqrt();
    intercept_unit_ = std::sqrt(static_cast<double>(classes));
  }

  double value(const MatrixD& point, MatrixD& gradient) const {
    const Coefficients at = coefficients(point);
    MatrixD residuals = at.decisions(scores_);  // (N, K), becomes the probabilities minus the truth
    const double rows = static_cast<double>(scores_.rows());
    double loss = 0;
    for (std::int64_t n = 0; n < scores_.rows(); ++n) {
      const int label = labels_[static_cast<std::size_t>(n)];
      const double most = residuals.row(n).maxCoeff();
      residuals.row(n).array() -= most;
      const double truth = residuals(n, label);
      residuals.row(n) = residuals.row(n).array().exp();
      const double sum = residuals.row(n).sum();
      loss += std::log(sum) - truth;
      residuals.row(n) /= sum;
      residuals(n, label) -= 1;
    }
    const auto rank = scores_.cols();
    gradient.resize(rank + 1, classes_);
    gradient.topRows(rank) =
        units_.matrix().asDiagonal() * (scores_.transpose() * residuals / rows + penalty_ * at.weights);
    gradient.row(rank) = intercept_unit_ / rows * residuals.colwise().sum();
    return loss / rows + penalty_ / 2 * at.weights.squaredNorm();
  }

  Coefficients coefficients(const MatrixD& point) const {
    const auto rank = scores_.cols();
    return {units_.matrix().asDiagonal() * point.topRows(rank), intercept_unit_ * point.row(rank)};
  }
  MatrixD point(const Coefficients& coefficients) const {
    MatrixD point(scores_.cols() + 1, classes_);
    point.topRows(scores_.cols()) = units_.inverse().matrix().asDiagonal() * coefficients.weights;
    point.row(scores_.cols()) = coefficients.intercepts / intercept_unit_;
    return point;
  }

 private:
  const MatrixD& scores_;
  std::span<const int> labels_;
  int classes_;
  double penalty_ = 0;
  Eigen::ArrayXd units_;
  double intercept_unit_ = 1;
};

double dot(const MatrixD& a, const MatrixD& b) { return (a.array() * b.array()).sum(); }

/// The last steps and changes of the gradient, which stand for the inverse of the curvature (Nocedal 1980).
class Memory {
 public:
  void add(MatrixD step, MatrixD change) {
    const double curvature = dot(step, change);
    if (curvature <= 0) return;
    pairs_.push_back({std::move(step), std::move(change), curvature});
    if (pairs_.size() > kPairs) pairs_.pop_front();
  }

  MatrixD direction(const MatrixD& gradient) const {
    MatrixD direction = -gradient;
    std::vector<double> factors(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      factors[i] = dot(pairs_[i].step, direction) / pairs_[i].curvature;
      direction -= factors[i] * pairs_[i].change;
    }
    if (!pairs_.empty()) direction *= pairs_.back().curvature / pairs_.back().change.squaredNorm();
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      direction += (factors[i] - dot(pairs_[i].change, direction) / pairs_[i].curvature) * pairs_[i].step;
    }
    return direction;
  }

 private:
  static constexpr std::size_t kPairs = 10;
  struct Pair {
    MatrixD step, change;
    double curvature;
  };
  std::deque<Pair> pairs_;
};

struct Minimum {
  MatrixD point;
  double value = 0;
  int iterations = 0;
};

Minimum minimise(const Objective& objective, MatrixD point, double tolerance, int max_iterations) {
  constexpr double kArmijo = 1e-4;
  constexpr int kHalvings = 40;
  MatrixD gradient, next_gradient;
  double value = objective.value(point, gradient);
  Memory memory;
  for (int iteration = 0; iteration < max_iterations; ++iteration) {
    check_cancelled();
    if (gradient.cwiseAbs().maxCoeff() <= tolerance) return {std::move(point), value, iteration};
    const MatrixD direction = memory.direction(gradient);
    const double slope = dot(direction, gradient);
    double length = 1;
    MatrixD next = point + direction;
    double next_value = objective.value(next, next_gradient);
    for (int halving = 0; !(next_value <= value + kArmijo * length * slope); ++halving) {
      if (halving == kHalvings) {
        throw NumericalError(
            fmt::format("logistic regression cannot be improved after {} steps, with a gradient of "
                        "{:.2g} where {:.2g} was wanted: scale the features",
                        iteration, gradient.cwiseAbs().maxCoeff(), tolerance));
      }
      length /= 2;
      next = point + length * direction;
      next_value = objective.value(next, next_gradient);
    }
    memory.add(next - point, next_gradient - gradient);
    point = std::move(next);
    std::swap(gradient, next_gradient);
    value = next_value;
  }
  throw NumericalError(
      fmt::format("logistic regression did not converge in {} steps (gradient {:.2g}, wanted {:.2g}): "
                  "scale the features or use a smaller strength",
                  max_iterations, gradient.cwiseAbs().maxCoeff(), tolerance));
}

struct Solution {
  Coefficients coefficients;
  double value = 0;
  int iterations = 0;
};

Solution solve(const MatrixD& scores, std::span<const int> labels, int classes, double strength, double tolerance,
               const LogisticOptions& options, const Coefficients* start) {
  const Objective objective(scores, labels, classes, strength);
  MatrixD point = start ? objective.point(*start) : MatrixD(MatrixD::Zero(scores.cols() + 1, classes));
  Minimum minimum = minimise(objective, std::move(point), tolerance, options.max_iterations);
  return {objective.coefficients(minimum.point), minimum.value * strength * static_cast<double>(scores.rows()),
          minimum.iterations};
}

double log_loss_of(const MatrixD& decisions, std::span<const int> labels) {
  const MatrixD probabilities = softmax(decisions);
  double loss = 0;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    loss -= std::log(std::max(1e-15, probabilities(static_cast<std::int64_t>(n), labels[n])));
  }
  return loss;
}

StrengthChoice strength_of(const MatrixD& scores, std::span<const int> labels, int classes, std::span<const int> groups,
                           const LogisticOptions& options) {
  StrengthTrial trial{options.strengths, options.fallback, options.inner_folds, {}, {}};
  trial.decide = [&](const std::vector<int>& train, const std::vector<int>& train_labels,
                     const std::vector<int>& test) {
    const MatrixD train_scores = scores(train, Eigen::all), test_scores = scores(test, Eigen::all);
    // Which side of a decision a row falls on is settled long before the last digits are.
    const double tolerance = std::max(options.tolerance, 1e-4);
    Coefficients start;
    std::vector<MatrixD> decisions;
    for (const double strength : options.strengths) {
      start =
          solve(train_scores, train_labels, classes, strength, tolerance, options, decisions.empty() ? nullptr : &start)
              .coefficients;
      decisions.push_back(start.decisions(test_scores));
    }
    return decisions;
  };
  trial.loss = [&](const MatrixD& decisions) { return log_loss_of(decisions, labels); };
  return choose_strength(trial, labels, classes, groups);
}

}  // namespace

void LogisticOptions::validate() const {
  const auto good = [](double value) { return value > 0 && std::isfinite(value); };
  if (!strengths.empty() && std::all_of(strengths.begin(), strengths.end(), good) && good(fallback) &&
      inner_folds >= 2 && good(tolerance) && max_iterations > 0) {
    return;
  }
  throw UsageError(
      "logistic regression needs at least one strength, all of them positive, two inner folds, a positive "
      "tolerance and a positive number of iterations");
}

LogisticFit fit_logistic(const MatrixF& rows, std::span<const int> labels, int classes, std::span<const int> groups,
                         const LogisticOptions& options) {
  options.validate();
  check_classes(rows.rows(), labels, classes);
  if (!groups.empty() && groups.size() != labels.size()) {
    throw ShapeError(fmt::format("found groups of {} rows, expected {}", groups.size(), labels.size()));
  }
  const PrincipalComponents components(rows);
  LogisticFit fit;
  fit.strength = strength_of(components.scores(), labels, classes, groups, options);
  const Solution solution =
      solve(components.scores(), labels, classes, fit.strength.value, options.tolerance, options, nullptr);
  fit.objective = solution.value;
  fit.iterations = solution.iterations;
  fit.map.weights = components.to_features(solution.coefficients.weights).transpose();
  fit.map.intercepts = solution.coefficients.intercepts.transpose() - fit.map.weights * components.mean();
  fit.map.intercepts.array() -= fit.map.intercepts.mean();
  return fit;
}

MatrixD softmax(const MatrixD& decisions) {
  MatrixD probabilities(decisions.rows(), decisions.cols());
  for (std::int64_t n = 0; n < decisions.rows(); ++n) {
    const Eigen::RowVectorXd raised = (decisions.row(n).array() - decisions.row(n).maxCoeff()).exp();
    probabilities.row(n) = raised / raised.sum();
  }
  return probabilities;
}

}  // namespace noema
