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

// More maps than fit one block, numbers of volumes that do not fill one, and more voxels than one stretch.
TEST(MapProjection, ManyVolumesAreAsOneByOne) {
  for (const bool dependent : {false, true}) {
    MatrixD maps(2500, 11);
    for (Eigen::Index v = 0; v < maps.rows(); ++v) {
      for (Eigen::Index f = 0; f < 11; ++f) maps(v, f) = std::sin(0.01 * static_cast<double>((f + 1) * v + f * f));
    }
    if (dependent) maps.col(10) = maps.col(3) - maps.col(4);
    const MapProjection projection(maps);
    EXPECT_EQ(projection.full_rank(), !dependent);
    for (const Eigen::Index volumes : {1, 4, 9}) {
      MatrixF values(volumes, 2500);
      for (Eigen::Index t = 0; t < volumes; ++t) {
        for (Eigen::Index v = 0; v < 2500; ++v) values(t, v) = std::cos(static_cast<float>(v % 37 + t));
      }
      const MatrixD found = projection.apply(values);
      for (Eigen::Index t = 0; t < volumes; ++t) {
        const Eigen::RowVectorXd row = values.row(t).cast<double>();
        const Eigen::VectorXd alone = projection.apply({row.data(), 2500});
        EXPECT_GT(alone.cwiseAbs().minCoeff(), 1e-9);
        EXPECT_LT((found.row(t).transpose() - alone).cwiseAbs().maxCoeff(), 1e-12);
      }
    }
  }
}

TEST(MapProjection, RefusesBadMaps) {
  EXPECT_THROW(MapProjection(MatrixD(0, 3)), ShapeError);
  EXPECT_THROW(MapProjection(MatrixD::Constant(4, 2, std::numeric_limits<double>::infinity())), DataError);
  const MapProjection projection(MatrixD::Identity(4, 2));
  EXPECT_THROW(projection.apply(std::vector<double>(3)), ShapeError);
  EXPECT_THROW(projection.apply(MatrixF(2, 3)), ShapeError);
}

}  // namespace
}  // namespace noema
