// tests/glm/made_up: a design and noise for tests.
#pragma once

#include <random>

#include "noema/glm/design.h"

namespace noema {

/// Columns a, b (alternating blocks of 10 s, 10 s apart), drifts and constant; TR 2 s.
inline DesignMatrix block_design(std::int64_t volumes) {
  std::vector<Event> events;
  for (double onset_s = 4; onset_s + 10 < 2 * static_cast<double>(volumes); onset_s += 20) {
    events.push_back({onset_s, 10, events.size() % 2 == 0 ? "a" : "b"});
  }
  return make_design(events, frame_times(volumes, 2));
}

/// (T, V) of y_t = ρ y_{t−1} + e_t, with e_t standard normal.
inline MatrixD ar1_noise(Eigen::Index volumes, Eigen::Index voxels, double rho, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  MatrixD noise(volumes, voxels);
  for (double& value : noise.reshaped<Eigen::RowMajor>()) value = normal(random);
  noise.row(0) /= std::sqrt(1 - rho * rho);
  for (Eigen::Index t = 1; t < volumes; ++t) noise.row(t) += rho * noise.row(t - 1);
  return noise;
}

}  // namespace noema
