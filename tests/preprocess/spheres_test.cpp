#include "noema/preprocess/spheres.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Geometry>
#include <Eigen/LU>
#include <cmath>

#include "noema/core/error.h"

namespace noema {
namespace {

/// Oblique, with voxels of three sizes; every third voxel is missing from the mask.
Mask oblique_mask() {
  Mask mask;
  mask.grid.shape = {14, 12, 10};
  const Eigen::AngleAxisd turn(0.3, Eigen::Vector3d(1, 2, 3).normalized());
  mask.grid.ras_from_voxel.topLeftCorner<3, 3>() = turn.matrix() * Eigen::Vector3d(2, 2.5, 3).asDiagonal();
  mask.grid.ras_from_voxel.topRightCorner<3, 1>() << -10, 4, -20;
  for (std::int64_t v = 0; v < mask.grid.voxel_count(); ++v) {
    if (v % 3 != 1) mask.voxels.push_back(v);
  }
  return mask;
}

Mask cube() {
  Mask mask;
  mask.grid.shape = {9, 9, 9};
  mask.grid.ras_from_voxel.diagonal() << 2, 2, 2, 1;
  for (std::int64_t v = 0; v < 729; ++v) mask.voxels.push_back(v);
  return mask;
}

Eigen::Vector3d place(const Mask& mask, std::size_t v) {
  const auto [i, j, k] = mask.grid.voxel_at(mask.voxels[v]);
  return (mask.grid.ras_from_voxel *
          Eigen::Vector4d(static_cast<double>(i), static_cast<double>(j), static_cast<double>(k), 1))
      .head<3>();
}

TEST(Spheres, AreAllVoxelsWithinTheRadius) {
  const Mask mask = oblique_mask();
  // On a voxel of the mask, on one that is not in it, between voxels, and beyond the grid.
  const Seeds seeds{{place(mask, 500), (place(mask, 501) + place(mask, 502)) / 2,
                     place(mask, 700) + Eigen::Vector3d(0.4, -0.9, 1.1), place(mask, 0) - Eigen::Vector3d(1, 1, 2)},
                    {"a", "b", "c", "d"}};
  for (const double radius_mm : {3.0, 5.0, 7.7}) {
    const auto found = sphere_voxels(seeds, mask, {radius_mm, true});
    ASSERT_EQ(found.size(), 4U);
    for (std::size_t s = 0; s < 4; ++s) {
      std::vector<std::int64_t> expected;
      for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
        if ((place(mask, v) - seeds.ras_mm[s]).norm() <= radius_mm + 1e-9)
          expected.push_back(static_cast<std::int64_t>(v));
      }
      EXPECT_EQ(found[s], expected) << s << " " << radius_mm;
      EXPECT_GT(found[s].size(), 0U);
    }
  }
}

TEST(Spheres, TheRadiusBelongsToThem) {
  const Seeds centre{{{8, 8, 8}}, {"centre"}};
  EXPECT_EQ(sphere_voxels(centre, cube(), {2.0, false})[0].size(), 7U);
  EXPECT_EQ(sphere_voxels(centre, cube(), {1.999, false})[0].size(), 1U);
  EXPECT_EQ(sphere_voxels(centre, cube(), {std::sqrt(8.0), false})[0].size(), 19U);
}

TEST(Spheres, WithoutRadiusTheVoxelOfTheSeed) {
  const Seeds seeds{{{8.9, 7.1, 4.4}, {0, 0, 0}}, {"a", "b"}};
  using testing::ElementsAre;
  EXPECT_THAT(sphere_voxels(seeds, cube(), {}), ElementsAre(ElementsAre(4 + 9 * (4 + 9 * 2)), ElementsAre(0)));
  // A small radius that reaches no centre leaves that voxel too.
  EXPECT_THAT(sphere_voxels(seeds, cube(), {0.5, false}),
              ElementsAre(ElementsAre(4 + 9 * (4 + 9 * 2)), ElementsAre(0)));
}

// Voxels of less than a millimetre: of 0, 0.7 and 1.4 mm the second holds 0.9 mm. The first and the second both have a
// truncated coordinate of 0 mm, which nilearn takes to be the seed's voxel too.
TEST(Spheres, TruncatedMillimetresDoNotCount) {
  Mask mask = cube();
  mask.grid.ras_from_voxel.diagonal() << 0.7, 0.7, 0.7, 1;
  const Seeds seed{{{0.9, 0, 0}}, {"seed"}};
  using testing::ElementsAre;
  EXPECT_THAT(sphere_voxels(seed, mask, {}), ElementsAre(ElementsAre(1)));
  EXPECT_THAT(sphere_voxels(seed, mask, {0.6, false}), ElementsAre(ElementsAre(1, 2)));
}

TEST(Spheres, OverlapAndEmptySpheresAreErrors) {
  const Seeds near{{{4, 4, 4}, {8, 4, 4}}, {"left", "right"}};
  EXPECT_NO_THROW(sphere_voxels(near, cube(), {1.9, false}));
  EXPECT_EQ(sphere_voxels(near, cube(), {2.0, true})[1].size(), 7U);
  try {
    sphere_voxels(near, cube(), {2.0, false});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("'left'"), testing::HasSubstr("'right'")));
  }
  const Seeds outside{{{4, 4, 4}, {-50, 0, 0}}, {"in", "out"}};
  EXPECT_THROW(sphere_voxels(outside, cube(), {4.0, false}), DataError);
  EXPECT_THROW(sphere_voxels(outside, cube(), {}), DataError);
  EXPECT_THROW(sphere_voxels(near, cube(), {-1.0, false}), UsageError);
}

TEST(Spheres, AsFeatures) {
  const Seeds seeds{{{4, 4, 4}, {12, 4, 4}}, {"left", "right"}};
  const FeatureSpace features = sphere_features(seeds, cube(), 2.0);
  EXPECT_NO_THROW(check_features(features));
  EXPECT_EQ(features.names, seeds.names);
  EXPECT_EQ(std::count(features.parcel_of_voxel.begin(), features.parcel_of_voxel.end(), 1), 7);
  EXPECT_EQ(features.parcel_of_voxel[6 + 9 * (2 + 9 * 2)], 1);
  EXPECT_NE(features.atlas_hash, sphere_features(seeds, cube(), 2.1).atlas_hash);
  EXPECT_NE(features.atlas_hash, sphere_features(seeds, cube(), {}).atlas_hash);
}

}  // namespace
}  // namespace noema
