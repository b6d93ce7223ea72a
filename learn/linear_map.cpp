#include "noema/learn/linear_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "noema/core/error.h"
#include "noema/learn/scores.h"

namespace noema {
namespace {

/// Numbers from 0 for equal keys, in the order of the keys.
template <typename Key>
std::vector<int> numbered(const std::vector<Key>& keys) {
  const std::set<Key> distinct(keys.begin(), keys.end());
  std::vector<int> numbers;
  for (const Key& key : keys) {
    numbers.push_back(static_cast<int>(std::distance(distinct.begin(), distinct.find(key))));
  }
  return numbers;
}

/// For each sample, the how-many-th block of its label in its run it belongs to, by time.
std::vector<int> occurrences(const std::vector<Sample>& samples) {
  std::map<std::pair<int, int>, std::map<int, int>> first_volume;  // (run, label) → block → first volume
  for (const Sample& sample : samples) {
    const int first = sample.volumes.empty() ? 0 : sample.volumes.front();
    const auto [found, is_new] = first_volume[{sample.run, sample.label}].emplace(sample.block, first);
    if (!is_new) found->second = std::min(found->second, first);
  }
  std::map<std::pair<int, int>, int> rank;  // (block, label) → occurrence
  for (const auto& [run_label, blocks] : first_volume) {
    std::vector<std::pair<int, int>> by_time;
    for (const auto& [block, first] : blocks) by_time.emplace_back(first, block);
    std::sort(by_time.begin(), by_time.end());
    for (std::size_t i = 0; i < by_time.size(); ++i) {
      rank[{by_time[i].second, run_label.second}] = static_cast<int>(i);
    }
  }
  std::vector<int> numbers;
  for (const Sample& sample : samples) numbers.push_back(rank[{sample.block, sample.label}]);
  return numbers;
}

bool leaves_every_label(const std::vector<int>& groups, const std::vector<Sample>& samples) {
  std::map<int, std::set<int>> groups_of_label;
  for (std::size_t n = 0; n < samples.size(); ++n) groups_of_label[samples[n].label].insert(groups[n]);
  return std::all_of(groups_of_label.begin(), groups_of_label.end(),
                     [](const auto& entry) { return entry.second.size() > 1; });
}

}  // namespace

MatrixD LinearMap::decisions(const MatrixF& rows) const {
  if (rows.cols() != weights.cols()) {
    throw ShapeError(
        fmt::format("found {} features, expected the {} of the training data", rows.cols(), weights.cols()));
  }
  MatrixD result = rows.cast<double>() * weights.transpose();
  result.rowwise() += intercepts.transpose();
  return result;
}

std::vector<int> inner_groups(const SampleSet& train) {
  std::vector<std::string> subjects;
  std::vector<int> runs;
  for (const Sample& sample : train.samples) {
    subjects.push_back(train.runs->at(static_cast<std::size_t>(sample.run)).subject);
    runs.push_back(sample.run);
  }
  for (std::vector<int> groups : {numbered(subjects), numbered(runs), occurrences(train.samples)}) {
    if (leaves_every_label(groups, train.samples)) return groups;
  }
  return {};
}

std::size_t best_strength(std::span<const double> accuracy, std::span<const double> loss) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < accuracy.size(); ++i) {
    if (accuracy[i] > accuracy[best] + 1e-12 ||
        (accuracy[i] > accuracy[best] - 1e-12 && loss[i] < loss[best] * (1 - 1e-12))) {
      best = i;
    }
  }
  return best;
}

double balanced_accuracy_of(const MatrixD& decisions, std::span<const int> labels) {
  const auto classes = static_cast<int>(decisions.cols());
  Eigen::MatrixXi confusion = Eigen::MatrixXi::Zero(classes, classes);
  for (std::int64_t n = 0; n < decisions.rows(); ++n) {
    Eigen::Index predicted = 0;
    decisions.row(n).maxCoeff(&predicted);
    ++confusion(labels[static_cast<std::size_t>(n)], predicted);
  }
  return scores_of_confusion(std::move(confusion)).balanced_accuracy;
}

void check_classes(std::int64_t rows, std::span<const int> labels, int classes) {
  if (static_cast<std::int64_t>(labels.size()) != rows) {
    throw ShapeError(fmt::format("found {} labels for {} rows, expected one for each row", labels.size(), rows));
  }
  std::vector<int> counts(static_cast<std::size_t>(std::max(classes, 0)), 0);
  for (const int label : labels) {
    if (label < 0 || label >= classes) {
      throw UsageError(fmt::format("found label {}, expected one in [0, {})", label, classes));
    }
    ++counts[static_cast<std::size_t>(label)];
  }
  const auto missing = std::find(counts.begin(), counts.end(), 0);
  if (missing == counts.end() && classes >= 2) return;
  throw DataError(classes < 2 ? fmt::format("found {} classes, expected at least two", classes)
                              : fmt::format("class {} of {} has no training sample: choose a split that trains on "
                                            "every label, or leave the label out",
                                            missing - counts.begin(), classes));
}

}  // namespace noema
