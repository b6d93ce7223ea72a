#include "noema/learn/delay.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/parallel.h"

namespace noema {
namespace {

constexpr double kLargestShift_s = 8;
constexpr double kUsualDelay_s = 5;
constexpr double kLeastRest = 0.1;
constexpr double kShareOfFeatures = 0.02;
constexpr std::int64_t kFewestFeatures = 20;
constexpr std::int64_t kFeaturesAtOnce = 2048;

std::vector<double> shifts(double tr_s) {
  const int count = static_cast<int>(std::floor(kLargestShift_s / (tr_s / 2) + kTimeTolerance_s)) + 1;
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(i * tr_s / 2);
  return values;
}

/// The volumes of a run that a delay may be estimated on, given its training blocks.
std::vector<int> usable_volumes(const Series& series, const std::vector<Block>& blocks, std::span<const int> in_run,
                                std::span<const int> train) {
  std::vector<std::uint8_t> usable = series.keep;
  for (int b : in_run) {
    if (std::find(train.begin(), train.end(), b) != train.end()) continue;
    const Block& other = blocks[static_cast<std::size_t>(b)];
    const VolumeRange range = volumes_between(series, other.onset_s, other.end_s + kLargestShift_s + series.tr_s);
    std::fill(usable.begin() + range.first, usable.begin() + std::max(range.first, range.end), std::uint8_t{0});
  }
  std::vector<int> volumes;
  for (std::size_t t = 0; t < usable.size(); ++t) {
    if (usable[t]) volumes.push_back(static_cast<int>(t));
  }
  return volumes;
}

/// (D, volumes): 1 where a training block, shifted, holds the volume's centre.
MatrixD boxcars(const Series& series, const std::vector<Block>& blocks, std::span<const int> train,
                const std::vector<double>& shifts_s, const std::vector<int>& volumes) {
  MatrixD result(static_cast<Eigen::Index>(shifts_s.size()), static_cast<Eigen::Index>(volumes.size()));
  Eigen::VectorXd all(series.volumes());
  for (std::size_t d = 0; d < shifts_s.size(); ++d) {
    all.setZero();
    for (int b : train) {
      const Block& block = blocks[static_cast<std::size_t>(b)];
      const VolumeRange range = volumes_between(series, block.onset_s + shifts_s[d], block.end_s + shifts_s[d]);
      all.segment(range.first, range.size()).setOnes();
    }
    for (std::size_t i = 0; i < volumes.size(); ++i) {
      result(static_cast<Eigen::Index>(d), static_cast<Eigen::Index>(i)) = all[volumes[i]];
    }
  }
  return result;
}

/// Mean of the largest `count` values of each row.
std::vector<double> means_of_largest(const MatrixD& values, std::int64_t count) {
  std::vector<double> means;
  for (Eigen::Index d = 0; d < values.rows(); ++d) {
    std::vector<double> row(values.row(d).begin(), values.row(d).end());
    std::nth_element(row.begin(), row.begin() + (count - 1), row.end(), std::greater<>());
    std::sort(row.begin(), row.begin() + count);  // so that equal shifts get equal sums
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += row[static_cast<std::size_t>(i)];
    means.push_back(sum / static_cast<double>(count));
  }
  return means;
}

}  // namespace

DelayEstimator::DelayEstimator(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks)
    : runs_(runs), blocks_(blocks), blocks_of_run_(runs.size()), whole_runs_(runs.size()) {
  double tr_s = std::numeric_limits<double>::infinity();
  for (const LearningRun& run : runs) {
    check_keep_mask(run);
    tr_s = std::min(tr_s, run.series.tr_s);
    if (run.series.values.cols() != runs[0].series.values.cols()) {
      throw ShapeError(fmt::format("run '{}' has {} features, but run '{}' has {}", run.id, run.series.values.cols(),
                                   runs[0].id, runs[0].series.values.cols()));
    }
  }
  if (runs.empty()) return;
  shifts_s_ = shifts(tr_s);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    blocks_of_run_[static_cast<std::size_t>(blocks[b].run)].push_back(static_cast<int>(b));
  }
  for (std::size_t r = 0; r < runs.size(); ++r) {
    check_cancelled();
    if (!blocks_of_run_[r].empty()) whole_runs_[r] = products_of(static_cast<int>(r), blocks_of_run_[r]);
  }
}

DelayEstimator::Products DelayEstimator::products_of(int run, std::span<const int> train) const {
  const Series& series = runs_[static_cast<std::size_t>(run)].series;
  const std::vector<int> volumes =
      usable_volumes(series, blocks_, blocks_of_run_[static_cast<std::size_t>(run)], train);
  const Eigen::Index features = series.values.cols(), count = static_cast<Eigen::Index>(volumes.size());
  MatrixD boxcar = boxcars(series, blocks_, train, shifts_s_, volumes);
  Products products;
  products.volumes = count;
  products.rest_volumes = count - static_cast<std::int64_t>(boxcar.row(0).sum());
  if (count > 0) boxcar.colwise() -= boxcar.rowwise().mean().eval();
  products.boxcar_squares = boxcar.rowwise().squaredNorm();
  products.cross.resize(boxcar.rows(), features);
  products.feature_squares.resize(features);
  const std::int64_t pieces = (features + kFeaturesAtOnce - 1) / kFeaturesAtOnce;
  parallel_for(pieces, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const Eigen::Index first = piece * kFeaturesAtOnce;
      const Eigen::Index width = std::min<Eigen::Index>(kFeaturesAtOnce, features - first);
      MatrixD values(count, width);
      for (Eigen::Index i = 0; i < count; ++i) {
        values.row(i) = series.values.row(volumes[static_cast<std::size_t>(i)]).segment(first, width).cast<double>();
      }
      if (count > 0) values.rowwise() -= values.colwise().mean().eval();
      products.cross.middleCols(first, width).noalias() = boxcar * values;
      products.feature_squares.segment(first, width) = values.colwise().squaredNorm();
    }
  });
  return products;
}

DelayEstimate DelayEstimator::estimate_from(const Products& sum) const {
  MatrixD correlations = sum.cross.cwiseAbs();
  for (Eigen::Index d = 0; d < correlations.rows(); ++d) {
    for (Eigen::Index f = 0; f < correlations.cols(); ++f) {
      const double squares = sum.boxcar_squares[d] * sum.feature_squares[f];
      correlations(d, f) = squares > 0 && std::isfinite(squares) ? correlations(d, f) / std::sqrt(squares) : 0;
    }
  }
  const std::int64_t features = correlations.cols();
  DelayEstimate estimate;
  estimate.shifts_s = shifts_s_;
  estimate.volumes = sum.volumes;
  estimate.features = std::min(
      features, std::max(kFewestFeatures,
                         static_cast<std::int64_t>(std::ceil(kShareOfFeatures * static_cast<double>(features)))));
  estimate.mean_abs_correlation = means_of_largest(correlations, estimate.features);
  const std::vector<double>& curve = estimate.mean_abs_correlation;
  const double best = *std::max_element(curve.begin(), curve.end());
  const double rest = static_cast<double>(sum.rest_volumes) / static_cast<double>(sum.volumes);
  estimate.determined = rest >= kLeastRest && best > 0;
  estimate.delay_s = kUsualDelay_s;
  if (!estimate.determined) {
    log_warning(
        fmt::format("the delay of the response cannot be estimated: the blocks leave {:.0f} % of {} training volumes "
                    "for rest (at least {:.0f} % are needed, and features that respond); {:g} s is used",
                    100 * rest, sum.volumes, 100 * kLeastRest, kUsualDelay_s));
    return estimate;
  }
  // Shifts that cover the same volumes differ by rounding at most: the smallest of them counts.
  const auto first = std::find_if(curve.begin(), curve.end(), [&](double value) { return value >= best * (1 - 1e-9); });
  estimate.delay_s = shifts_s_[static_cast<std::size_t>(first - curve.begin())];
  return estimate;
}

DelayEstimate DelayEstimator::estimate(std::span<const int> train) const {
  if (train.empty()) throw DataError("estimating the delay needs training blocks, found none");
  std::vector<std::vector<int>> train_of_run(runs_.size());
  for (int b : train) {
    train_of_run[static_cast<std::size_t>(blocks_.at(static_cast<std::size_t>(b)).run)].push_back(b);
  }
  Products sum;
  for (std::size_t r = 0; r < runs_.size(); ++r) {
    if (train_of_run[r].empty()) continue;
    const bool whole = train_of_run[r].size() == blocks_of_run_[r].size();
    Products part;
    if (!whole) part = products_of(static_cast<int>(r), train_of_run[r]);
    const Products& add = whole ? whole_runs_[r] : part;
    if (sum.cross.size() == 0) {
      sum = add;
      continue;
    }
    sum.cross += add.cross;
    sum.boxcar_squares += add.boxcar_squares;
    sum.feature_squares += add.feature_squares;
    sum.volumes += add.volumes;
    sum.rest_volumes += add.rest_volumes;
  }
  if (sum.volumes == 0 || sum.cross.cols() == 0) {
    throw DataError(
        fmt::format("estimating the delay needs data, found {} usable training volumes of {} features; give "
                    "the delay in seconds",
                    sum.volumes, sum.cross.cols()));
  }
  return estimate_from(sum);
}

std::string delay_disagreement(const DelayEstimate& estimate, double declared_s) {
  constexpr double kCloseEnough_s = 2, kGoodEnough = 0.9;
  if (!estimate.determined || std::abs(declared_s - estimate.delay_s) <= kCloseEnough_s) return "";
  const std::vector<double>& shifts_s = estimate.shifts_s;
  const std::vector<double>& curve = estimate.mean_abs_correlation;
  const auto above = std::lower_bound(shifts_s.begin(), shifts_s.end(), declared_s);
  double declared = 0;  // beyond the shifts tried
  if (above != shifts_s.end()) {
    const std::size_t i = static_cast<std::size_t>(above - shifts_s.begin());
    const double share = i == 0 ? 0 : (shifts_s[i] - declared_s) / (shifts_s[i] - shifts_s[i - 1]);
    declared = std::lerp(curve[i], curve[i == 0 ? 0 : i - 1], share);
  }
  const double best = *std::max_element(curve.begin(), curve.end());
  if (declared >= kGoodEnough * best) return "";
  return fmt::format(
      "the declared delay of {:g} s disagrees with the data, which respond {:g} s after the events (mean "
      "|correlation| {:.2f} at {:g} s, {:.2f} at {:g} s){}",
      declared_s, estimate.delay_s, declared, declared_s, best, estimate.delay_s,
      declared_s > estimate.delay_s ? "; perhaps the times of the events already contain the delay" : "");
}

}  // namespace noema
