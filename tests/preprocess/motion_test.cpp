#include "noema/preprocess/motion.h"

#include <gtest/gtest.h>

#include <Eigen/Geometry>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <numbers>

#include "noema/core/error.h"
#include "noema/tests/preprocess/made_up_head.h"

namespace noema {
namespace {

constexpr double kDegree = std::numbers::pi / 180;

RigidMotion motion(double x, double y, double z, double pitch_deg, double roll_deg, double yaw_deg) {
  return {{x, y, z}, Eigen::Vector3d(pitch_deg, roll_deg, yaw_deg) * kDegree};
}

/// Slow drifts and a jerk in the middle.
std::vector<RigidMotion> made_up_motion(int volumes) {
  std::vector<RigidMotion> result;
  for (int t = 0; t < volumes; ++t) {
    const double s = static_cast<double>(t) / volumes, jerk = t == volumes / 3 ? 1 : 0;
    result.push_back(motion(1.5 * s, -0.8 * std::sin(5 * s) + jerk, 2 * s * s - 2 * jerk, 2 * s + 2 * jerk, -1.2 * s,
                            0.7 * std::cos(4 * s) - jerk));
  }
  return result;
}

Image moved_run(const Grid& grid, const std::vector<RigidMotion>& truth, double noise) {
  Image run;
  run.header.grid = grid;
  run.header.volumes = static_cast<std::int64_t>(truth.size());
  run.header.tr_s = 2;
  run.values.resize(static_cast<std::size_t>(grid.voxel_count() * run.header.volumes));
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, static_cast<float>(noise));
  for (std::size_t t = 0; t < truth.size(); ++t) {
    const std::span<float> volume = run.volume(static_cast<std::int64_t>(t));
    draw_head(grid, matrix_of(truth[t], centre_of(grid)), head_at, volume);
    for (float& value : volume) value = (1 + 0.01F * static_cast<float>(t % 3)) * value + normal(random);
  }
  return run;
}

/// Motion from volume `a` to volume `b`.
Eigen::Matrix4d between(const RigidMotion& a, const RigidMotion& b, const Eigen::Vector3d& centre) {
  return matrix_of(b, centre) * matrix_of(a, centre).inverse();
}

/// Both relative to the middle volume, because where the reference lies is a matter of taste.
void expect_close(const MotionEstimate& found, const std::vector<RigidMotion>& truth) {
  ASSERT_EQ(found.motion.size(), truth.size());
  const Eigen::Vector3d& centre = found.centre_mm;
  const std::size_t middle = truth.size() / 2;
  double largest_mm = 0, largest_deg = 0;
  for (std::size_t t = 0; t < truth.size(); ++t) {
    const Eigen::Matrix4d error =
        between(found.motion[middle], found.motion[t], centre) * between(truth[middle], truth[t], centre).inverse();
    const Eigen::AngleAxisd turn(Eigen::Matrix3d(error.topLeftCorner<3, 3>()));
    largest_deg = std::max(largest_deg, std::abs(turn.angle()) / kDegree);
    largest_mm = std::max(largest_mm, ((error * centre.homogeneous()).head<3>() - centre).norm());
  }
  EXPECT_LT(largest_mm, 0.05);
  EXPECT_LT(largest_deg, 0.05);
  EXPECT_TRUE(found.unsettled.empty());
}

double mean_deviation_over_time(const Image& run) {
  double total = 0;
  const Grid& grid = run.header.grid;
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v) {
    const auto at = grid.voxel_at(v);
    bool interior = true;
    for (std::size_t a = 0; a < 3; ++a) interior = interior && at[a] > 2 && at[a] < grid.shape[a] - 3;
    if (!interior) continue;
    double sum = 0, squares = 0;
    for (std::int64_t t = 0; t < run.header.volumes; ++t) {
      const double value = static_cast<double>(run.volume(t)[static_cast<std::size_t>(v)]);
      sum += value;
      squares += value * value;
    }
    const double n = static_cast<double>(run.header.volumes);
    total += std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n)));
  }
  return total;
}

TEST(Motion, IsFoundAndUndone) {
  Grid grid = grid_around_origin({32, 32, 20}, Eigen::Vector3d(4, 4.4, 5).asDiagonal());
  grid.ras_from_voxel.col(3) += Eigen::Vector4d(12, -8, 30, 0);  // the head is off the middle, and cut off at the top
  grid.ras_from_voxel.col(3) -= Eigen::Vector4d(6, 0, 20, 0);
  const std::vector<RigidMotion> truth = made_up_motion(8);
  const Image run = moved_run(grid, truth, 4);
  const MotionEstimate found = estimate_motion(run);
  expect_close(found, truth);
  const Image realigned = resample_moved(run, transforms_of(found), grid);
  EXPECT_LT(mean_deviation_over_time(realigned), 0.5 * mean_deviation_over_time(run));
  EXPECT_EQ(realigned.header.tr_s, 2);
  // Without noise the realigned volumes are those of a head that does not move.
  const Image still = moved_run(grid, std::vector<RigidMotion>(8, truth[4]), 0);
  const Image clean = moved_run(grid, truth, 0);
  const Image back = resample_moved(clean, transforms_of(found), grid);
  EXPECT_LT(mean_deviation_over_time(back), 1.6 * mean_deviation_over_time(still));
}

/// Where a point of the head goes in each volume, written out, and what the six parameters must then be.
struct Pose {
  std::function<Eigen::Vector3d(const Eigen::Vector3d&)> moved_from_head;
  int parameter;
  double expected;
};

// +1 mm along an axis moves the head to the right, to the front, up. Positive angles: the nose goes up (x), the top to
// the right (y), the nose to the left (z). As the sidecar of the realigned runs says.
TEST(Motion, SignsOfTheSixParameters) {
  const Grid grid = grid_around_origin({36, 40, 32}, Eigen::Vector3d(4, 4, 4).asDiagonal());
  const double c = std::cos(2 * kDegree), s = std::sin(2 * kDegree);
  using V = Eigen::Vector3d;
  const std::vector<Pose> poses{
      {[](const V& x) { return V(x[0] + 1, x[1], x[2]); }, 0, 1},
      {[](const V& x) { return V(x[0], x[1] + 1, x[2]); }, 1, 1},
      {[](const V& x) { return V(x[0], x[1], x[2] + 1); }, 2, 1},
      {[&](const V& x) { return V(x[0], c * x[1] - s * x[2], s * x[1] + c * x[2]); }, 3, 2 * kDegree},
      {[&](const V& x) { return V(c * x[0] + s * x[2], x[1], c * x[2] - s * x[0]); }, 4, 2 * kDegree},
      {[&](const V& x) { return V(c * x[0] - s * x[1], s * x[0] + c * x[1], x[2]); }, 5, 2 * kDegree}};
  EXPECT_GT(poses[3].moved_from_head({0, 60, 0})[2], 0);  // the nose is in front
  EXPECT_GT(poses[4].moved_from_head({0, 0, 50})[0], 0);
  EXPECT_LT(poses[5].moved_from_head({0, 60, 0})[0], 0);
  Image run;
  run.header.grid = grid;
  run.header.volumes = 1 + std::ssize(poses) * 2;
  run.values.resize(static_cast<std::size_t>(grid.voxel_count() * run.header.volumes));
  for (std::int64_t t = 0; t < run.header.volumes; ++t) {  // still in even volumes
    Eigen::Matrix4d moved = Eigen::Matrix4d::Identity();
    if (t % 2 == 1) {
      const Pose& pose = poses[static_cast<std::size_t>(t / 2)];
      const V origin = pose.moved_from_head(V::Zero());
      moved.topRightCorner<3, 1>() = origin;
      for (int a = 0; a < 3; ++a) moved.col(a).head<3>() = pose.moved_from_head(V::Unit(a)) - origin;
    }
    draw_head(grid, moved, head_at, run.volume(t));
  }
  const MatrixD parameters = parameters_of(estimate_motion(run).motion);
  for (std::size_t p = 0; p < poses.size(); ++p) {
    const auto t = static_cast<Eigen::Index>(2 * p + 1);
    Eigen::RowVectorXd expected = Eigen::RowVectorXd::Zero(6);
    expected[poses[p].parameter] = poses[p].expected;
    const Eigen::RowVectorXd step = parameters.row(t) - parameters.row(t - 1);
    EXPECT_LT((step - expected).head<3>().cwiseAbs().maxCoeff(), 0.05) << p << ": " << step;
    EXPECT_LT((step - expected).tail<3>().cwiseAbs().maxCoeff(), 0.05 * kDegree) << p << ": " << step;
  }
}

TEST(Motion, ObliqueGridsAndStillHeads) {
  const Eigen::Matrix3d turn = Eigen::AngleAxisd(0.35, Eigen::Vector3d(2, -1, 1).normalized()).toRotationMatrix() *
                               Eigen::Vector3d(4.5, 4.5, 6).asDiagonal();
  const Grid grid = grid_around_origin({32, 32, 20}, turn);
  std::vector<RigidMotion> truth = made_up_motion(5);
  expect_close(estimate_motion(moved_run(grid, truth, 4)), truth);
  truth.assign(3, RigidMotion{});
  expect_close(estimate_motion(moved_run(grid, truth, 4)), truth);
}

// 200 volumes of 64×64×36 voxels within three minutes; run with NOEMA_LONG_TESTS=1.
TEST(Motion, ALongRun) {
  if (std::getenv("NOEMA_LONG_TESTS") == nullptr) GTEST_SKIP() << "set NOEMA_LONG_TESTS=1 to run it";
  const Grid grid = grid_around_origin({64, 64, 36}, Eigen::Vector3d(3, 3, 3.5).asDiagonal());
  const std::vector<RigidMotion> truth = made_up_motion(200);
  const Image run = moved_run(grid, truth, 10);
  const auto start = std::chrono::steady_clock::now();
  const MotionEstimate found = estimate_motion(run);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  RecordProperty("seconds", std::to_string(seconds));
  std::printf("motion of 200 volumes: %.1f s\n", seconds);
  EXPECT_LT(seconds, 180);
  expect_close(found, truth);
}

TEST(Motion, SignsAndCentre) {
  const Eigen::Vector3d centre(10, 20, 30);
  const Eigen::Matrix4d yaw = matrix_of(motion(1, 2, 3, 0, 0, 90), centre);
  EXPECT_LT((yaw * Eigen::Vector4d(15, 20, 30, 1) - Eigen::Vector4d(11, 27, 33, 1)).norm(), 1e-12);
  const Eigen::Matrix4d pitch = matrix_of(motion(0, 0, 0, 90, 0, 0), centre);
  EXPECT_LT((pitch * Eigen::Vector4d(10, 25, 30, 1) - Eigen::Vector4d(10, 20, 35, 1)).norm(), 1e-12);
  // First about x, then about z.
  const Eigen::Matrix4d both = matrix_of(motion(0, 0, 0, 90, 0, 90), centre);
  EXPECT_LT((both * Eigen::Vector4d(10, 25, 30, 1) - Eigen::Vector4d(10, 20, 35, 1)).norm(), 1e-12);
  const Grid grid = grid_around_origin({8, 9, 10}, Eigen::Vector3d(2, 2, 2).asDiagonal());
  EXPECT_LT(centre_of(grid).norm(), 1e-12);
}

TEST(Motion, Parameters) {
  const std::vector<RigidMotion> steps{{}, {{0.1, -0.2, 0.3}, {0.01, -0.02, 0.005}}};
  MatrixD expected(2, 6);
  expected << 0, 0, 0, 0, 0, 0, 0.1, -0.2, 0.3, 0.01, -0.02, 0.005;
  EXPECT_EQ(parameters_of(steps), expected);
}

TEST(Motion, WhatCannotBeDone) {
  Image run;
  run.header.grid = grid_around_origin({10, 10, 10}, Eigen::Matrix3d::Identity());
  run.header.volumes = 2;
  run.values.assign(2000, 5.0F);
  EXPECT_THROW(estimate_motion(run), DataError);
  MotionOptions options;
  options.compared = 0;
  EXPECT_THROW(estimate_motion(run, options), UsageError);
  EXPECT_THROW(resample_moved(run, std::vector<Eigen::Matrix4d>(1), run.header.grid), ShapeError);
  run.header.grid.shape = {100, 10, 1};
  EXPECT_THROW(estimate_motion(run), ShapeError);
}

}  // namespace
}  // namespace noema
