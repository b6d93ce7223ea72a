// Correlations and overlaps of maps.
#include "noema/interpret/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> part_of(std::span<const double> values, MapPart part) {
  std::vector<double> result(values.begin(), values.end());
  for (double& value : result) {
    if (!std::isfinite(value)) throw NumericalError("found a value that is not finite in a map to compare");
    if (part == MapPart::absolute) value = std::abs(value);
    if (part == MapPart::positive) value = std::max(value, 0.0);
  }
  return result;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : kNaN;
}

/// Indices from the largest value to the smallest, the lower index first among equals.
std::vector<std::size_t> descending(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return values[i] > values[j]; });
  return order;
}

std::vector<double> mean_ranks(const std::vector<double>& values) {
  const std::vector<std::size_t> order = descending(values);
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first + 1;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    // Descending order, so the rank counts down.
    const double rank = -0.5 * static_cast<double>(first + end - 1);
    for (std::size_t i = first; i < end; ++i) ranks[order[i]] = rank;
    first = end;
  }
  return ranks;
}

/// The features above zero among the largest `count`.
std::vector<char> top(const std::vector<double>& values, const std::vector<std::size_t>& order, std::size_t count) {
  std::vector<char> in(values.size(), 0);
  for (std::size_t i = 0; i < count; ++i) in[order[i]] = values[order[i]] > 0;
  return in;
}

double dice(const std::vector<char>& a, const std::vector<char>& b) {
  double both = 0, sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    both += a[i] && b[i] ? 1 : 0;
    sum += a[i] + b[i];
  }
  return sum > 0 ? 2 * both / sum : kNaN;
}

}  // namespace

std::string_view to_string(MapPart part) {
  switch (part) {
    case MapPart::signed_values:
      return "signed";
    case MapPart::absolute:
      return "absolute";
    case MapPart::positive:
      return "positive part";
  }
  return "";
}

Agreement compare_maps(std::span<const double> a, std::span<const double> b, MapPart part) {
  if (a.size() != b.size()) throw ShapeError(fmt::format("found maps of {} and {} features", a.size(), b.size()));
  if (a.size() < 3) throw ShapeError(fmt::format("found maps of {} features, expected at least 3", a.size()));
  const std::vector<double> first = part_of(a, part), second = part_of(b, part);
  Agreement result;
  result.features = static_cast<std::int64_t>(a.size());
  result.pearson = correlation(first, second);
  result.spearman = correlation(mean_ranks(first), mean_ranks(second));
  const std::vector<std::size_t> order_a = descending(first), order_b = descending(second);
  for (const double fraction : kTopFractions) {
    const auto count = static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(a.size())));
    result.dice.push_back(dice(top(first, order_a, count), top(second, order_b, count)));
  }
  return result;
}

}  // namespace noema
