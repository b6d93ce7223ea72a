#include "noema/preprocess/motion_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"

namespace noema {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kMedian = 1000;
/// Distance of the quartiles of a normal distribution of standard deviation 1.
constexpr double kQuartileDistance = 1.349;
constexpr double kSmallestSpread = 1e-7;

double median_of_finite(const MatrixF& values) {
  std::vector<float> finite;
  finite.reserve(static_cast<std::size_t>(values.size()));
  std::copy_if(values.data(), values.data() + values.size(), std::back_inserter(finite),
               [](float value) { return std::isfinite(value); });
  if (finite.empty()) return 0;
  const auto middle = finite.begin() + static_cast<std::ptrdiff_t>(finite.size() / 2);
  std::nth_element(finite.begin(), middle, finite.end());
  if (finite.size() % 2 == 1) return static_cast<double>(*middle);
  return (static_cast<double>(*std::max_element(finite.begin(), middle)) + static_cast<double>(*middle)) / 2;
}

/// Standard deviation from the quartiles, each the lower of the two values around it.
double robust_spread(Eigen::VectorXd values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<Eigen::Index>(std::floor(share * static_cast<double>(values.size() - 1)))];
  };
  return (at(0.75) - at(0.25)) / kQuartileDistance;
}

double lag_one_autocorrelation(const Eigen::VectorXd& values) {
  const Eigen::ArrayXd centred = values.array() - values.mean();
  return (centred.head(centred.size() - 1) * centred.tail(centred.size() - 1)).sum() / centred.square().sum();
}

/// The standard deviation of a voxel's differences as its spread and autocorrelation predict it; NaN for voxels that
/// do not count.
double predicted_spread(const Eigen::VectorXd& values) {
  if (!values.allFinite()) return kNaN;
  const double spread = robust_spread(values);
  if (!(spread > kSmallestSpread)) return kNaN;
  return std::sqrt(2 * (1 - lag_one_autocorrelation(values))) * spread;
}

}  // namespace

Dvars dvars(const MatrixF& voxels) {
  const Eigen::Index volumes = voxels.rows();
  if (volumes < 2) throw DataError(fmt::format("DVARS needs at least 2 volumes, found {}", volumes));
  const double median = median_of_finite(voxels);
  if (median == 0) throw DataError("DVARS: the median of all values is 0, so there is no scale; is the mask right?");
  const double scale = kMedian / median;
  std::vector<double> spread(static_cast<std::size_t>(voxels.cols()));
  parallel_for(voxels.cols(), 256, [&](std::int64_t begin, std::int64_t end) {
    check_cancelled();
    for (std::int64_t v = begin; v < end; ++v) {
      spread[static_cast<std::size_t>(v)] = predicted_spread(voxels.col(v).cast<double>() * scale);
    }
  });
  double predicted = 0, count = 0;
  for (const double value : spread) {
    if (std::isnan(value)) continue;
    predicted += value;
    count += 1;
  }
  if (count == 0) throw DataError(fmt::format("DVARS: all {} voxels are constant or not finite", voxels.cols()));
  predicted /= count;
  Dvars result;
  result.plain.assign(static_cast<std::size_t>(volumes), kNaN);
  result.standardised = result.plain;
  for (Eigen::Index t = 1; t < volumes; ++t) {
    double sum = 0;
    for (Eigen::Index v = 0; v < voxels.cols(); ++v) {
      if (std::isnan(spread[static_cast<std::size_t>(v)])) continue;
      const double change = scale * (static_cast<double>(voxels(t, v)) - static_cast<double>(voxels(t - 1, v)));
      sum += change * change;
    }
    const double rms = std::sqrt(sum / count);
    result.plain[static_cast<std::size_t>(t)] = rms;
    result.standardised[static_cast<std::size_t>(t)] = rms / predicted;
  }
  return result;
}

}  // namespace noema
