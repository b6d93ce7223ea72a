#include "noema/preprocess/smooth.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/settings.h"

namespace noema {
namespace {

Grid grid_of(std::array<std::int64_t, 3> shape, double x_mm, double y_mm, double z_mm) {
  Grid grid{shape, Eigen::Matrix4d::Identity()};
  grid.ras_from_voxel.diagonal() << x_mm, y_mm, z_mm, 1;
  return grid;
}

TEST(Smooth, DeltaBecomesAGaussianOfTheSameSum) {
  const Grid grid = grid_of({21, 23, 19}, 2, 2, 3);
  std::vector<double> volume(static_cast<std::size_t>(grid.voxel_count()));
  const auto at = [&](std::int64_t i, std::int64_t j, std::int64_t k) {
    return static_cast<std::size_t>(grid.linear_index(i, j, k));
  };
  volume[at(10, 11, 9)] = 1;
  Smoother(grid, 4).apply(volume);
  EXPECT_NEAR(volume[at(10, 11, 9)], 0.154906216619, 1e-12);
  EXPECT_NEAR(std::accumulate(volume.begin(), volume.end(), 0.0), 1, 1e-13);
  // At half the width along z (3 mm of 4 mm): exp(−x²/2σ²), and the same to both sides.
  const double sigma_mm = 4 / std::sqrt(8 * std::log(2.0));
  EXPECT_NEAR(volume[at(10, 11, 10)] / volume[at(10, 11, 9)], std::exp(-9 / (2 * sigma_mm * sigma_mm)), 1e-12);
  EXPECT_NEAR(volume[at(9, 11, 9)], volume[at(11, 11, 9)], 1e-16);
  EXPECT_NEAR(volume[at(9, 11, 9)] / volume[at(10, 11, 9)], std::exp(-4 / (2 * sigma_mm * sigma_mm)), 1e-12);
}

// Mirrored borders keep constants and sums, even where the kernel is longer than the axis.
TEST(Smooth, BordersAreMirrored) {
  const Grid grid = grid_of({5, 6, 7}, 1, 1, 1);
  std::vector<float> constant(210, 3.0F);
  Smoother smoother(grid, 12);
  smoother.apply(constant);
  for (const float value : constant) EXPECT_NEAR(value, 3, 1e-5);
  std::vector<double> corner(210);
  corner[0] = 1;
  smoother.apply(corner);
  EXPECT_NEAR(std::accumulate(corner.begin(), corner.end(), 0.0), 1, 1e-13);
}

TEST(Smooth, NotFiniteValuesCountAsZero) {
  const Grid grid = grid_of({8, 8, 8}, 2, 2, 2);
  std::vector<float> a(512, 1.0F), b(512, 1.0F);
  a[100] = 0;
  b[100] = std::numeric_limits<float>::infinity();
  Smoother smoother(grid, 5);
  smoother.apply(a);
  smoother.apply(b);
  EXPECT_EQ(a, b);
}

TEST(Smooth, ThinAxesAreSkippedWithOneWarning) {
  const Grid grid = grid_of({9, 9, 1}, 2, 2, 2);
  const WarningCollector warnings;
  std::vector<double> volume(81);
  volume[40] = 1;
  Smoother smoother(grid, 4);
  smoother.apply(volume);
  std::vector<double> again = volume;
  smoother.apply(again);
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_EQ(warnings.entries()[0].count, 1);
  EXPECT_NEAR(volume[40], std::pow(volume[31] / volume[40], -2) * volume[30], 1e-12);  // separable
  EXPECT_LT(volume[40], 0.5);
}

TEST(Smooth, WidthZeroChangesNothing) {
  std::vector<float> volume{1, std::numeric_limits<float>::quiet_NaN()};
  Smoother(grid_of({2, 1, 1}, 1, 1, 1), 0).apply(volume);
  EXPECT_EQ(volume[0], 1);
  EXPECT_TRUE(std::isnan(volume[1]));
  EXPECT_THROW(Smoother(grid_of({2, 1, 1}, 1, 1, 1), -1), UsageError);
  std::vector<float> wrong(3);
  EXPECT_THROW(Smoother(grid_of({2, 1, 1}, 1, 1, 1), 1).apply(wrong), ShapeError);
}

TEST(Smooth, DoesNotDependOnThreads) {
  const Grid grid = grid_of({40, 41, 30}, 2, 2, 2);
  std::vector<float> a(static_cast<std::size_t>(grid.voxel_count()));
  for (std::size_t v = 0; v < a.size(); ++v) a[v] = std::sin(static_cast<float>(v));
  std::vector<float> b = a;
  const int threads = thread_count();
  set_thread_count(1);
  Smoother(grid, 6).apply(a);
  set_thread_count(3);
  Smoother(grid, 6).apply(b);
  set_thread_count(threads);
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace noema
