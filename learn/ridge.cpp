#include "noema/learn/ridge.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <map>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/learn/principal_components.h"

namespace noema {
namespace {

MatrixD targets_of(std::span<const int> labels, int classes) {
  MatrixD targets = MatrixD::Constant(static_cast<std::int64_t>(labels.size()), classes, -1);
  for (std::size_t n = 0; n < labels.size(); ++n) targets(static_cast<std::int64_t>(n), labels[n]) = 1;
  return targets;
}

/// Decisions for each row, as if its group had not been in the training data.
class LeftOut {
 public:
  LeftOut(const PrincipalComponents& components, const MatrixD& targets, std::span<const int> groups)
      : components_(components), targets_(targets) {
    const MatrixD centred = targets.rowwise() - targets.colwise().mean();
    products_ = components.scores().transpose() * centred;
    means_ = targets.colwise().mean();
    for (std::size_t n = 0; n < groups.size(); ++n) rows_of_group_[groups[n]].push_back(static_cast<int>(n));
  }

  MatrixD decisions(double alpha) const {
    const MatrixD& scores = components_.scores();
    const Eigen::VectorXd shrunk = (components_.eigenvalues().array() + alpha).inverse();
    MatrixD fitted = scores * (shrunk.asDiagonal() * products_);
    fitted.rowwise() += means_;
    MatrixD left_out(targets_.rows(), targets_.cols());
    for (const auto& [group, rows] : rows_of_group_) {
      const MatrixD own = scores(rows, Eigen::all);
      // I − H of these rows, H = 1/N + P (Λ + α)⁻¹ Pᵀ.
      Eigen::MatrixXd rest = -(own * shrunk.asDiagonal() * own.transpose());
      rest.array() -= 1 / static_cast<double>(scores.rows());
      rest.diagonal().array() += 1;
      const MatrixD errors = targets_(rows, Eigen::all) - fitted(rows, Eigen::all);
      const MatrixD deleted = rest.ldlt().solve(errors);
      left_out(rows, Eigen::all) = targets_(rows, Eigen::all) - deleted;
    }
    return left_out;
  }

 private:
  const PrincipalComponents& components_;
  const MatrixD& targets_;
  MatrixD products_;
  Eigen::RowVectorXd means_;
  std::map<int, std::vector<int>> rows_of_group_;
};

StrengthChoice choose_alpha(const PrincipalComponents& components, const MatrixD& targets, std::span<const int> labels,
                            std::span<const int> groups, const RidgeOptions& options) {
  StrengthChoice choice;
  if (options.alphas.size() == 1 || groups.empty()) {
    choice.value = options.alphas.size() == 1 ? options.alphas.front() : options.fallback_alpha;
    return choice;
  }
  const LeftOut left_out(components, targets, groups);
  std::vector<double> loss;
  for (const double alpha : options.alphas) {
    check_cancelled();
    const MatrixD decisions = left_out.decisions(alpha);
    choice.accuracy.push_back(balanced_accuracy_of(decisions, labels));
    loss.push_back((decisions - targets).squaredNorm());
  }
  choice.tried = options.alphas;
  choice.by_inner_folds = true;
  choice.value = options.alphas[best_strength(choice.accuracy, loss)];
  return choice;
}

}  // namespace

void RidgeOptions::validate() const {
  const auto good = [](double alpha) { return alpha > 0 && std::isfinite(alpha); };
  if (!alphas.empty() && std::all_of(alphas.begin(), alphas.end(), good) && good(fallback_alpha)) return;
  throw UsageError("ridge needs at least one alpha, and all of them positive");
}

RidgeFit fit_ridge(const MatrixF& rows, std::span<const int> labels, int classes, std::span<const int> groups,
                   const RidgeOptions& options) {
  options.validate();
  check_classes(rows, labels, classes);
  if (!groups.empty() && groups.size() != labels.size()) {
    throw ShapeError(fmt::format("found groups of {} rows, expected {}", groups.size(), labels.size()));
  }
  const PrincipalComponents components(rows);
  const MatrixD targets = targets_of(labels, classes);
  RidgeFit fit;
  fit.alpha = choose_alpha(components, targets, labels, groups, options);
  const Eigen::VectorXd shrunk = (components.eigenvalues().array() + fit.alpha.value).inverse();
  const MatrixD products = components.scores().transpose() * targets;  // scores are centred, so targets need not be
  fit.map.weights = components.to_features(shrunk.asDiagonal() * products).transpose();
  fit.map.intercepts = targets.colwise().mean().transpose() - fit.map.weights * components.mean();
  return fit;
}

}  // namespace noema
