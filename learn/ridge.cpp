#include "noema/learn/ridge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/hash.h"

namespace noema {
namespace {

MatrixD targets_of(std::span<const int> labels, int classes) {
  MatrixD targets = MatrixD::Constant(static_cast<std::int64_t>(labels.size()), classes, -1);
  for (std::size_t n = 0; n < labels.size(); ++n) targets(static_cast<std::int64_t>(n), labels[n]) = 1;
  return targets;
}

MatrixD decisions_of(const MatrixF& rows, const MatrixD& weights) {
  if (weights.size() == 0) return {};
  if (weights.cols() == rows.cols()) return rows.cast<double>() * weights.transpose();
  throw ShapeError(
      fmt::format("found weights of {} features to hold ridge towards, expected {}", weights.cols(), rows.cols()));
}

}  // namespace

void RidgeOptions::validate() const {
  const auto good = [](double alpha) { return alpha > 0 && std::isfinite(alpha); };
  if (!alphas.empty() && std::all_of(alphas.begin(), alphas.end(), good) && good(fallback_alpha)) return;
  throw UsageError("ridge needs at least one alpha, and all of them positive");
}

RidgeSystem::RidgeSystem(const MatrixF& rows, std::span<const int> groups, const RidgeOptions& options)
    : options_(options), components_((options.validate(), rows)), held_(decisions_of(rows, options.towards)) {
  if (!groups.empty() && static_cast<std::int64_t>(groups.size()) != rows.rows()) {
    throw ShapeError(fmt::format("found groups of {} rows, expected {}", groups.size(), rows.rows()));
  }
  if (options_.alphas.size() == 1) return;
  std::map<int, std::vector<int>> rows_of_group;
  for (std::size_t n = 0; n < groups.size(); ++n) rows_of_group[groups[n]].push_back(static_cast<int>(n));
  for (auto& [group, members] : rows_of_group) {
    check_cancelled();
    deletions_.push_back(deletion_of(std::move(members)));
  }
}

Eigen::VectorXd RidgeSystem::shrinkage(double alpha) const {
  return (components_.eigenvalues().array() + alpha).inverse();
}

/// Rows Q of which H_GG = Q Qᵀ: H = 1/N + P (Λ + α)⁻¹ Pᵀ.
MatrixD RidgeSystem::with_intercept(const std::vector<int>& rows, const Eigen::VectorXd& shrunk) const {
  const MatrixD& scores = components_.scores();
  MatrixD own(static_cast<std::int64_t>(rows.size()), scores.cols() + 1);
  own.leftCols(scores.cols()) = scores(rows, Eigen::all) * shrunk.cwiseSqrt().asDiagonal();
  own.col(scores.cols()).setConstant(1 / std::sqrt(static_cast<double>(scores.rows())));
  return own;
}

RidgeSystem::Deletion RidgeSystem::deletion_of(std::vector<int> rows) const {
  Deletion deletion{std::move(rows), true, {}};
  deletion.by_rows = static_cast<std::int64_t>(deletion.rows.size()) <= components_.scores().cols() + 1;
  for (const double alpha : options_.alphas) {
    const MatrixD own = with_intercept(deletion.rows, shrinkage(alpha));
    const std::int64_t side = deletion.by_rows ? own.rows() : own.cols();
    Eigen::MatrixXd rest = Eigen::MatrixXd::Identity(side, side);
    if (deletion.by_rows) {
      rest.selfadjointView<Eigen::Lower>().rankUpdate(own, -1);
    } else {
      rest.selfadjointView<Eigen::Lower>().rankUpdate(own.transpose(), -1);
    }
    deletion.of_alpha.emplace_back(rest);
  }
  return deletion;
}

MatrixD RidgeSystem::left_out_decisions(const MatrixD& targets, std::size_t alpha) const {
  const MatrixD& scores = components_.scores();
  const Eigen::VectorXd shrunk = shrinkage(options_.alphas[alpha]);
  const MatrixD products = scores.transpose() * targets;  // scores are centred, so targets need not be
  MatrixD errors = targets - scores * (shrunk.asDiagonal() * products);
  errors.rowwise() -= targets.colwise().mean().eval();
  MatrixD decisions(targets.rows(), targets.cols());
  for (const Deletion& deletion : deletions_) {
    MatrixD deleted = errors(deletion.rows, Eigen::all);
    if (deletion.by_rows) {
      deleted = deletion.of_alpha[alpha].solve(deleted).eval();
    } else {
      const MatrixD own = with_intercept(deletion.rows, shrunk);
      const MatrixD correction = deletion.of_alpha[alpha].solve(own.transpose() * deleted);
      deleted += own * correction;  // Woodbury
    }
    decisions(deletion.rows, Eigen::all) = targets(deletion.rows, Eigen::all) - deleted;
  }
  return decisions;
}

StrengthChoice RidgeSystem::choose_alpha(const MatrixD& targets, const MatrixD& held,
                                         std::span<const int> labels) const {
  StrengthChoice choice;
  if (deletions_.empty()) {
    choice.value = options_.alphas.size() == 1 ? options_.alphas.front() : options_.fallback_alpha;
    return choice;
  }
  std::vector<double> loss;
  for (std::size_t alpha = 0; alpha < options_.alphas.size(); ++alpha) {
    check_cancelled();
    const MatrixD decisions = left_out_decisions(targets, alpha);
    choice.accuracy.push_back(balanced_accuracy_of(decisions + held, labels));
    loss.push_back((decisions - targets).squaredNorm());
  }
  choice.tried = options_.alphas;
  choice.by_inner_folds = true;
  choice.value = options_.alphas[best_strength(choice.accuracy, loss)];
  return choice;
}

RidgeFit RidgeSystem::fit(std::span<const int> labels, int classes) const {
  check_classes(components_.scores().rows(), labels, classes);
  if (held_.size() > 0 && held_.cols() != classes) {
    throw ShapeError(
        fmt::format("found weights of {} classes to hold ridge towards, expected {}", held_.cols(), classes));
  }
  // With w = towards + d, the fit of w to the targets is an ordinary one of d to what `towards` leaves of them.
  const MatrixD held = held_.size() > 0 ? held_ : MatrixD::Zero(components_.scores().rows(), classes);
  const MatrixD targets = targets_of(labels, classes) - held;
  RidgeFit fit;
  fit.alpha = choose_alpha(targets, held, labels);
  const MatrixD products = components_.scores().transpose() * targets;
  fit.map.weights = components_.to_features(shrinkage(fit.alpha.value).asDiagonal() * products).transpose();
  fit.map.intercepts = targets.colwise().mean().transpose() - fit.map.weights * components_.mean();
  if (held_.size() > 0) fit.map.weights += options_.towards;
  return fit;
}

std::int64_t RidgeSystem::bytes() const {
  std::int64_t numbers = components_.numbers() + held_.size();
  for (const Deletion& deletion : deletions_) {
    for (const auto& factor : deletion.of_alpha) numbers += factor.rows() * factor.rows();
  }
  return numbers * static_cast<std::int64_t>(sizeof(double));
}

RidgeFit fit_ridge(const MatrixF& rows, std::span<const int> labels, int classes, std::span<const int> groups,
                   const RidgeOptions& options) {
  check_classes(rows.rows(), labels, classes);
  return RidgeSystem(rows, groups, options).fit(labels, classes);
}

std::shared_ptr<const RidgeSystem> RidgeCache::system(const MatrixF& rows, std::span<const int> groups,
                                                      const RidgeOptions& options) {
  Hasher hasher;
  hasher.add(fmt::format("{} {} ", rows.rows(), rows.cols()));
  hasher.add(std::as_bytes(groups));
  hasher.add(std::as_bytes(std::span(rows.data(), static_cast<std::size_t>(rows.size()))));
  const std::string key = hasher.digest();
  {
    const std::lock_guard lock(mutex_);
    const auto found = systems_.find(key);
    if (found != systems_.end()) return found->second;
  }
  auto made = std::make_shared<const RidgeSystem>(rows, groups, options);
  const std::lock_guard lock(mutex_);
  if (bytes_ + made->bytes() > most_bytes_) return made;
  const auto [kept, is_new] = systems_.emplace(key, made);
  if (is_new) bytes_ += made->bytes();
  return kept->second;
}

}  // namespace noema
