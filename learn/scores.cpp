#include "noema/learn/scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kSmallestProbability = 1e-15;

void append_rows(MatrixD& matrix, const MatrixD& more, const char* what) {
  if ((matrix.cols() == 0) != (more.cols() == 0)) {
    throw ShapeError(fmt::format("predictions with {0} cannot be joined with predictions without {0}", what));
  }
  MatrixD joined(matrix.rows() + more.rows(), more.cols());
  joined << matrix, more;
  matrix = std::move(joined);
}

void append_all(std::vector<int>& values, const std::vector<int>& more) {
  values.insert(values.end(), more.begin(), more.end());
}

double mean_where_counted(const Eigen::VectorXd& numerators, const Eigen::VectorXd& denominators) {
  double sum = 0;
  int counted = 0;
  for (Eigen::Index k = 0; k < numerators.size(); ++k) {
    if (denominators[k] == 0) continue;
    sum += numerators[k] / denominators[k];
    ++counted;
  }
  return counted == 0 ? kNaN : sum / counted;
}

int largest_of(const Eigen::VectorXd& values) {
  Eigen::Index largest = 0;
  values.maxCoeff(&largest);  // the first of equal ones
  return static_cast<int>(largest);
}

}  // namespace

void Predictions::append(const Predictions& other) {
  other.validate();
  if (classes == 0 && truth.empty()) {
    *this = other;
    return;
  }
  if (classes != other.classes) {
    throw ShapeError(
        fmt::format("predictions of {} classes cannot be joined with predictions of {}", classes, other.classes));
  }
  append_rows(probabilities, other.probabilities, "probabilities");
  append_rows(decisions, other.decisions, "decisions");
  append_all(truth, other.truth);
  append_all(predicted, other.predicted);
  append_all(fold, other.fold);
  append_all(block, other.block);
  append_all(run, other.run);
}

void Predictions::validate() const {
  for (const std::vector<int>* values : {&predicted, &fold, &block, &run}) {
    if (values->size() != truth.size()) {
      throw ShapeError(
          fmt::format("predictions: found a column of {} rows, expected {}", values->size(), truth.size()));
    }
  }
  for (const MatrixD* matrix : {&probabilities, &decisions}) {
    if (matrix->size() != 0 && (matrix->rows() != size() || matrix->cols() != classes)) {
      throw ShapeError(fmt::format("predictions: found a matrix of {}×{}, expected {}×{}", matrix->rows(),
                                   matrix->cols(), size(), classes));
    }
  }
  for (const std::vector<int>* labels : {&truth, &predicted}) {
    for (int label : *labels) {
      if (label < 0 || label >= classes) {
        throw ShapeError(fmt::format("predictions: found the label {}, expected 0 to {}", label, classes - 1));
      }
    }
  }
}

Scores scores_of_confusion(Eigen::MatrixXi confusion) {
  const Eigen::MatrixXd counts = confusion.cast<double>();
  const Eigen::VectorXd hits = counts.diagonal(), truths = counts.rowwise().sum(), said = counts.colwise().sum();
  Scores scores;
  scores.samples = confusion.sum();
  scores.accuracy = scores.samples == 0 ? kNaN : hits.sum() / static_cast<double>(scores.samples);
  scores.balanced_accuracy = mean_where_counted(hits, truths);
  scores.macro_f1 = mean_where_counted(2 * hits, truths + said);
  scores.log_loss = kNaN;
  scores.confusion = std::move(confusion);
  return scores;
}

Scores score(const Predictions& predictions, std::span<const int> rows) {
  predictions.validate();
  Eigen::MatrixXi confusion = Eigen::MatrixXi::Zero(predictions.classes, predictions.classes);
  double loss = predictions.probabilities.size() == 0 ? kNaN : 0;
  for (int row : rows) {
    const auto i = static_cast<std::size_t>(row);
    ++confusion(predictions.truth.at(i), predictions.predicted.at(i));
    if (std::isnan(loss)) continue;
    loss -= std::log(std::clamp(predictions.probabilities(row, predictions.truth[i]), kSmallestProbability, 1.0));
  }
  Scores scores = scores_of_confusion(std::move(confusion));
  scores.log_loss = rows.empty() ? kNaN : loss / static_cast<double>(rows.size());
  return scores;
}

Scores score(const Predictions& predictions) {
  std::vector<int> rows(predictions.truth.size());
  std::iota(rows.begin(), rows.end(), 0);
  return score(predictions, rows);
}

double value_of(const Scores& scores, Metric metric) {
  switch (metric) {
    case Metric::accuracy:
      return scores.accuracy;
    case Metric::balanced_accuracy:
      return scores.balanced_accuracy;
    case Metric::macro_f1:
      return scores.macro_f1;
    case Metric::log_loss:
      return scores.log_loss;
  }
  return kNaN;
}

Predictions vote_by_block(const Predictions& predictions) {
  predictions.validate();
  std::map<std::pair<int, int>, std::size_t> place;
  std::vector<std::vector<int>> rows_of;
  for (std::size_t i = 0; i < predictions.truth.size(); ++i) {
    const auto [found, is_new] = place.emplace(std::pair(predictions.fold[i], predictions.block[i]), rows_of.size());
    if (is_new) rows_of.emplace_back();
    rows_of[found->second].push_back(static_cast<int>(i));
  }
  Predictions voted;
  voted.classes = predictions.classes;
  const auto blocks = static_cast<Eigen::Index>(rows_of.size());
  if (predictions.probabilities.size() > 0) voted.probabilities.resize(blocks, voted.classes);
  if (predictions.decisions.size() > 0) voted.decisions.resize(blocks, voted.classes);
  for (Eigen::Index b = 0; b < blocks; ++b) {
    const std::vector<int>& rows = rows_of[static_cast<std::size_t>(b)];
    const auto first = static_cast<std::size_t>(rows[0]);
    Eigen::VectorXd votes = Eigen::VectorXd::Zero(voted.classes);
    for (int row : rows) votes[predictions.predicted[static_cast<std::size_t>(row)]] += 1;
    if (predictions.probabilities.size() > 0) {
      votes = predictions.probabilities(rows, Eigen::all).colwise().mean();
      voted.probabilities.row(b) = votes.transpose();
    }
    if (predictions.decisions.size() > 0) {
      votes = predictions.decisions(rows, Eigen::all).colwise().mean();
      voted.decisions.row(b) = votes.transpose();
    }
    voted.truth.push_back(predictions.truth[first]);
    voted.predicted.push_back(largest_of(votes));
    voted.fold.push_back(predictions.fold[first]);
    voted.block.push_back(predictions.block[first]);
    voted.run.push_back(predictions.run[first]);
  }
  return voted;
}

std::vector<int> resampling_groups(const Predictions& predictions, const std::vector<LearningRun>& runs) {
  std::map<std::string, int> subjects;
  for (int run : predictions.run) subjects.emplace(runs.at(static_cast<std::size_t>(run)).subject, 0);
  int number = 0;
  for (auto& [name, index] : subjects) index = number++;
  if (subjects.size() < 2) {
    const std::set<int> tested(predictions.run.begin(), predictions.run.end());
    return tested.size() > 1 ? predictions.run : predictions.block;
  }
  std::vector<int> groups;
  for (int run : predictions.run) groups.push_back(subjects.at(runs[static_cast<std::size_t>(run)].subject));
  return groups;
}

}  // namespace noema
