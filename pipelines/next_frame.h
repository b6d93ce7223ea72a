// pipelines/next_frame: how well backbones foresee the next frame of series of regions.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "noema/io/table.h"
#include "noema/simulate/region_series.h"

namespace noema {

struct NextFrameOptions {
  std::vector<std::string> backbones;
  std::int64_t width = 64;
  int seeds = 3;
  std::uint64_t seed = 0;
  /// The last fifth of the subjects is held out.
  RegionSeriesOptions series;
  std::int64_t steps = 3000;

  NextFrameOptions() { series.study.subjects = 100; }

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// The mean absolute errors of a predictor in standard deviations of the training series, one for each seed.
struct NextFrameScore {
  std::string predictor;
  std::vector<double> errors;
  /// Of networks, all that they have; of their mixers for one run, floating-point operations and bytes that a
  /// recurrence keeps. NaN for the others.
  double parameters = std::numeric_limits<double>::quiet_NaN();
  double flops = std::numeric_limits<double>::quiet_NaN();
  double state_bytes = std::numeric_limits<double>::quiet_NaN();

  double mean() const;
  /// Standard deviation over the seeds; NaN for one.
  double spread() const;
};

/// Simulates a study for each seed, trains on its subjects but the held-out ones with the absolute error, and predicts
/// each frame of those from the ones before. First come "noise floor", "copy last frame" and "linear autoregression"
/// (order and penalty chosen on the last fifth of the training subjects, then fitted to all), then the backbones (which
/// learn from the others on `torch_device()` and take their best epoch on that fifth); as many side by side as there
/// are threads.
/// @throws UsageError, Cancelled
std::vector<NextFrameScore> bench_next_frame(const NextFrameOptions& options);

/// One row for each predictor, with the difference to the autoregression over seeds.
Table next_frame_table(const std::vector<NextFrameScore>& scores);

}  // namespace noema
