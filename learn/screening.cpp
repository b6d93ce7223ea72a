#include "noema/learn/screening.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "noema/core/error.h"
#include "noema/core/parallel.h"

namespace noema {
namespace {

/// Columns that are summed at once: their sums stay in the cache.
constexpr std::int64_t kColumns = 2048;

/// Sums of values by label, and sums of squares, of some columns. Values are taken relative to the first row, so that
/// a large mean costs no digits.
struct LabelSums {
  MatrixD sums;                // (K, columns)
  Eigen::RowVectorXd squares;  // (columns)
};

LabelSums label_sums(const MatrixF& rows, std::span<const int> labels, int classes, std::int64_t first,
                     std::int64_t columns) {
  LabelSums sum{MatrixD::Zero(classes, columns), Eigen::RowVectorXd::Zero(columns)};
  const float* origin = rows.data() + first;
  double* squares = sum.squares.data();
  for (std::int64_t m = 0; m < rows.rows(); ++m) {
    const float* values = rows.data() + m * rows.cols() + first;
    double* sums = sum.sums.data() + (labels.empty() ? 0 : labels[static_cast<std::size_t>(m)]) * columns;
    for (std::int64_t f = 0; f < columns; ++f) {
      const double value = static_cast<double>(values[f]) - static_cast<double>(origin[f]);
      sums[f] += value;
      squares[f] += value * value;
    }
  }
  return sum;
}

template <typename Work>
void for_columns(const MatrixF& rows, const Work& work) {
  const std::int64_t pieces = (rows.cols() + kColumns - 1) / kColumns;
  parallel_tasks(pieces, [&](std::int64_t piece) {
    const std::int64_t first = piece * kColumns;
    work(first, std::min(kColumns, rows.cols() - first));
  });
}

void check_finite(const Eigen::VectorXd& values) {
  const auto bad = std::count_if(values.begin(), values.end(), [](double value) { return !std::isfinite(value); });
  if (bad == 0) return;
  throw DataError(
      fmt::format("{} of {} features hold values that are not finite in the training data, expected none: "
                  "leave those voxels out of the mask or clean the series",
                  bad, values.size()));
}

std::vector<int> checked_counts(const MatrixF& rows, std::span<const int> labels, int classes) {
  if (static_cast<std::int64_t>(labels.size()) != rows.rows()) {
    throw ShapeError(fmt::format("found {} labels for {} rows, expected one for each row", labels.size(), rows.rows()));
  }
  std::vector<int> counts(static_cast<std::size_t>(std::max(classes, 0)), 0);
  for (const int label : labels) {
    if (label < 0 || label >= classes) {
      throw UsageError(fmt::format("found label {}, expected one in [0, {})", label, classes));
    }
    ++counts[static_cast<std::size_t>(label)];
  }
  const auto present = std::count_if(counts.begin(), counts.end(), [](int count) { return count > 0; });
  if (present < 2 || rows.rows() <= present) {
    throw DataError(
        fmt::format("an analysis of variance needs at least two labels and more rows than labels, found {} "
                    "labels in {} rows: use screening none",
                    present, rows.rows()));
  }
  return counts;
}

}  // namespace

Eigen::VectorXd anova_f(const MatrixF& rows, std::span<const int> labels, int classes) {
  const std::vector<int> counts = checked_counts(rows, labels, classes);
  const auto present = std::count_if(counts.begin(), counts.end(), [](int count) { return count > 0; });
  const double all = static_cast<double>(rows.rows());
  const double within_freedom = all - static_cast<double>(present), between_freedom = static_cast<double>(present - 1);
  Eigen::VectorXd scores(rows.cols()), totals(rows.cols());
  for_columns(rows, [&](std::int64_t first, std::int64_t columns) {
    const LabelSums sum = label_sums(rows, labels, classes, first, columns);
    for (std::int64_t f = 0; f < columns; ++f) {
      double by_label = 0, grand = 0;
      for (int k = 0; k < classes; ++k) {
        const double count = counts[static_cast<std::size_t>(k)];
        if (count > 0) by_label += sum.sums(k, f) * sum.sums(k, f) / count;
        grand += sum.sums(k, f);
      }
      const double mean_square = grand * grand / all;
      const double total = sum.squares(f) - mean_square, between = by_label - mean_square;
      // What rounding of the sums may leave of nothing.
      const double nothing = 1e-13 * sum.squares(f);
      const double within = total - between <= nothing ? 0 : total - between;
      totals(first + f) = total;
      if (total <= nothing) {
        scores(first + f) = -1;
      } else {
        scores(first + f) = within == 0 ? std::numeric_limits<double>::infinity()
                                        : between / between_freedom / (within / within_freedom);
      }
    }
  });
  check_finite(totals);
  return scores;
}

ColumnMoments column_moments(const MatrixF& rows) {
  if (rows.rows() == 0) throw DataError("found no training rows, expected at least one");
  ColumnMoments moments{Eigen::VectorXd(rows.cols()), Eigen::VectorXd(rows.cols())};
  const double all = static_cast<double>(rows.rows());
  for_columns(rows, [&](std::int64_t first, std::int64_t columns) {
    const LabelSums sum = label_sums(rows, {}, 1, first, columns);
    for (std::int64_t f = 0; f < columns; ++f) {
      const double mean = sum.sums(0, f) / all, squares = sum.squares(f) - sum.sums(0, f) * mean;
      moments.mean(first + f) = static_cast<double>(rows(0, first + f)) + mean;
      moments.squares(first + f) = squares <= 1e-13 * sum.squares(f) ? 0 : squares;
    }
  });
  check_finite(moments.mean + moments.squares);
  return moments;
}

Eigen::VectorXd task_response(const MatrixF& rows) {
  if (rows.rows() < 2) throw DataError(fmt::format("found {} training rows, expected at least two", rows.rows()));
  const ColumnMoments moments = column_moments(rows);
  const double all = static_cast<double>(rows.rows());
  Eigen::VectorXd scores(rows.cols());
  for (std::int64_t f = 0; f < rows.cols(); ++f) {
    const double squares = moments.squares(f);
    scores(f) = squares == 0 ? -1 : std::abs(moments.mean(f)) / std::sqrt(squares / (all - 1) / all);
  }
  return scores;
}

std::vector<int> largest(const Eigen::VectorXd& scores, std::int64_t count) {
  std::vector<int> order(static_cast<std::size_t>(scores.size()));
  std::iota(order.begin(), order.end(), 0);
  count = std::clamp<std::int64_t>(count, 0, scores.size());
  const auto end = order.begin() + count;
  std::nth_element(order.begin(), count == scores.size() ? order.begin() : end, order.end(),
                   [&](int a, int b) { return scores(a) != scores(b) ? scores(a) > scores(b) : a < b; });
  order.erase(end, order.end());
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace noema
