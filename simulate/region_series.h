// simulate/region_series: series of regions of many subjects, without the images.
#pragma once

#include <cstdint>
#include <vector>

#include "noema/io/series.h"
#include "noema/simulate/options.h"

namespace noema {

struct RegionSeriesOptions {
  /// Subjects, runs, states, design, response, `own_map`, `noise_ar` and seed; what is said of voxels has no meaning.
  SimulationOptions study;
  int regions = 32;
  /// SD over regions of what a lasting state shows, where the noise's SD in time is 1.
  double level = 1;

  /// @throws UsageError for values out of range.
  void validate() const;
};

struct RegionRun {
  int subject = 0;
  int run = 0;
  /// (T, R).
  MatrixF series;
  /// (R): the mean absolute error of who knows what is shown in the next volume, the subject's maps and response, and
  /// the noise so far. Nobody's is lower, but by chance.
  Eigen::RowVectorXd noise_floor;
};

/// level·Σ_k response_k(t)·map_k + e with e_t = ar·e_{t−1} + √(1 − ar²)·w_t: designs and responses as `simulate_run`
/// has them, and maps M + own_map·O, M the same in all subjects, of standard normal weights of regions. Not
/// standardised: a run's own mean and SD would tell of its future.
std::vector<RegionRun> simulate_region_series(const RegionSeriesOptions& options);

}  // namespace noema
