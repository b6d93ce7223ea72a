#include "noema/preprocess/clean.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <vector>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/memory.h"
#include "noema/core/parallel.h"
#include "noema/preprocess/butterworth.h"
#include "noema/preprocess/censor.h"
#include "noema/preprocess/columns.h"
#include "noema/preprocess/cosine_drift.h"
#include "noema/preprocess/detrend.h"
#include "noema/preprocess/regress.h"
#include "noema/preprocess/standardize.h"

namespace noema {
namespace {

// A block of them, 200 volumes long, is in the second cache.
constexpr std::int64_t kFeaturesAtOnce = 128;
constexpr double kSameDrift = 0.999;

constexpr std::array<std::string_view, 3> kFilterNames{"none", "cosine", "butterworth"};
constexpr std::array<std::string_view, 4> kStandardizeNames{"none", "zscore", "zscore-population", "percent"};

template <class Enum>
Enum from_name(std::string_view name, std::span<const std::string_view> names, std::string_view what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw UsageError(fmt::format("{} '{}': expected {}", what, name, fmt::join(names, ", ")));
  }
  return static_cast<Enum>(found - names.begin());
}

bool is_constant(const MatrixD& series, Eigen::Index column) {
  for (Eigen::Index t = 1; t < series.rows(); ++t) {
    if (series(t, column) != series(0, column)) return false;
  }
  return series.rows() > 0;
}

MatrixD select_rows(const MatrixD& series, const std::vector<std::int64_t>& rows) {
  MatrixD selected(static_cast<Eigen::Index>(rows.size()), series.cols());
  for (std::size_t i = 0; i < rows.size(); ++i) selected.row(static_cast<Eigen::Index>(i)) = series.row(rows[i]);
  return selected;
}

/// All that is shared by the columns of one run.
class Cleaner {
 public:
  Cleaner(std::int64_t volumes, const MatrixD& confounds, std::span<const std::uint8_t> keep,
          const CleanOptions& options);

  /// Cleans columns [begin, begin + count) of `signals` into those of `result`, which may be the same. `block` is room.
  template <class Matrix>
  void run(const Matrix& signals, Matrix& result, std::int64_t begin, std::int64_t count, MatrixD& block) const;

 private:
  bool removes_mean() const { return options_.detrend || (filter_ && options_.high_pass_hz); }
  Eigen::RowVectorXd spread_of_kept(const MatrixD& block) const;
  MatrixD with_drifts(const MatrixD& confounds) const;
  /// Fill, detrend, filter, select: what signals and confounds have in common. Rows in: `rows_`; rows out: the kept
  /// ones.
  void filter_and_select(MatrixD& series) const;
  void prepare_basis(const MatrixD& confounds);
  template <class Matrix>
  void fill_censored(Matrix& signals, std::int64_t begin, std::int64_t count) const;

  CleanOptions options_;
  std::int64_t volumes_;
  std::vector<std::uint8_t> keep_;
  std::vector<std::int64_t> kept_;
  /// The volumes that are worked on: with a Butterworth filter all from the first to the last kept one, else the kept.
  std::vector<std::int64_t> rows_;
  /// Places of the kept volumes within `rows_`.
  std::vector<std::int64_t> kept_of_rows_;
  std::optional<Butterworth> filter_;
  std::optional<SplineFill> spline_;
  MatrixD basis_;
  bool keeps_constants_ = true;
};

Cleaner::Cleaner(std::int64_t volumes, const MatrixD& confounds, std::span<const std::uint8_t> keep,
                 const CleanOptions& options)
    : options_(options), volumes_(volumes), keep_(keep.begin(), keep.end()) {
  if (keep_.empty()) keep_.assign(static_cast<std::size_t>(volumes), 1);
  for (std::int64_t t = 0; t < volumes; ++t) {
    if (keep_[static_cast<std::size_t>(t)]) kept_.push_back(t);
  }
  if (kept_.empty()) {
    throw DataError(fmt::format("all {} volumes are censored; raise the thresholds for head motion", volumes));
  }
  rows_ = kept_;
  if (options.filter == TemporalFilter::butterworth) {
    filter_.emplace(PassBand{options.high_pass_hz, options.low_pass_hz}, options.tr_s);
    rows_.clear();
    for (std::int64_t t = kept_.front(); t <= kept_.back(); ++t) rows_.push_back(t);
    spline_.emplace(std::span(keep_).subspan(static_cast<std::size_t>(kept_.front()), rows_.size()));
    if (static_cast<std::int64_t>(rows_.size()) <= filter_->padding()) {
      throw DataError(
          fmt::format("{} volumes are too few for this Butterworth filter, which needs at least {}; use the "
                      "cosine filter or none",
                      rows_.size(), filter_->padding() + 1));
    }
  }
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (keep_[static_cast<std::size_t>(rows_[i])]) kept_of_rows_.push_back(static_cast<std::int64_t>(i));
  }
  prepare_basis(confounds);
}

MatrixD Cleaner::with_drifts(const MatrixD& confounds) const {
  const MatrixD drifts = cosine_drift(volumes_, options_.tr_s, *options_.high_pass_hz);
  MatrixD kept_confounds = select_rows(confounds, kept_);
  kept_confounds.rowwise() -= column_means(kept_confounds);
  MatrixD kept_drifts = select_rows(drifts, kept_);
  kept_drifts.rowwise() -= column_means(kept_drifts);
  std::vector<Eigen::Index> wanted;
  for (Eigen::Index k = 0; k + 1 < drifts.cols(); ++k) {
    bool there = false;
    for (Eigen::Index c = 0; c < confounds.cols(); ++c) {
      const double product = kept_drifts.col(k).dot(kept_confounds.col(c));
      there |= std::abs(product) > kSameDrift * kept_drifts.col(k).norm() * kept_confounds.col(c).norm();
    }
    if (!there) wanted.push_back(k);
  }
  MatrixD all(volumes_, confounds.cols() + static_cast<Eigen::Index>(wanted.size()));
  all.leftCols(confounds.cols()) = confounds;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    all.col(confounds.cols() + static_cast<Eigen::Index>(i)) = drifts.col(wanted[i]);
  }
  return all;
}

void Cleaner::filter_and_select(MatrixD& series) const {
  if (options_.detrend) detrend(series);
  if (!filter_) return;
  filter_->filter(series);
  if (rows_.size() != kept_.size()) series = select_rows(series, kept_of_rows_);
}

void Cleaner::prepare_basis(const MatrixD& confounds) {
  MatrixD columns = select_rows(options_.filter == TemporalFilter::cosine ? with_drifts(confounds) : confounds, rows_);
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    if (!columns.row(kept_of_rows_[i]).allFinite()) {
      throw DataError(fmt::format("confounds that are not numbers at volume {}", kept_[i]));
    }
  }
  const bool centred = options_.detrend || options_.standardize_confounds;
  for (Eigen::Index c = 0; centred && c < columns.cols(); ++c) {
    if (is_constant(select_rows(columns.col(c), kept_of_rows_), 0)) columns.col(c).setZero();
  }
  keeps_constants_ = centred || columns.cols() == 0;
  if (spline_) spline_->fill(columns);
  filter_and_select(columns);
  if (options_.standardize_confounds) {
    zscore(columns);
  } else {
    for (Eigen::Index c = 0; c < columns.cols(); ++c) {
      const double largest = columns.col(c).cwiseAbs().maxCoeff();
      if (largest > 0) columns.col(c) /= largest;
    }
  }
  basis_ = orthonormal_basis(columns);
  // The mean is lost to the confounds' own, the trend to detrending.
  const std::size_t lost = options_.detrend ? 2 : (options_.standardize_confounds ? 1 : 0);
  if (basis_.cols() > 0 && static_cast<std::size_t>(basis_.cols()) + lost >= kept_.size()) {
    throw DataError(fmt::format("{} confounds explain {} kept volumes completely; use fewer confounds or censor less",
                                columns.cols(), kept_.size()));
  }
}

/// 0 for columns that are constant over the kept volumes.
Eigen::RowVectorXd Cleaner::spread_of_kept(const MatrixD& block) const {
  Eigen::RowVectorXd spread(block.cols());
  if (rows_.size() == kept_.size()) {
    columns::spreads(block.data(), block.rows(), block.cols(), spread.data());
    return spread;
  }
  const MatrixD kept = select_rows(block, kept_of_rows_);
  columns::spreads(kept.data(), kept.rows(), kept.cols(), spread.data());
  return spread;
}

template <class Matrix>
void Cleaner::run(const Matrix& signals, Matrix& result, std::int64_t begin, std::int64_t count, MatrixD& block) const {
  using Scalar = typename Matrix::Scalar;
  block.resize(static_cast<Eigen::Index>(rows_.size()), count);
  columns::gather({signals.data() + begin, volumes_, count, signals.cols()}, rows_.data(), block.rows(), block.data());
  // Constant columns would become rounding noise of standard deviation 1.
  const Eigen::RowVectorXd values = block.row(kept_of_rows_.front());
  const Eigen::RowVectorXd spread = spread_of_kept(block);

  if (spline_) spline_->fill(block);
  const bool needs_mean = options_.standardize == Standardize::percent && removes_mean();
  const Eigen::RowVectorXd mean = needs_mean ? column_means(block) : Eigen::RowVectorXd();
  filter_and_select(block);
  if (basis_.cols() > 0) remove_projection(block, basis_);
  if (options_.standardize == Standardize::zscore) zscore(block);
  if (options_.standardize == Standardize::zscore_population) zscore(block, 0);
  if (options_.standardize == Standardize::percent) {
    if (needs_mean) columns::shift(block.data(), block.rows(), block.cols(), mean.data());
    percent_change(block);
  }
  const bool to_zero = removes_mean() || options_.standardize != Standardize::none;
  for (Eigen::Index f = 0; f < count; ++f) {
    if (spread[f] == 0 && keeps_constants_) block.col(f).setConstant(to_zero ? 0 : values[f]);
  }
  columns::scatter(block.data(), kept_.data(), block.rows(),
                   columns::View<Scalar>{result.data() + begin, volumes_, count, result.cols()});
  fill_censored(result, begin, count);
}

template <class Matrix>
void Cleaner::fill_censored(Matrix& signals, std::int64_t begin, std::int64_t count) const {
  using Scalar = typename Matrix::Scalar;
  const auto row = [&](std::int64_t t) { return signals.row(t).segment(begin, count); };
  for (std::int64_t t = 0; t < kept_.front(); ++t) row(t) = row(kept_.front());
  for (std::int64_t t = kept_.back() + 1; t < volumes_; ++t) row(t) = row(kept_.back());
  for (std::size_t i = 0; i + 1 < kept_.size(); ++i) {
    for (std::int64_t t = kept_[i] + 1; t < kept_[i + 1]; ++t) {
      const double share = static_cast<double>(t - kept_[i]) / static_cast<double>(kept_[i + 1] - kept_[i]);
      row(t) = static_cast<Scalar>(1 - share) * row(kept_[i]) + static_cast<Scalar>(share) * row(kept_[i + 1]);
    }
  }
}

void check_volumes(std::int64_t volumes, const MatrixD& confounds, std::span<const std::uint8_t> keep) {
  if (volumes == 0) throw DataError("a run without volumes cannot be cleaned");
  if (confounds.cols() > 0 && confounds.rows() != volumes) {
    throw ShapeError(fmt::format("confounds of {} volumes for a run of {}", confounds.rows(), volumes));
  }
  if (!keep.empty() && static_cast<std::int64_t>(keep.size()) != volumes) {
    throw ShapeError(fmt::format("a keep-mask of {} volumes for a run of {}", keep.size(), volumes));
  }
}

/// `result` has the shape of `signals`, or is the same.
template <class Matrix>
void clean_columns(const Matrix& signals, Matrix& result, const MatrixD& confounds, std::span<const std::uint8_t> keep,
                   const CleanOptions& options) {
  options.validate();
  const std::int64_t volumes = signals.rows();
  check_volumes(volumes, confounds, keep);
  const Cleaner cleaner(volumes, confounds.cols() > 0 ? confounds : MatrixD(volumes, 0), keep, options);
  const std::int64_t blocks = (signals.cols() + kFeaturesAtOnce - 1) / kFeaturesAtOnce;
  parallel_for(blocks, 4, [&](std::int64_t from, std::int64_t to) {
    MatrixD room;
    for (std::int64_t b = from; b < to; ++b) {
      check_cancelled();
      const std::int64_t begin = b * kFeaturesAtOnce;
      cleaner.run(signals, result, begin, std::min<std::int64_t>(kFeaturesAtOnce, signals.cols() - begin), room);
    }
  });
}

template <class Matrix>
Matrix clean_runs(Matrix signals, const MatrixD& confounds, std::span<const std::uint8_t> keep,
                  std::span<const int> run_of, const CleanOptions& options) {
  check_volumes(signals.rows(), confounds, keep);
  if (static_cast<Eigen::Index>(run_of.size()) != signals.rows()) {
    throw ShapeError(fmt::format("the runs of {} volumes for a series of {}", run_of.size(), signals.rows()));
  }
  std::set<int> seen;
  for (std::size_t begin = 0, end = 0; begin < run_of.size(); begin = end) {
    while (end < run_of.size() && run_of[end] == run_of[begin]) ++end;
    if (!seen.insert(run_of[begin]).second) {
      throw UsageError(
          fmt::format("the volumes of run {} do not lie together (again at volume {})", run_of[begin], begin));
    }
    const auto rows = Eigen::seqN(static_cast<Eigen::Index>(begin), static_cast<Eigen::Index>(end - begin));
    const MatrixD own = confounds.cols() > 0 ? MatrixD(confounds(rows, Eigen::all)) : MatrixD();
    Matrix run = signals(rows, Eigen::all);
    with_context(fmt::format("run {}", run_of[begin]), [&] {
      clean_columns(run, run, own, keep.empty() ? keep : keep.subspan(begin, end - begin), options);
    });
    signals(rows, Eigen::all) = run;
  }
  return signals;
}

}  // namespace

MatrixD clean(MatrixD signals, const MatrixD& confounds, std::span<const std::uint8_t> keep,
              const CleanOptions& options) {
  clean_columns(signals, signals, confounds, keep, options);
  return signals;
}

MatrixF clean(MatrixF&& signals, const MatrixD& confounds, std::span<const std::uint8_t> keep,
              const CleanOptions& options) {
  clean_columns(signals, signals, confounds, keep, options);
  return std::move(signals);
}

MatrixF clean(const MatrixF& signals, const MatrixD& confounds, std::span<const std::uint8_t> keep,
              const CleanOptions& options) {
  MatrixF result(signals.rows(), signals.cols());
  advise_large_pages(result.data(), static_cast<std::size_t>(result.size()) * sizeof(float));
  clean_columns(signals, result, confounds, keep, options);
  return result;
}

MatrixD clean(MatrixD signals, const MatrixD& confounds, std::span<const std::uint8_t> keep,
              std::span<const int> run_of, const CleanOptions& options) {
  return clean_runs(std::move(signals), confounds, keep, run_of, options);
}

MatrixF clean(MatrixF signals, const MatrixD& confounds, std::span<const std::uint8_t> keep,
              std::span<const int> run_of, const CleanOptions& options) {
  return clean_runs(std::move(signals), confounds, keep, run_of, options);
}

TemporalFilter temporal_filter(std::string_view name) {
  return from_name<TemporalFilter>(name, kFilterNames, "temporal filter");
}

Standardize standardize_by(std::string_view name) {
  return from_name<Standardize>(name, kStandardizeNames, "standardisation");
}

std::string to_string(TemporalFilter filter) { return std::string(kFilterNames[static_cast<std::size_t>(filter)]); }

std::string to_string(Standardize standardize) {
  return std::string(kStandardizeNames[static_cast<std::size_t>(standardize)]);
}

void CleanOptions::validate() const {
  if (filter == TemporalFilter::none && (high_pass_hz || low_pass_hz)) {
    throw UsageError("a cut-off frequency without a filter; choose the cosine or the butterworth filter");
  }
  if (filter == TemporalFilter::none) return;
  if (!(tr_s > 0) || !std::isfinite(tr_s)) {
    throw UsageError(fmt::format("temporal filter: found a TR of {} s, expected a positive one", tr_s));
  }
  if (filter == TemporalFilter::cosine) {
    if (!high_pass_hz) throw UsageError("the cosine filter needs a high-pass frequency");
    if (low_pass_hz) throw UsageError("the cosine filter has no low-pass; use the butterworth filter");
    if (!(*high_pass_hz > 0) || *high_pass_hz >= 0.5 / tr_s) {
      throw UsageError(fmt::format("a high-pass of {} Hz: with a TR of {} s expected one above 0 and below {} Hz",
                                   *high_pass_hz, tr_s, 0.5 / tr_s));
    }
    return;
  }
  check_pass_band({high_pass_hz, low_pass_hz}, tr_s);
}

}  // namespace noema
