#include "noema/preprocess/censor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "noema/core/error.h"

namespace noema {
namespace {

using testing::ElementsAre;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> spikes(std::size_t volumes, std::initializer_list<std::size_t> at) {
  std::vector<double> fd(volumes, 0.1);
  for (const std::size_t t : at) fd[t] = 2;
  return fd;
}

TEST(KeepMask, ThresholdsAreExceededStrictlyAndNotByNaN) {
  const std::vector<double> fd{kNaN, 0.5, 0.51, 0.1, 0.1};
  const std::vector<double> dvars{kNaN, 1.0, 1.0, 1.5, 1.6};
  EXPECT_THAT(keep_mask(fd, dvars, {.shortest_segment = 0}), ElementsAre(1, 1, 0, 1, 0));
  EXPECT_THAT(keep_mask({}, dvars, {.shortest_segment = 0}), ElementsAre(1, 1, 1, 1, 0));
}

TEST(KeepMask, ShortStretchesAreCensoredToo) {
  // stretches of 2 | 3 | 2 | 3 volumes around the spikes
  const std::vector<double> fd = spikes(13, {2, 6, 9});
  EXPECT_THAT(keep_mask(fd, {}, {.shortest_segment = 3}), ElementsAre(0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1));
  EXPECT_THAT(keep_mask(fd, {}, {.shortest_segment = 2}), ElementsAre(1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1));
}

TEST(KeepMask, ShortRunWithoutMotionIsKept) {
  EXPECT_THAT(keep_mask(spikes(3, {}), {}, {.shortest_segment = 5}), ElementsAre(1, 1, 1));
}

TEST(KeepMask, RefusesDifferentLengths) { EXPECT_THROW(keep_mask(spikes(3, {}), spikes(4, {})), ShapeError); }

// Not-a-knot splines reproduce cubics, whichever volumes are missing.
TEST(SplineFill, IsExactForCubicsWithAnyPattern) {
  const auto cubic = [](double t) { return 3 - 2 * t + 0.5 * t * t - 0.03 * t * t * t; };
  for (const auto& censored : std::vector<std::vector<std::size_t>>{
           {3, 6}, {4, 5}, {1}, {8}, {1, 8}, {2, 3, 4, 5, 6}, {1, 2, 4, 5, 7}, {0, 4, 9}}) {
    std::vector<std::uint8_t> keep(10, 1);
    for (const std::size_t t : censored) keep[t] = 0;
    MatrixD series(10, 2), expected(10, 2);
    for (Eigen::Index t = 0; t < 10; ++t) {
      expected.row(t) << cubic(static_cast<double>(t)), -2 * cubic(static_cast<double>(t) / 2);
    }
    series = expected;
    for (const std::size_t t : censored) series.row(static_cast<Eigen::Index>(t)).setConstant(kNaN);
    const SplineFill spline(keep);
    spline.fill(series);
    for (std::int64_t t = spline.first(); t < spline.end(); ++t) {
      EXPECT_LT((series.row(t) - expected.row(t)).cwiseAbs().maxCoeff(), 1e-12) << "volume " << t;
    }
  }
}

TEST(SplineFill, FewKeptVolumesGiveALineOrAParabola) {
  MatrixD series(5, 1);
  series << 1, kNaN, kNaN, kNaN, 9;
  SplineFill(std::vector<std::uint8_t>{1, 0, 0, 0, 1}).fill(series);
  EXPECT_THAT(series.reshaped(), ElementsAre(1, 3, 5, 7, 9));
  series << 0, 1, kNaN, kNaN, 16;
  SplineFill(std::vector<std::uint8_t>{1, 1, 0, 0, 1}).fill(series);
  EXPECT_NEAR(series(2, 0), 4, 1e-12);
  EXPECT_NEAR(series(3, 0), 9, 1e-12);
}

TEST(SplineFill, RefusesWhenNothingIsKept) { EXPECT_THROW(SplineFill(std::vector<std::uint8_t>(4, 0)), DataError); }

}  // namespace
}  // namespace noema
