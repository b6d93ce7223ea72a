#include "noema/simulate/region_series.h"

#include <gtest/gtest.h>
#include <Eigen/QR>

#include <cmath>
#include <numbers>

#include "noema/core/error.h"
#include "noema/simulate/design.h"

namespace noema {
namespace {

RegionSeriesOptions few() {
  RegionSeriesOptions options;
  options.study.subjects = 3;
  options.study.runs = 2;
  options.regions = 40;
  return options;
}

// Without signal: AR(1) noise, whose best prediction errs by √(1 − ar²)·√(2/π) of its SD.
TEST(RegionSeries, NoiseHasItsCorrelationAndFloor) {
  RegionSeriesOptions options = few();
  options.level = 0;
  options.study.noise_ar = 0.6;
  const std::vector<RegionRun> runs = simulate_region_series(options);
  ASSERT_EQ(runs.size(), 6U);
  double lagged = 0, floor = 0;
  for (const RegionRun& run : runs) {
    const Eigen::Index volumes = run.series.rows();
    EXPECT_EQ(volumes, 4 * 4 * 12 + 4);
    EXPECT_EQ(run.series.cols(), 40);
    EXPECT_NEAR(run.series.mean(), 0, 0.1);
    EXPECT_NEAR(run.series.cwiseAbs2().mean(), 1, 0.1);
    lagged += run.series.topRows(volumes - 1).cwiseProduct(run.series.bottomRows(volumes - 1)).mean() / 6;
    EXPECT_EQ(run.noise_floor.size(), 40);
    floor += run.noise_floor.mean() / 6;
  }
  EXPECT_NEAR(lagged, 0.6, 0.03);
  EXPECT_NEAR(floor, 0.8 * std::sqrt(2 / std::numbers::pi), 0.02);
}

// The part that the maps of one subject share is what the responses explain, the rest is the noise.
TEST(RegionSeries, SignalFollowsTheDesign) {
  RegionSeriesOptions options = few();
  options.level = 3;
  const std::vector<RegionRun> runs = simulate_region_series(options);
  for (const RegionRun& run : {runs[0], runs[3]}) {
    const SimulatedDesign design = draw_design(options.study, run.subject, run.run);
    MatrixD responses = state_responses(design, options.study, draw_hrf(options.study, run.subject));
    responses.rowwise() -= Eigen::RowVectorXd(responses.colwise().mean());
    MatrixD series = run.series.cast<double>();
    series.rowwise() -= Eigen::RowVectorXd(series.colwise().mean());
    const MatrixD left = series - responses * (responses.colPivHouseholderQr().solve(series)).eval();
    EXPECT_NEAR(left.cwiseAbs2().mean(), 0.95, 0.1);  // four responses and the mean take their share
    EXPECT_GT(series.cwiseAbs2().mean(), 2);
    // Someone who knows the responses alone is off by all of the noise.
    const double noise = std::sqrt(left.cwiseAbs2().mean()) * std::sqrt(2 / std::numbers::pi);
    EXPECT_LT(run.noise_floor.mean(), noise);
    EXPECT_GT(run.noise_floor.mean(), 0.8 * noise);
  }
  EXPECT_EQ(simulate_region_series(options)[3].series, runs[3].series);
  options.study.seed = 1;
  EXPECT_NE(simulate_region_series(options)[3].series, runs[3].series);
  options.regions = 0;
  EXPECT_THROW(simulate_region_series(options), UsageError);
}

}  // namespace
}  // namespace noema
