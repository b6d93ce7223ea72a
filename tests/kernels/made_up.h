// tests/kernels/made_up: rows of made-up numbers, and how far results are off.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "noema/kernels/series.h"
#include "noema/kernels/simd.h"

namespace noema {

inline std::vector<SimdLevel> levels_here() {
  std::vector<SimdLevel> levels;
  for (const SimdLevel level : {SimdLevel::baseline, SimdLevel::avx2, SimdLevel::avx512, SimdLevel::amx}) {
    if (level <= highest_simd_level()) levels.push_back(level);
  }
  return levels;
}

inline std::vector<float> normal(std::int64_t count, unsigned seed, double scale = 1, double offset = 0) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> draw;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(scale * draw(engine) + offset);
  return values;
}

/// Of unit variance and without the tails that a product of normal numbers has for the same rms: gates.
inline std::vector<float> uniform(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> draw(-std::sqrt(3.0F), std::sqrt(3.0F));
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = draw(engine);
  return values;
}

/// max |found − expected| / rms(expected).
inline double relative_error(const std::vector<float>& found, const std::vector<double>& expected) {
  double worst = 0, power = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double error = std::abs(found[i] - expected[i]);
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    power += expected[i] * expected[i];
  }
  return worst / std::sqrt(power / static_cast<double>(expected.size()) + 1e-300);
}

}  // namespace noema
