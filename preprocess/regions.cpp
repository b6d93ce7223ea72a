#include "noema/preprocess/regions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/preprocess/simd.h"

namespace noema {
namespace {

constexpr std::pair<RegionStatistic, std::string_view> kNames[] = {
    {RegionStatistic::mean, "mean"},
    {RegionStatistic::median, "median"},
    {RegionStatistic::sum, "sum"},
    {RegionStatistic::minimum, "minimum"},
    {RegionStatistic::maximum, "maximum"},
    {RegionStatistic::variance, "variance"},
    {RegionStatistic::standard_deviation, "standard_deviation"},
};

/// Sums that are independent of each other, so that additions need not wait for the last.
constexpr std::size_t kLanes = 8;

template <class T>
inline __attribute__((always_inline)) double gathered(const T* values, const std::int32_t* at, std::size_t n) {
  std::array<double, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t q = 0; q < kLanes; ++q) sums[q] += static_cast<double>(values[at[i + q]]);
  }
  double sum = 0;
  for (; i < n; ++i) sum += static_cast<double>(values[at[i]]);
  for (const double lane : sums) sum += lane;
  return sum;
}
// Not templates: the compiler clones only plain functions.
NOEMA_SIMD_CLONES
double sum_at(const float* values, const std::int32_t* at, std::size_t n) { return gathered(values, at, n); }
NOEMA_SIMD_CLONES
double sum_at(const double* values, const std::int32_t* at, std::size_t n) { return gathered(values, at, n); }

double middle(std::vector<double>& values) {
  const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), half, values.end());
  return values.size() % 2 == 1 ? *half : 0.5 * (*half + *std::max_element(values.begin(), half));
}

double variance_of(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  for (const double value : values) squares += (value - sum / n) * (value - sum / n);
  return squares / n;
}

double statistic_of(std::vector<double>& values, RegionStatistic statistic) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  switch (statistic) {
    case RegionStatistic::mean:
    case RegionStatistic::sum:
      for (const double value : values) sum += value;
      return statistic == RegionStatistic::sum ? sum : sum / static_cast<double>(values.size());
    case RegionStatistic::median:
      return middle(values);
    case RegionStatistic::minimum:
      return *std::min_element(values.begin(), values.end());
    case RegionStatistic::maximum:
      return *std::max_element(values.begin(), values.end());
    case RegionStatistic::variance:
      return variance_of(values);
    case RegionStatistic::standard_deviation:
      return std::sqrt(variance_of(values));
  }
  return sum;
}

}  // namespace

std::string_view region_statistic_name(RegionStatistic statistic) {
  return std::find_if(std::begin(kNames), std::end(kNames), [&](const auto& pair) { return pair.first == statistic; })
      ->second;
}

std::optional<RegionStatistic> parse_region_statistic(std::string_view name) {
  for (const auto& [statistic, known] : kNames) {
    if (known == name) return statistic;
  }
  return {};
}

Regions::Regions(std::span<const std::int32_t> region_of_voxel, std::int64_t count,
                 std::span<const std::uint8_t> usable)
    : voxels_(static_cast<std::int64_t>(region_of_voxel.size())) {
  if (!usable.empty() && usable.size() != region_of_voxel.size()) {
    throw ShapeError(
        fmt::format("regions: {} voxels and {} marks of usable ones", region_of_voxel.size(), usable.size()));
  }
  begin_.assign(static_cast<std::size_t>(count) + 1, 0);
  const auto region_of = [&](std::size_t v) { return usable.empty() || usable[v] ? region_of_voxel[v] : -1; };
  for (std::size_t v = 0; v < region_of_voxel.size(); ++v) {
    if (region_of_voxel[v] >= count) {
      throw ShapeError(fmt::format("regions: voxel {} is of region {}, there are {}", v, region_of_voxel[v], count));
    }
    if (region_of(v) >= 0) ++begin_[static_cast<std::size_t>(region_of(v)) + 1];
  }
  for (std::size_t r = 1; r < begin_.size(); ++r) begin_[r] += begin_[r - 1];
  members_.resize(static_cast<std::size_t>(begin_.back()));
  std::vector<std::int64_t> next(begin_.begin(), begin_.end() - 1);
  for (std::size_t v = 0; v < region_of_voxel.size(); ++v) {
    const std::int32_t region = region_of(v);
    if (region < 0) continue;
    members_[static_cast<std::size_t>(next[static_cast<std::size_t>(region)]++)] = static_cast<std::int32_t>(v);
  }
}

Regions::Regions(const std::vector<std::vector<std::int64_t>>& voxels_of_region, std::int64_t voxels)
    : voxels_(voxels), begin_{0} {
  for (const std::vector<std::int64_t>& region : voxels_of_region) {
    for (const std::int64_t voxel : region) {
      if (voxel < 0 || voxel >= voxels) {
        throw ShapeError(fmt::format("regions: found voxel {}, there are {}", voxel, voxels));
      }
      members_.push_back(static_cast<std::int32_t>(voxel));
    }
    begin_.push_back(static_cast<std::int64_t>(members_.size()));
  }
}

template <class T>
void Regions::apply_to(std::span<const T> volume, RegionStatistic statistic, std::span<double> values) const {
  if (static_cast<std::int64_t>(volume.size()) != voxels_ || static_cast<std::int64_t>(values.size()) != count()) {
    throw ShapeError(fmt::format("regions: {} values for {} voxels, {} results for {} regions", volume.size(), voxels_,
                                 values.size(), count()));
  }
  const bool is_sum = statistic == RegionStatistic::sum || statistic == RegionStatistic::mean;
  std::vector<double> finite;
  for (std::int64_t r = 0; r < count(); ++r) {
    const std::span<const std::int32_t> members = of(r);
    double& value = values[static_cast<std::size_t>(r)];
    if (is_sum && !members.empty()) {
      const double sum = sum_at(volume.data(), members.data(), members.size());
      value = statistic == RegionStatistic::sum ? sum : sum / static_cast<double>(members.size());
      if (std::isfinite(value)) continue;  // so all values were
    }
    finite.clear();
    for (const std::int32_t v : members) {
      const T found = volume[static_cast<std::size_t>(v)];
      if (std::isfinite(found)) finite.push_back(static_cast<double>(found));
    }
    value = statistic_of(finite, statistic);
  }
}

void Regions::apply(std::span<const float> volume, RegionStatistic statistic, std::span<double> values) const {
  apply_to(volume, statistic, values);
}

void Regions::apply(std::span<const double> volume, RegionStatistic statistic, std::span<double> values) const {
  apply_to(volume, statistic, values);
}

MatrixD Regions::apply(const Eigen::Ref<const MatrixF>& volumes, RegionStatistic statistic) const {
  MatrixD values(volumes.rows(), count());
  parallel_for(volumes.rows(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      check_cancelled();
      apply(std::span(volumes.row(t).data(), static_cast<std::size_t>(volumes.cols())), statistic,
            {values.row(t).data(), static_cast<std::size_t>(values.cols())});
    }
  });
  return values;
}

void Regions::spread(std::span<const double> values, std::span<float> volume) const {
  if (static_cast<std::int64_t>(volume.size()) != voxels_ || static_cast<std::int64_t>(values.size()) != count()) {
    throw ShapeError(fmt::format("regions: {} values of {} regions to {} of {} voxels", values.size(), count(),
                                 volume.size(), voxels_));
  }
  std::vector<double> sum(volume.size());
  std::vector<std::int32_t> times(volume.size());
  for (std::int64_t r = 0; r < count(); ++r) {
    for (const std::int32_t v : of(r)) {
      sum[static_cast<std::size_t>(v)] += values[static_cast<std::size_t>(r)];
      ++times[static_cast<std::size_t>(v)];
    }
  }
  for (std::size_t v = 0; v < volume.size(); ++v) {
    volume[v] = times[v] > 0 ? static_cast<float>(sum[v] / times[v]) : 0.0F;
  }
}

}  // namespace noema
