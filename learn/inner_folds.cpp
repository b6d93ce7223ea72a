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

}  // namespace noema
