// pipelines/seed_scores: mean and spread of what repetitions with other seeds gave.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

namespace noema {

/// Significant digits of counts in tables of benchmarks: all of them.
inline constexpr int kDigitsOfCounts = 15;

inline double seed_mean(const std::vector<double>& scores) {
  double sum = 0;
  for (const double score : scores) sum += score;
  return sum / static_cast<double>(scores.size());
}

/// The standard deviation over repetitions (divisor n − 1); NaN for one.
inline double seed_spread(const std::vector<double>& scores) {
  if (scores.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  const double mean = seed_mean(scores);
  double sum = 0;
  for (const double score : scores) sum += (score - mean) * (score - mean);
  return std::sqrt(sum / static_cast<double>(scores.size() - 1));
}

}  // namespace noema
