#include "noema/preprocess/censor.h"

#include <fmt/format.h>

#include <algorithm>

#include "noema/core/error.h"

namespace noema {

std::vector<std::uint8_t> keep_mask(std::span<const double> framewise_displacement_mm,
                                    std::span<const double> std_dvars, const ScrubOptions& options) {
  const std::size_t volumes = std::max(framewise_displacement_mm.size(), std_dvars.size());
  if (!framewise_displacement_mm.empty() && !std_dvars.empty() &&
      framewise_displacement_mm.size() != std_dvars.size()) {
    throw ShapeError(fmt::format("framewise displacement of {} volumes but DVARS of {}",
                                 framewise_displacement_mm.size(), std_dvars.size()));
  }
  std::vector<std::uint8_t> keep(volumes, 1);
  bool any = false;
  for (std::size_t t = 0; t < volumes; ++t) {
    const bool moved = !framewise_displacement_mm.empty() && framewise_displacement_mm[t] > options.fd_threshold_mm;
    const bool jumped = !std_dvars.empty() && std_dvars[t] > options.std_dvars_threshold;
    if (moved || jumped) keep[t] = 0;
    any |= moved || jumped;
  }
  if (!any) return keep;
  const auto shortest = static_cast<std::size_t>(std::max(options.shortest_segment, 0));
  for (std::size_t begin = 0; begin < volumes;) {
    std::size_t end = begin;
    while (end < volumes && keep[end] == keep[begin]) ++end;
    const std::size_t next = end;
    if (keep[begin] && end - begin < shortest) std::fill(keep.begin() + begin, keep.begin() + end, std::uint8_t{0});
    begin = next;
  }
  return keep;
}

SplineFill::SplineFill(std::span<const std::uint8_t> keep) : rows_(static_cast<std::int64_t>(keep.size())) {
  for (std::size_t t = 0; t < keep.size(); ++t) {
    if (keep[t]) kept_.push_back(static_cast<std::int64_t>(t));
  }
  if (kept_.empty()) throw DataError(fmt::format("all {} volumes are censored; raise the thresholds", keep.size()));
  const std::size_t n = kept_.size();
  complete_ = end() - first() == static_cast<std::int64_t>(n);
  if (complete_ || n < 4) return;
  const auto step = [&](std::size_t i) { return static_cast<double>(kept_[i + 1] - kept_[i]); };
  std::vector<double> below(n), diagonal(n), above(n);
  diagonal[0] = step(1);
  above[0] = step(0) + step(1);
  for (std::size_t i = 1; i + 1 < n; ++i) {
    below[i] = step(i);
    diagonal[i] = 2 * (step(i - 1) + step(i));
    above[i] = step(i - 1);
  }
  below[n - 1] = step(n - 3) + step(n - 2);
  diagonal[n - 1] = step(n - 3);
  // No pivoting needed: after elimination every diagonal is positive (shown by induction with above/diagonal < 1).
  lower_.assign(n, 0);
  inverse_.assign(n, 0);
  upper_ = above;
  inverse_[0] = 1 / diagonal[0];
  for (std::size_t i = 1; i < n; ++i) {
    lower_[i] = below[i] * inverse_[i - 1];
    inverse_[i] = 1 / (diagonal[i] - lower_[i] * above[i - 1]);
  }
}

void SplineFill::slopes(const MatrixD& series, MatrixD& slope) const {
  const auto n = static_cast<Eigen::Index>(kept_.size());
  const auto at = [&](Eigen::Index i) { return kept_[static_cast<std::size_t>(i)]; };
  const auto step = [&](Eigen::Index i) { return static_cast<double>(at(i + 1) - at(i)); };
  const auto secant = [&](Eigen::Index i) { return (series.row(at(i + 1)) - series.row(at(i))) / step(i); };
  slope.resize(n, series.cols());
  const double front = step(0) + step(1);
  slope.row(0) = ((step(0) + 2 * front) * step(1) * secant(0) + step(0) * step(0) * secant(1)) / front;
  for (Eigen::Index i = 1; i + 1 < n; ++i) slope.row(i) = 3 * (step(i) * secant(i - 1) + step(i - 1) * secant(i));
  const double back = step(n - 3) + step(n - 2);
  slope.row(n - 1) =
      (step(n - 2) * step(n - 2) * secant(n - 3) + (2 * back + step(n - 2)) * step(n - 3) * secant(n - 2)) / back;
  for (Eigen::Index i = 1; i < n; ++i) slope.row(i) -= lower_[static_cast<std::size_t>(i)] * slope.row(i - 1);
  slope.row(n - 1) *= inverse_.back();
  for (Eigen::Index i = n - 2; i >= 0; --i) {
    const auto s = static_cast<std::size_t>(i);
    slope.row(i) = (slope.row(i) - upper_[s] * slope.row(i + 1)) * inverse_[s];
  }
}

void SplineFill::fill(MatrixD& series) const {
  if (series.rows() != rows_) {
    throw ShapeError(fmt::format("a keep-mask of {} volumes for a series of {}", rows_, series.rows()));
  }
  if (complete_) return;
  const std::size_t n = kept_.size();
  MatrixD slope;
  if (n >= 4) slopes(series, slope);
  for (std::size_t i = 0; i + 1 < n; ++i) {
    const std::int64_t left = kept_[i];
    const std::int64_t right = kept_[i + 1];
    const double width = static_cast<double>(right - left);
    for (std::int64_t t = left + 1; t < right; ++t) {
      const double u = static_cast<double>(t - left) / width;
      const auto a = series.row(left);
      const auto b = series.row(right);
      if (n == 2) {
        series.row(t) = a + u * (b - a);
      } else if (n == 3) {
        const double x = static_cast<double>(t), x0 = static_cast<double>(kept_[0]), x1 = static_cast<double>(kept_[1]),
                     x2 = static_cast<double>(kept_[2]);
        series.row(t) = (x - x1) * (x - x2) / ((x0 - x1) * (x0 - x2)) * series.row(kept_[0]) +
                        (x - x0) * (x - x2) / ((x1 - x0) * (x1 - x2)) * series.row(kept_[1]) +
                        (x - x0) * (x - x1) / ((x2 - x0) * (x2 - x1)) * series.row(kept_[2]);
      } else {  // cubic Hermite
        const double v = 1 - u;
        const auto row = static_cast<Eigen::Index>(i);
        series.row(t) = v * v * (1 + 2 * u) * a + u * u * (1 + 2 * v) * b +
                        width * u * v * (v * slope.row(row) - u * slope.row(row + 1));
      }
    }
  }
}

}  // namespace noema
