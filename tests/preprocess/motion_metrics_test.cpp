#include "noema/preprocess/motion_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "noema/core/error.h"
#include "noema/io/confounds.h"
#include "noema/core/random.h"

namespace noema {
namespace {

TEST(FramewiseDisplacement, IsTheSumOfAbsoluteChanges) {
  MatrixD parameters(4, 6);
  parameters << 0, 0, 0, 0, 0, 0,      //
      1, -2, 0.5, 0, 0, 0,             //
      1, -2, 0.5, 0.01, -0.02, 0.005,  //
      1.25, -1.5, 0.5, 0.01, -0.02, -0.005;
  const std::vector<double> found = framewise_displacement(parameters);
  EXPECT_TRUE(std::isnan(found[0]));
  EXPECT_NEAR(found[1], 3.5, 1e-14);
  EXPECT_NEAR(found[2], 50 * 0.035, 1e-14);
  EXPECT_NEAR(found[3], 0.75 + 50 * 0.01, 1e-14);
  EXPECT_NEAR(framewise_displacement(parameters, 80)[2], 80 * 0.035, 1e-14);
  EXPECT_THROW(framewise_displacement(MatrixD::Zero(4, 5)), ShapeError);
}

/// nipype's definition, voxel by voxel and term by term.
std::vector<double> direct_std_dvars(const MatrixF& voxels) {
  const auto volumes = static_cast<std::size_t>(voxels.rows());
  double predicted = 0;
  std::vector<double> squares(volumes, 0);
  double count = 0;
  for (Eigen::Index v = 0; v < voxels.cols(); ++v) {
    std::vector<double> x(volumes);
    for (std::size_t t = 0; t < volumes; ++t) x[t] = static_cast<double>(voxels(static_cast<Eigen::Index>(t), v));
    std::vector<double> sorted = x;
    std::sort(sorted.begin(), sorted.end());
    const double spread = (sorted[(3 * (volumes - 1)) / 4] - sorted[(volumes - 1) / 4]) / 1.349;
    if (spread == 0) continue;
    double mean = 0, r0 = 0, r1 = 0;
    for (const double value : x) mean += value / static_cast<double>(volumes);
    for (std::size_t t = 0; t < volumes; ++t) {
      r0 += (x[t] - mean) * (x[t] - mean);
      if (t > 0) r1 += (x[t] - mean) * (x[t - 1] - mean);
      if (t > 0) squares[t] += (x[t] - x[t - 1]) * (x[t] - x[t - 1]);
    }
    predicted += std::sqrt(2 * (1 - r1 / r0)) * spread;
    count += 1;
  }
  std::vector<double> result(volumes, std::numeric_limits<double>::quiet_NaN());
  for (std::size_t t = 1; t < volumes; ++t) result[t] = std::sqrt(squares[t] / count) / (predicted / count);
  return result;
}

MatrixF noise(Eigen::Index volumes, Eigen::Index voxels) {
  MatrixF values(volumes, voxels);
  for (Eigen::Index v = 0; v < voxels; ++v) {
    RandomStream random(static_cast<std::uint64_t>(v), "dvars");
    double state = 0;
    for (Eigen::Index t = 0; t < volumes; ++t) {
      state = 0.4 * state + random.normal();
      values(t, v) = static_cast<float>(500 + 3 * static_cast<double>(v) + 5 * state);
    }
  }
  return values;
}

TEST(Dvars, EqualsADirectComputation) {
  const MatrixF voxels = noise(60, 301);
  const Dvars found = dvars(voxels);
  const std::vector<double> expected = direct_std_dvars(voxels);
  EXPECT_TRUE(std::isnan(found.standardised[0]));
  for (std::size_t t = 1; t < 60; ++t) EXPECT_NEAR(found.standardised[t], expected[t], 1e-10 * expected[t]) << t;
}

TEST(Dvars, IsAboutOneForNoiseAndLargeAtAJump) {
  MatrixF voxels = noise(400, 800);
  double mean = 0;
  const Dvars quiet = dvars(voxels);
  for (std::size_t t = 1; t < 400; ++t) mean += quiet.standardised[t] / 399;
  EXPECT_NEAR(mean, 1, 0.03);
  voxels.row(100).array() += 40;
  const Dvars jumped = dvars(voxels);
  EXPECT_GT(jumped.standardised[100], 4);
  EXPECT_GT(jumped.standardised[101], 4);
  EXPECT_LT(jumped.standardised[102], 1.5);
}

TEST(Dvars, PlainIsInUnitsOfAMedianOfOneThousand) {
  MatrixF voxels(5, 2);
  voxels << 2, 2, 4, 2, 2, 2, 4, 2, 2, 2;  // the second voxel is constant and does not count
  const Dvars found = dvars(voxels);       // median 2, so a change of 2 is one of 1000
  for (std::size_t t = 1; t < 5; ++t) EXPECT_DOUBLE_EQ(found.plain[t], 1000);
}

TEST(Dvars, VoxelsThatAreNotFiniteDoNotCountAndRefusals) {
  MatrixF voxels = noise(40, 20);
  const std::vector<double> expected = direct_std_dvars(voxels.rightCols(19));
  voxels(7, 0) = std::numeric_limits<float>::quiet_NaN();
  const Dvars found = dvars(voxels);
  for (std::size_t t = 1; t < 40; ++t) EXPECT_NEAR(found.standardised[t], expected[t], 1e-10);
  EXPECT_THROW(dvars(MatrixF::Constant(10, 3, 7)), DataError);
  EXPECT_THROW(dvars(MatrixF::Zero(10, 3)), DataError);
  EXPECT_THROW(dvars(noise(1, 3)), DataError);
}

}  // namespace
}  // namespace noema
