#include "noema/io/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/LU>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "noema/core/error.h"
#include "noema/io/orientation.h"
#include "noema/io/series.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Eigen::Matrix4d diagonal_affine(double x, double y, double z) {
  Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
  affine(0, 0) = x;
  affine(1, 1) = y;
  affine(2, 2) = z;
  return affine;
}

TEST(Grid, IndexAndVoxelAreInverse) {
  const Grid grid{{3, 4, 5}, Eigen::Matrix4d::Identity()};
  EXPECT_EQ(grid.linear_index(1, 0, 0), 1);
  EXPECT_EQ(grid.linear_index(0, 1, 0), 3);
  EXPECT_EQ(grid.linear_index(0, 0, 1), 12);
  for (std::int64_t i = 0; i < grid.voxel_count(); ++i) {
    const auto [x, y, z] = grid.voxel_at(i);
    EXPECT_EQ(grid.linear_index(x, y, z), i);
  }
}

TEST(Grid, VoxelSizeIsTheLengthOfTheColumnsEvenWhenTilted) {
  Grid grid{{2, 2, 2}, diagonal_affine(2, 3, 4)};
  Eigen::Matrix4d turn = Eigen::Matrix4d::Identity();
  turn.topLeftCorner<2, 2>() << 0.8, -0.6, 0.6, 0.8;
  grid.ras_from_voxel = turn * grid.ras_from_voxel;
  EXPECT_THAT(grid.voxel_size_mm(), ElementsAre(testing::DoubleNear(2, 1e-12), testing::DoubleNear(3, 1e-12), 4));
}

// A small difference of a voxel size adds up to the far corner; NaN is never the same.
TEST(Grid, SameGridLooksAtTheCorners) {
  const Grid a{{100, 10, 10}, diagonal_affine(2, 2, 2)};
  Grid b = a;
  EXPECT_TRUE(same_grid(a, b));
  b.ras_from_voxel(0, 0) += 5e-5;  // 5 µm at the far corner
  EXPECT_TRUE(same_grid(a, b));
  b.ras_from_voxel(0, 0) += 1e-3;
  EXPECT_FALSE(same_grid(a, b));
  EXPECT_TRUE(same_grid(a, b, 0.2));
  b = a;
  b.ras_from_voxel(2, 3) += 0.011;
  EXPECT_FALSE(same_grid(a, b));
  b = a;
  b.shape[2] = 11;
  EXPECT_FALSE(same_grid(a, b));
  b = a;
  b.ras_from_voxel(1, 1) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(same_grid(a, b));
}

TEST(Grid, DescribesItself) {
  Grid grid{{40, 20, 1}, diagonal_affine(3.5, 3.75, 3.75)};
  grid.ras_from_voxel(0, 3) = -70.25;
  EXPECT_EQ(describe(grid), "40×20×1 voxels of 3.5×3.75×3.75 mm, origin (-70.25, 0, 0)");
}

TEST(Orientation, NamesTheCommonOnes) {
  EXPECT_EQ(orientation_of(diagonal_affine(2, 2, 2)).letters(), "RAS");
  EXPECT_EQ(orientation_of(diagonal_affine(-2, 2, 2)).letters(), "LAS");
  EXPECT_EQ(orientation_of(diagonal_affine(-2, -2, 2)).letters(), "LPS");
  Eigen::Matrix4d sagittal = Eigen::Matrix4d::Zero();  // file axes run to posterior, superior, right
  sagittal(1, 0) = -1;
  sagittal(2, 1) = 1;
  sagittal(0, 2) = 1;
  sagittal(3, 3) = 1;
  const Orientation orientation = orientation_of(sagittal);
  EXPECT_EQ(orientation.letters(), "PSR");
  EXPECT_THAT(orientation.axis, ElementsAre(2, 0, 1));
  EXPECT_THAT(orientation.flipped, ElementsAre(false, true, false));
}

// 45° exactly: noise of the last digit must not choose the axes.
TEST(Orientation, PermutesLeastBetweenEquals) {
  const double s = std::numbers::sqrt2 / 2;
  for (double noise : {-1e-12, 0.0, 1e-12}) {
    Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
    affine.topLeftCorner<2, 2>() << s + noise, -s, s - noise, s;
    EXPECT_THAT(orientation_of(affine).axis, ElementsAre(0, 1, 2)) << noise;
  }
}

// For all 48 orientations: every voxel keeps its place in the world, the way back is exact, and the canonical grid is
// RAS.
TEST(Orientation, TurningMovesNoVoxel) {
  std::array<int, 3> order{0, 1, 2};
  do {
    for (int flips = 0; flips < 8; ++flips) {
      Eigen::Matrix4d affine = Eigen::Matrix4d::Zero();
      for (int axis = 0; axis < 3; ++axis) affine(order[axis], axis) = (flips >> axis & 1 ? -1 : 1) * (2 + axis);
      affine.row(0).head<3>() += Eigen::RowVector3d(0.1, -0.05, 0.2);
      affine.col(3) << -31.5, 12.25, 7, 1;
      const Grid disk{{3, 4, 5}, affine};
      const Orientation orientation = orientation_of(affine);
      const Grid canonical = to_canonical(disk, orientation);
      EXPECT_TRUE(orientation_of(canonical.ras_from_voxel).is_canonical());
      const Grid back = to_disk(canonical, orientation);
      EXPECT_EQ(back.shape, disk.shape);
      EXPECT_TRUE(back.ras_from_voxel.isApprox(disk.ras_from_voxel, 1e-15));
      const DiskWalk walk = disk_walk(canonical, orientation);
      for (std::int64_t i = 0; i < disk.voxel_count(); ++i) {
        const auto [a, b, c] = disk.voxel_at(i);
        const auto voxel = canonical.voxel_at(walk.first + a * walk.step[0] + b * walk.step[1] + c * walk.step[2]);
        EXPECT_THAT(disk_voxel(canonical, orientation, voxel), ElementsAre(a, b, c));
        const Eigen::Vector4d here = disk.ras_from_voxel * Eigen::Vector4d(a, b, c, 1);
        const Eigen::Vector4d there = canonical.ras_from_voxel * Eigen::Vector4d(voxel[0], voxel[1], voxel[2], 1);
        ASSERT_LT((here - there).norm(), 1e-12);
      }
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

Image small_image() {
  Image image;
  image.header.grid = Grid{{2, 2, 1}, diagonal_affine(2, 2, 2)};
  image.header.path = "m.nii";
  image.values = {0, 1, std::numeric_limits<float>::quiet_NaN(), -0.5F};
  return image;
}

TEST(Mask, HoldsTheNonZeroVoxelsInOrder) {
  const Mask mask = mask_from_image(small_image());
  EXPECT_THAT(mask.voxels, ElementsAre(1, 3));
  EXPECT_EQ(mask.size(), 2);
  EXPECT_TRUE(same_grid(mask.grid, small_image().header.grid));
}

TEST(Mask, RefusesSeveralVolumesAndNothing) {
  Image image = small_image();
  image.values = {0, 0, 0, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THAT(error_of<DataError>([&] { mask_from_image(image); }), HasSubstr("'m.nii': every voxel is zero"));
  image.header.volumes = 2;
  image.values.resize(8);
  EXPECT_THAT(error_of<ShapeError>([&] { mask_from_image(image); }), HasSubstr("found 2 volumes"));
}

TEST(Mask, UnmaskPutsValuesBack) {
  const Mask mask = mask_from_image(small_image());
  const Image image = unmask(mask, std::array{7.0F, 8.0F}, -1);
  EXPECT_THAT(image.values, ElementsAre(-1, 7, -1, 8));
  EXPECT_EQ(image.header.volumes, 1);
  EXPECT_TRUE(same_grid(image.header.grid, mask.grid));
  EXPECT_THAT(error_of<ShapeError>([&] { unmask(mask, std::array{7.0F}); }), HasSubstr("1 values for a mask of 2"));
}

TEST(FeatureSpace, MapsOfEachKind) {
  FeatureSpace features;
  features.mask = Mask{Grid{{2, 2, 1}, diagonal_affine(2, 2, 2)}, {0, 1, 3}};
  features.space = "MNI152NLin6Asym";
  EXPECT_EQ(features.count(), 3);
  EXPECT_THAT(to_image(features, std::array{1.0F, 2.0F, 3.0F}).values, ElementsAre(1, 2, 0, 3));
  features.kind = FeatureKind::parcels;
  features.names = {"a", "b"};
  features.parcel_of_voxel = {1, -1, 0};
  EXPECT_EQ(features.count(), 2);
  EXPECT_THAT(to_image(features, std::array{5.0F, 6.0F}).values, ElementsAre(6, 0, 0, 5));
  features.kind = FeatureKind::maps;
  features.map_weights.resize(3, 2);
  features.map_weights << 1, 0, 0.5F, 0.5F, 0, 2;
  EXPECT_EQ(features.count(), 2);
  const Image image = to_image(features, std::array{4.0F, 6.0F});
  EXPECT_THAT(image.values, ElementsAre(4, 5, 0, 12));
  EXPECT_EQ(image.header.space, "MNI152NLin6Asym");
  EXPECT_THAT(error_of<ShapeError>([&] { to_image(features, std::array{4.0F}); }),
              HasSubstr("1 values for 2 features"));
}

}  // namespace
}  // namespace noema
