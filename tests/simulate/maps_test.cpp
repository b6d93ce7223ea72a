#include "noema/simulate/maps.h"

#include <gtest/gtest.h>

#include <cmath>

namespace noema {
namespace {

double sd(const Eigen::RowVectorXf& values) {
  const Eigen::RowVectorXd v = values.cast<double>();
  return std::sqrt((v.array() - v.mean()).square().mean());
}

double correlation(const Eigen::RowVectorXf& a, const Eigen::RowVectorXf& b) {
  const Eigen::RowVectorXd x = a.cast<double>().array() - a.cast<double>().mean();
  const Eigen::RowVectorXd y = b.cast<double>().array() - b.cast<double>().mean();
  return x.dot(y) / (x.norm() * y.norm());
}

// The brain of the default box has 4,304 voxels, symmetric about the origin.
TEST(MapsTest, Phantom) {
  const SimulationOptions options;
  const Phantom phantom = make_phantom(options);
  EXPECT_EQ(phantom.brain.size(), 4304);
  Eigen::Vector4d sum = Eigen::Vector4d::Zero();
  int grey = 0, white = 0, csf = 0;
  for (const std::int64_t voxel : phantom.brain.voxels) {
    const auto [i, j, k] = phantom.brain.grid.voxel_at(voxel);
    sum += phantom.brain.grid.ras_from_voxel * Eigen::Vector4d(double(i), double(j), double(k), 1);
    grey += phantom.tissue[static_cast<std::size_t>(voxel)] == Tissue::grey;
    white += phantom.tissue[static_cast<std::size_t>(voxel)] == Tissue::white;
    csf += phantom.tissue[static_cast<std::size_t>(voxel)] == Tissue::csf;
  }
  EXPECT_NEAR(sum.head<3>().norm(), 0, 1e-6);
  EXPECT_EQ(grey + white + csf, 4304);
  EXPECT_GT(grey, white);
  EXPECT_GT(white, csf);
  EXPECT_GT(csf, 0);
  EXPECT_FLOAT_EQ(phantom.baseline[0], 50);
  EXPECT_EQ(phantom.brain.grid.voxel_size_mm(), (std::array<double, 3>{3, 3, 3}));
}

// One slice and one voxel are brains too.
TEST(MapsTest, ThinBoxes) {
  SimulationOptions options;
  options.shape = {9, 7, 1};
  EXPECT_GT(make_phantom(options).brain.size(), 30);
  options.shape = {1, 1, 1};
  const Phantom one = make_phantom(options);
  EXPECT_EQ(one.brain.size(), 1);
  EXPECT_TRUE(state_maps(one, options).allFinite());
}

// Unit standard deviation over the brain; blobs are not negative, fields have mean 0; states differ.
TEST(MapsTest, StateMaps) {
  for (const MapKind kind : {MapKind::blobs, MapKind::fields}) {
    SimulationOptions options;
    options.maps = kind;
    const MatrixF maps = state_maps(make_phantom(options), options);
    ASSERT_EQ(maps.rows(), 4);
    for (Eigen::Index k = 0; k < 4; ++k) {
      EXPECT_NEAR(sd(maps.row(k)), 1, 1e-5);
      if (kind == MapKind::blobs) {
        EXPECT_GE(maps.row(k).minCoeff(), 0);
      } else {
        EXPECT_NEAR(maps.row(k).mean(), 0, 1e-5);
      }
      EXPECT_LT(std::abs(correlation(maps.row(k), maps.row((k + 1) % 4))), 0.6);
    }
  }
}

// What a subject adds has the standard deviation asked for and is the subject's own.
TEST(MapsTest, SubjectMaps) {
  SimulationOptions options;
  const Phantom phantom = make_phantom(options);
  const MatrixF common = state_maps(phantom, options);
  const MatrixF first = subject_maps(phantom, options, common, 0) - common;
  const MatrixF second = subject_maps(phantom, options, common, 1) - common;
  for (Eigen::Index k = 0; k < 4; ++k) {
    EXPECT_NEAR(sd(first.row(k)), 0.5, 1e-5);
    EXPECT_LT(std::abs(correlation(first.row(k), second.row(k))), 0.6);
    EXPECT_LT(std::abs(correlation(first.row(k), common.row(k))), 0.6);
  }
  options.own_map = 0;
  EXPECT_TRUE(subject_maps(phantom, options, common, 0) == common);
}

}  // namespace
}  // namespace noema
