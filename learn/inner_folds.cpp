#include "noema/learn/inner_folds.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace noema {
namespace {

/// Deals whole groups to folds, the largest first, each to the fold with the fewest rows.
std::vector<int> dealt(std::span<const int> groups, int folds) {
  std::map<int, int> sizes;
  for (const int group : groups) ++sizes[group];
  std::vector<std::pair<int, int>> by_size;  // (−size, group)
  for (const auto& [group, size] : sizes) by_size.emplace_back(-size, group);
  std::sort(by_size.begin(), by_size.end());
  std::vector<int> rows(static_cast<std::size_t>(folds), 0);
  std::map<int, int> fold_of_group;
  for (const auto& [size, group] : by_size) {
    const auto least = std::min_element(rows.begin(), rows.end());
    *least -= size;
    fold_of_group[group] = static_cast<int>(least - rows.begin());
  }
  std::vector<int> fold_of_row;
  for (const int group : groups) fold_of_row.push_back(fold_of_group[group]);
  return fold_of_row;
}

}  // namespace

std::vector<int> inner_folds(std::span<const int> labels, int classes, std::span<const int> groups, int wanted) {
  if (groups.empty()) return {};
  const auto every_label_twice = [&](const std::vector<int>& folds) {
    std::vector<int> first(static_cast<std::size_t>(classes), -1);
    std::vector<bool> twice(static_cast<std::size_t>(classes), false);
    for (std::size_t n = 0; n < folds.size(); ++n) {
      const auto label = static_cast<std::size_t>(labels[n]);
      if (first[label] >= 0 && first[label] != folds[n]) twice[label] = true;
      first[label] = folds[n];
    }
    return std::find(twice.begin(), twice.end(), false) == twice.end();
  };
  const auto most = static_cast<int>(std::set<int>(groups.begin(), groups.end()).size());
  for (const int folds : {std::min(wanted, most), most}) {
    std::vector<int> fold_of_row = dealt(groups, folds);
    if (every_label_twice(fold_of_row)) return fold_of_row;
  }
  return {};
}

StrengthChoice choose_strength(const StrengthTrial& trial, std::span<const int> labels, int classes,
                               std::span<const int> groups) {
  StrengthChoice choice;
  const std::vector<int> fold_of_row = inner_folds(labels, classes, groups, trial.folds);
  if (trial.strengths.size() == 1 || fold_of_row.empty()) {
    choice.value = trial.strengths.size() == 1 ? trial.strengths.front() : trial.fallback;
    return choice;
  }
  std::vector<MatrixD> decisions(trial.strengths.size(), MatrixD(std::ssize(labels), classes));
  const int folds = *std::max_element(fold_of_row.begin(), fold_of_row.end()) + 1;
  for (int fold = 0; fold < folds; ++fold) {
    std::vector<int> train, test, train_labels;
    for (std::size_t n = 0; n < labels.size(); ++n) {
      (fold_of_row[n] == fold ? test : train).push_back(static_cast<int>(n));
      if (fold_of_row[n] != fold) train_labels.push_back(labels[n]);
    }
    const std::vector<MatrixD> said = trial.decide(train, train_labels, test);
    for (std::size_t i = 0; i < said.size(); ++i) decisions[i](test, Eigen::all) = said[i];
  }
  std::vector<double> loss;
  for (const MatrixD& of_strength : decisions) {
    choice.accuracy.push_back(balanced_accuracy_of(of_strength, labels));
    loss.push_back(trial.loss(of_strength));
  }
  choice.tried.assign(trial.strengths.begin(), trial.strengths.end());
  choice.by_inner_folds = true;
  choice.value = trial.strengths[best_strength(choice.accuracy, loss)];
  return choice;
}

}  // namespace noema
