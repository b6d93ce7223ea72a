#include "noema/preprocess/mask.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/preprocess/morphology.h"

namespace noema {
namespace {

using testing::ElementsAre;

VoxelSet line(std::initializer_list<std::uint8_t> in) { return {{static_cast<std::int64_t>(in.size()), 1, 1}, in}; }

TEST(Morphology, ErosionTakesAndDilationAddsOneLayer) {
  const Axes along_x{true, false, false};
  VoxelSet set = line({1, 1, 1, 0, 1, 1, 1, 1, 0});
  erode(set, 1, along_x);
  EXPECT_THAT(set.in, ElementsAre(0, 1, 0, 0, 0, 1, 1, 0, 0));  // nothing belongs to the set beyond the border
  dilate(set, 2, along_x);
  EXPECT_THAT(set.in, ElementsAre(1, 1, 1, 1, 1, 1, 1, 1, 1));
  VoxelSet thin = line({1, 1, 1});
  erode(thin, 1);  // across the thin axes everything touches the border
  EXPECT_THAT(thin.in, ElementsAre(0, 0, 0));
}

TEST(Morphology, DilationOfAPointIsACross) {
  VoxelSet set{{3, 3, 3}, std::vector<std::uint8_t>(27)};
  set.in[13] = 1;
  dilate(set, 1);
  std::vector<int> in;
  for (int v = 0; v < 27; ++v) {
    if (set.in[static_cast<std::size_t>(v)]) in.push_back(v);
  }
  EXPECT_THAT(in, ElementsAre(4, 10, 12, 13, 14, 16, 22));
}

TEST(Morphology, LargestComponentIsConnectedThroughFaces) {
  VoxelSet set{{4, 2, 1}, {1, 0, 1, 1, 0, 1, 0, 1}};  // voxel 5 touches 0 and 2 only by edges
  keep_largest_component(set);
  EXPECT_THAT(set.in, ElementsAre(0, 0, 1, 1, 0, 0, 0, 1));
}

Image ball(std::array<std::int64_t, 3> shape) {
  Image image;
  image.header.grid.shape = shape;
  const Grid& grid = image.header.grid;
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v) {
    const auto at = grid.voxel_at(v);
    double distance = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      const double d = (static_cast<double>(at[a]) - static_cast<double>(shape[a] - 1) / 2) / 6;
      distance += d * d;
    }
    image.values.push_back(distance < 1 ? 900.0F : 10.0F);
  }
  return image;
}

TEST(EpiMask, FindsABrightBall) {
  const Mask mask = compute_epi_mask(ball({17, 17, 17}));
  EXPECT_GT(mask.size(), 700);
  EXPECT_LT(mask.size(), 1000);  // the ball has 4/3·π·6³ ≈ 905
}

TEST(EpiMask, OneSliceWorksWithAWarning) {
  const WarningCollector warnings;
  const Mask mask = compute_epi_mask(ball({17, 17, 1}));
  EXPECT_GE(warnings.entries().size(), 1U);
  EXPECT_GT(mask.size(), 80);
  EXPECT_LT(mask.size(), 130);  // π·6² ≈ 113
}

TEST(EpiMask, MeanOverVolumesAndNotFiniteValues) {
  Image image = ball({17, 17, 17});
  const Mask expected = compute_epi_mask(image);
  const std::size_t n = image.values.size();
  image.values.resize(2 * n);
  for (std::size_t v = 0; v < n; ++v) {
    image.values[n + v] = image.values[v] * 1.5F;
    image.values[v] *= 0.5F;
  }
  image.values[0] = std::nanf("");
  image.header.volumes = 2;
  EXPECT_EQ(compute_epi_mask(image).voxels, expected.voxels);
}

TEST(EpiMask, NothingFoundIsAnError) {
  Image image = ball({17, 17, 17});
  for (std::size_t v = 0; v < image.values.size(); ++v) image.values[v] = v % 2 == 0 ? 1.0F : 0.0F;
  EXPECT_THROW(compute_epi_mask(image, {.opening = 3}), DataError);
  EXPECT_THROW(compute_epi_mask(image, {.lower_cutoff = 0.9}), UsageError);
}

TEST(EpiMask, PaddingWithZerosCanBeLeftOut) {
  // Most voxels are padding, so that the largest step between the shares is that from 0 to the tissue around the ball.
  Image image = ball({17, 17, 17});
  const Grid grid = image.header.grid;
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v) {
    const auto at = grid.voxel_at(v);
    if (at[0] < 2 || at[0] > 14) image.values[static_cast<std::size_t>(v)] = 0;
  }
  const EpiMaskOptions with{.lower_cutoff = 0.1, .upper_cutoff = 0.6, .opening = 0};
  EpiMaskOptions without = with;
  without.exclude_zeros = true;
  without.upper_cutoff = 0.9;
  EXPECT_GT(compute_epi_mask(image, with).size(), 3000);
  EXPECT_LT(compute_epi_mask(image, without).size(), 1000);
  std::fill(image.values.begin(), image.values.end(), 0.0F);
  EXPECT_THROW(compute_epi_mask(image, without), DataError);
}

TEST(BackgroundMask, IsWhatDiffersFromTheBorder) {
  Image image = ball({17, 17, 17});
  std::int64_t bright = 0;
  for (const float value : image.values) bright += value > 100;
  EXPECT_EQ(compute_background_mask(image).size(), bright);
  image.values[3] = 11;  // one odd voxel of the border does not move the median
  EXPECT_EQ(compute_background_mask(image).size(), bright + 1);
  EXPECT_EQ(compute_background_mask(image, {.connected = true}).size(), bright);
  for (float& value : image.values) {
    if (value < 100) value = std::nanf("");
  }
  EXPECT_EQ(compute_background_mask(image).size(), bright);
  std::fill(image.values.begin(), image.values.end(), 4.0F);
  EXPECT_THROW(compute_background_mask(image), DataError);
  EXPECT_THROW(compute_background_mask(image, {.border_voxels = 0}), UsageError);
}

TEST(IntersectMasks, ShareAndComponent) {
  const Grid grid{{6, 1, 1}, Eigen::Matrix4d::Identity()};
  const std::vector<Mask> masks{{grid, {0, 1, 2, 5}}, {grid, {1, 2, 5}}, {grid, {2, 3}}};
  EXPECT_THAT(intersect_masks(masks, 0.5, false).voxels, ElementsAre(1, 2, 5));
  EXPECT_THAT(intersect_masks(masks, 0.5, true).voxels, ElementsAre(1, 2));
  EXPECT_THAT(intersect_masks(masks, 1, false).voxels, ElementsAre(2));
  EXPECT_THAT(intersect_masks(masks, 0, false).voxels, ElementsAre(0, 1, 2, 3, 5));
  const std::vector<Mask> apart{{grid, {0}}, {grid, {3}}};
  EXPECT_THROW(intersect_masks(apart, 1, false), DataError);
  const std::vector<Mask> grids{{grid, {0}}, {Grid{{5, 1, 1}, Eigen::Matrix4d::Identity()}, {3}}};
  EXPECT_THROW(intersect_masks(grids), ShapeError);
  EXPECT_THROW(intersect_masks({}), UsageError);
}

}  // namespace
}  // namespace noema
