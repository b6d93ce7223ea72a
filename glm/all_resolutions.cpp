#include "noema/glm/all_resolutions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/glm/clusters.h"
#include "noema/glm/multiple_testing.h"

namespace noema {
namespace {

std::vector<double> sorted_p(std::span<const double> p) {
  std::vector<double> sorted(p.begin(), p.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

void check(std::span<const double> p, double alpha) {
  if (!(alpha > 0 && alpha < 1)) {
    throw UsageError(fmt::format("found a level alpha of {}, expected one between 0 and 1, such as 0.05", alpha));
  }
  if (p.empty()) throw DataError("true discoveries were asked of a set without voxels");
  if (std::any_of(p.begin(), p.end(), [](double value) { return std::isnan(value); })) {
    throw DataError("found values that are NaN; leave those voxels out of the mask");
  }
}

}  // namespace

std::int64_t hommel_value(std::span<const double> p, double alpha) {
  check(p, alpha);
  const std::vector<double> sorted = sorted_p(p);
  const auto m = static_cast<std::int64_t>(sorted.size());
  if (sorted.front() > alpha) return m;
  if (sorted.back() < alpha) return 0;
  double slope = 0;
  for (std::int64_t i = 0; i + 1 < m; ++i) {
    slope = std::max(slope, (alpha - sorted[static_cast<std::size_t>(i)]) / static_cast<double>(m - 1 - i));
  }
  const double most = std::trunc(alpha / slope);  // infinite where the smallest p is alpha
  return most < static_cast<double>(m) ? static_cast<std::int64_t>(most) : m;
}

double true_discovery_proportion(std::span<const double> p, std::int64_t hommel, double alpha) {
  check(p, alpha);
  const std::vector<double> sorted = sorted_p(p);
  double most = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    // A set of u − 1 false ones cannot hold more than these. u is 1 at least: p of 0 alone does not make two.
    const double u = std::max(1.0, std::ceil(static_cast<double>(hommel) * sorted[i] / alpha));
    most = std::max(most, 1 - u + static_cast<double>(i + 1));
  }
  return most / static_cast<double>(sorted.size());
}

std::vector<double> true_discovery_map(const Mask& mask, std::span<const double> z, std::vector<double> thresholds,
                                       double alpha) {
  if (std::any_of(thresholds.begin(), thresholds.end(), [](double threshold) { return !(threshold >= 0); })) {
    throw UsageError("found a threshold below 0, expected heights that are not negative");
  }
  std::vector<double> p(z.size());
  std::transform(z.begin(), z.end(), p.begin(), normal_upper_tail);
  const std::int64_t hommel = hommel_value(p, alpha);
  std::sort(thresholds.begin(), thresholds.end());
  std::vector<double> proportions(z.size(), 0);
  ClusterFinder finder(mask);
  for (const double threshold : thresholds) {
    finder.find(z, threshold, 1, [&](std::span<const std::int32_t> members) {
      std::vector<double> of_cluster;
      for (const std::int32_t v : members) of_cluster.push_back(p[static_cast<std::size_t>(v)]);
      const double proportion = true_discovery_proportion(of_cluster, hommel, alpha);
      for (const std::int32_t v : members) proportions[static_cast<std::size_t>(v)] = proportion;
    });
  }
  return proportions;
}

}  // namespace noema
