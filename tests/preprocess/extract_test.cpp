#include "noema/preprocess/extract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "noema/core/error.h"

namespace noema {
namespace {

using testing::ElementsAre;

TEST(Extract, VoxelsComeInTheOrderOfTheMask) {
  Mask mask{{{10, 10, 10}, Eigen::Matrix4d::Identity()}, {5, 123, 999}};
  std::vector<float> volume(1000);
  for (std::size_t v = 0; v < 1000; ++v) volume[v] = static_cast<float>(v);
  std::vector<float> values(3);
  extract_voxels(volume, mask, values);
  EXPECT_THAT(values, ElementsAre(5, 123, 999));
  std::vector<float> wrong(2);
  EXPECT_THROW(extract_voxels(volume, mask, wrong), ShapeError);
}

TEST(Extract, ParcelMeansLeaveOutNaNAndUnusableVoxels) {
  const std::vector<float> voxels{1, 3, std::nanf(""), 10, 20, 7, 100};
  const std::vector<std::int32_t> parcel{0, 0, 0, 1, 1, -1, 3};
  std::vector<double> found = parcel_means(std::span(voxels), parcel, 4);
  EXPECT_THAT(found, ElementsAre(2, 15, testing::IsNan(), 100));
  const std::vector<std::uint8_t> usable{1, 1, 1, 1, 0, 1, 1};
  found = parcel_means(std::span(voxels), parcel, 4, usable);
  EXPECT_THAT(found, ElementsAre(2, 10, testing::IsNan(), 100));
  EXPECT_THROW(parcel_means(std::span(voxels).first(3), parcel, 4), ShapeError);
}

TEST(MapProjection, RecoversPlantedWeights) {
  MatrixD maps(50, 3);
  for (Eigen::Index v = 0; v < 50; ++v) {
    const double x = static_cast<double>(v) / 50;
    maps.row(v) << std::exp(-x * 3), std::sin(6 * x) + 1, x * x;
  }
  const Eigen::Vector3d planted(2, -1, 0.5);
  const Eigen::VectorXd volume = maps * planted;
  const MapProjection projection(maps);
  EXPECT_TRUE(projection.full_rank());
  EXPECT_LT((projection.apply({volume.data(), 50}) - planted).cwiseAbs().maxCoeff(), 1e-11);
}

// Two equal maps: the weights of smallest norm share what both explain.
TEST(MapProjection, DependentMapsGetTheSmallestWeights) {
  MatrixD maps(20, 3);
  for (Eigen::Index v = 0; v < 20; ++v) {
    maps.row(v) << static_cast<double>(v % 4), static_cast<double>(v % 4), static_cast<double>(v % 3 == 0);
  }
  const Eigen::VectorXd volume = maps * Eigen::Vector3d(4, 0, -1);
  const MapProjection projection(maps);
  EXPECT_FALSE(projection.full_rank());
  EXPECT_LT((projection.apply({volume.data(), 20}) - Eigen::Vector3d(2, 2, -1)).cwiseAbs().maxCoeff(), 1e-12);
}

TEST(MapProjection, RefusesBadMaps) {
  EXPECT_THROW(MapProjection(MatrixD(0, 3)), ShapeError);
  EXPECT_THROW(MapProjection(MatrixD::Constant(4, 2, std::numeric_limits<double>::infinity())), DataError);
  const MapProjection projection(MatrixD::Identity(4, 2));
  EXPECT_THROW(projection.apply(std::vector<double>(3)), ShapeError);
}

}  // namespace
}  // namespace noema
