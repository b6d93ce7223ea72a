#include "noema/glm/multiple_testing.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr double kBelow = 1e-12;  // so that the last voxel found lies above the threshold

void check(std::span<const double> z, double alpha) {
  if (!(alpha > 0 && alpha < 1)) {
    throw UsageError(fmt::format("found a level alpha of {}, expected one between 0 and 1, such as 0.05", alpha));
  }
  if (z.empty()) throw DataError("a threshold was asked of a map without voxels");
  const auto broken = std::count_if(z.begin(), z.end(), [](double value) { return std::isnan(value); });
  if (broken > 0) {
    throw DataError(fmt::format("{} of {} z values are NaN; leave those voxels out of the mask", broken, z.size()));
  }
}

}  // namespace

HeightControl parse_height_control(std::string_view name) {
  for (const HeightControl control : {HeightControl::fpr, HeightControl::fdr, HeightControl::bonferroni}) {
    if (name == height_control_name(control)) return control;
  }
  throw UsageError(fmt::format("there is no height control '{}', expected fpr, fdr or bonferroni", name));
}

std::string_view height_control_name(HeightControl control) {
  switch (control) {
    case HeightControl::fpr:
      return "fpr";
    case HeightControl::fdr:
      return "fdr";
    case HeightControl::bonferroni:
      break;
  }
  return "bonferroni";
}

double normal_upper_tail(double z) {
  return std::isinf(z) ? (z > 0 ? 0 : 1) : boost::math::cdf(boost::math::complement(boost::math::normal(), z));
}

double normal_from_upper_tail(double p) {
  return boost::math::quantile(boost::math::complement(boost::math::normal(), p));
}

double fdr_threshold(std::span<const double> z, double alpha) {
  check(z, alpha);
  std::vector<double> sorted(z.begin(), z.end());
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const auto n = static_cast<double>(sorted.size());
  for (std::size_t i = sorted.size(); i-- > 0;) {
    if (normal_upper_tail(sorted[i]) < alpha * static_cast<double>(i + 1) / n) return sorted[i] - kBelow;
  }
  return std::numeric_limits<double>::infinity();
}

double height_threshold(std::span<const double> z, HeightControl control, double alpha, bool two_sided) {
  check(z, alpha);
  const double tail = two_sided ? alpha / 2 : alpha;
  if (control == HeightControl::fpr) return normal_from_upper_tail(tail);
  if (control == HeightControl::bonferroni) return normal_from_upper_tail(tail / static_cast<double>(z.size()));
  if (!two_sided) return fdr_threshold(z, tail);
  std::vector<double> heights(z.size());
  std::transform(z.begin(), z.end(), heights.begin(), [](double value) { return std::abs(value); });
  return fdr_threshold(heights, tail);
}

}  // namespace noema
