#include "noema/report/brain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "markup.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Image image_of(std::array<std::int64_t, 3> shape, float value) {
  Image image;
  image.header.grid.shape = shape;
  image.header.grid.ras_from_voxel.diagonal() << 2, 2, 2, 1;
  image.header.grid.ras_from_voxel.col(3) << -10, -20, -30, 1;
  image.values.assign(static_cast<std::size_t>(image.header.grid.voxel_count()), value);
  return image;
}

float& at(Image& image, int i, int j, int k) {
  return image.values[static_cast<std::size_t>(image.header.grid.linear_index(i, j, k))];
}

/// The pixels that differ between the pictures with and without a marked voxel, as (x, y).
std::vector<std::pair<int, int>> pixels_of(const Image& map, const Image& background, const MosaicSlices& slices,
                                           View view) {
  const MapColors colors{1, 0, false, 0, 1};
  Image empty = map;
  empty.values.assign(map.values.size(), 0);
  const IndexedPicture with = draw_slices(map, background, slices, view, colors);
  const IndexedPicture without = draw_slices(empty, background, slices, view, colors);
  std::vector<std::pair<int, int>> pixels;
  for (int y = 0; y < with.height; ++y)
    for (int x = 0; x < with.width; ++x)
      if (with.at(x, y) != without.at(x, y)) pixels.emplace_back(x, y);
  return pixels;
}

// One marked voxel, not symmetric in any direction: i to the right, j (axial) and k (others) upwards.
TEST(DrawSlices, LeftIsLeftAndUpIsUp) {
  const Image background = image_of({10, 12, 9}, 1);
  Image map = image_of({10, 12, 9}, 0);
  at(map, 2, 9, 7) = 1;
  MosaicSlices slices;
  slices.end = {10, 12, 9};
  slices.axial = {3, 7};
  slices.sagittal = {2};
  slices.coronal = {9};
  EXPECT_THAT(pixels_of(map, background, slices, View::axial), ElementsAre(std::pair(10 + kSliceGap + 2, 12 - 1 - 9)));
  EXPECT_THAT(pixels_of(map, background, slices, View::sagittal), ElementsAre(std::pair(9, 9 - 1 - 7)));
  EXPECT_THAT(pixels_of(map, background, slices, View::coronal), ElementsAre(std::pair(2, 9 - 1 - 7)));
  slices.first = {1, 4, 2};
  slices.end = {8, 11, 9};
  EXPECT_THAT(pixels_of(map, background, slices, View::axial), ElementsAre(std::pair(7 + kSliceGap + 1, 11 - 1 - 9)));
}

TEST(DrawSlices, ColoursRunFromZeroToTheLimit) {
  const Image background = image_of({8, 8, 1}, 1);
  Image map = image_of({8, 8, 1}, 0);
  at(map, 0, 7, 0) = -5;
  at(map, 1, 7, 0) = 5;
  at(map, 2, 7, 0) = 1;
  at(map, 3, 7, 0) = std::numeric_limits<float>::quiet_NaN();
  MosaicSlices slices;
  slices.end = {8, 8, 1};
  slices.axial = {0};
  const MapColors colors{4, 2, true, 0, 2};
  const IndexedPicture picture = draw_slices(map, background, slices, View::axial, colors);
  const auto color = [&](int x) { return picture.palette[picture.at(x, 0)]; };
  EXPECT_GT(color(0)[2], color(0)[0]);  // below zero: blue, saturated at the limit
  EXPECT_EQ(color(1), picture.palette.back());
  const Color grey = color(4);
  EXPECT_EQ(grey[0], grey[1]);
  EXPECT_NEAR(grey[0], 128, 3);  // half way between the background's ends
  EXPECT_EQ(color(2), grey);     // below the cut
  EXPECT_EQ(color(3), grey);     // no value
}

TEST(MapColors, LimitCutAndSign) {
  Image map = image_of({10, 10, 10}, 0);
  for (int v = 0; v < 200; ++v) map.values[static_cast<std::size_t>(v)] = static_cast<float>(v + 1);
  const Image background = image_of({10, 10, 10}, 1);
  MosaicOptions options;
  MapColors colors = map_colors(map, background, options);
  EXPECT_FALSE(colors.is_signed);
  EXPECT_NEAR(colors.limit, 199, 1);  // of the 200 voxels that have a value, not of all 1,000
  EXPECT_EQ(colors.cut, 0);
  options.show_top = 0.25;
  options.limit = 50;
  map.values[0] = -1;
  colors = map_colors(map, background, options);
  EXPECT_TRUE(colors.is_signed);
  EXPECT_EQ(colors.limit, 50);
  EXPECT_NEAR(colors.cut, 150, 1);
}

TEST(ChooseSlices, AreWhereTheContentIs) {
  Image background = image_of({30, 30, 40}, 0);
  std::vector<bool> content(background.values.size(), false);
  for (int k = 10; k < 26; ++k)
    for (int j = 5; j < 20; ++j)
      for (int i = 8; i < 20; ++i)
        content[static_cast<std::size_t>(background.header.grid.linear_index(i, j, k))] = true;
  const MosaicSlices slices = choose_slices(background, content, {4, 3, 1});
  EXPECT_THAT(slices.axial, ElementsAre(12, 16, 20, 24));
  EXPECT_THAT(slices.sagittal, ElementsAre(10, 14, 18));
  EXPECT_THAT(slices.coronal, ElementsAre(12));
  EXPECT_THAT(slices.first, ElementsAre(6, 3, 8));
  EXPECT_THAT(slices.end, ElementsAre(22, 22, 28));
}

TEST(ChooseSlices, OneSliceHasNoSideViews) {
  const Image background = image_of({40, 20, 1}, 1);
  const MosaicSlices slices = choose_slices(background, std::vector<bool>(800, true));
  EXPECT_THAT(slices.axial, ElementsAre(0));
  EXPECT_THAT(slices.sagittal, IsEmpty());
  EXPECT_THAT(slices.coronal, IsEmpty());
  EXPECT_THROW(choose_slices(background, std::vector<bool>(799, true)), ShapeError);
}

TEST(ChooseSlices, WithoutContentTheBackgroundDecides) {
  Image background = image_of({10, 10, 20}, 0);
  for (int k = 4; k < 8; ++k) at(background, 5, 5, k) = 100;
  const MosaicSlices slices = choose_slices(background, std::vector<bool>(2000, false), {2, 0, 0});
  EXPECT_THAT(slices.axial, ElementsAre(5, 7));
  EXPECT_THAT(choose_slices(image_of({9, 9, 9}, 0), std::vector<bool>(729, false)).axial.size(), 8u);
}

TEST(BrainMosaic, SaysWhereItsSlicesAre) {
  const Image background = image_of({10, 12, 20}, 1);
  Image map = image_of({10, 12, 20}, 0.5);
  at(map, 3, 3, 3) = -1;
  MosaicSlices slices;
  slices.end = {10, 12, 20};
  slices.axial = {0, 12};
  slices.sagittal = {7};
  MosaicOptions options;
  options.title = "z <of> face";
  options.value_label = "z";
  const std::string svg = brain_mosaic(map, background, slices, options);
  EXPECT_THAT(svg, HasSubstr(">z = −30</text>"));
  EXPECT_THAT(svg, HasSubstr(">z = −6</text>"));
  EXPECT_THAT(svg, HasSubstr(">x = 4 mm</text>"));
  EXPECT_THAT(svg, HasSubstr(">L</text>"));
  EXPECT_THAT(svg, HasSubstr(">A</text>"));
  EXPECT_EQ(occurrences(svg, "<image "), 3);  // two views and the bar
  EXPECT_LT(svg.find(">L</text>"), svg.find(">R</text>"));
  expect_sound(svg);
  EXPECT_THROW(brain_mosaic(image_of({10, 12, 19}, 1), background, slices, options), ShapeError);
}

TEST(BrainMosaic, AnEmptyMapHasNoBar) {
  const Image background = image_of({10, 12, 9}, 1);
  const Image map = image_of({10, 12, 9}, 0);
  const std::string svg = brain_mosaic(map, background, choose_slices(background, content_of(map)), {});
  EXPECT_EQ(occurrences(svg, "<image "), 3);
  expect_sound(svg);
}

}  // namespace
}  // namespace noema
