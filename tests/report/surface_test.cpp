#include "noema/report/surface.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "noema/core/error.h"
#include "noema/io/brain_models.h"

namespace noema {
namespace {

using ::testing::HasSubstr;

/// A flat square in the plane x = `at_mm`, of four vertices: front up, front down, back down, back up.
SurfaceMesh square(double at_mm, const char* structure) {
  SurfaceMesh mesh;
  mesh.points_mm.resize(4, 3);
  mesh.points_mm << at_mm, 10, 10, at_mm, 10, -10, at_mm, -10, -10, at_mm, -10, 10;
  mesh.triangles.resize(2, 3);
  mesh.triangles << 0, 1, 2, 0, 2, 3;
  mesh.structure = structure;
  return mesh;
}

Image map_of(const std::vector<float>& values, const std::vector<std::int32_t>& vertices) {
  auto models = std::make_shared<BrainModels>();
  models->models = {{"CIFTI_STRUCTURE_THALAMUS_LEFT", 0, {}, {{0, 0, 0}}},
                    {"CIFTI_STRUCTURE_CORTEX_LEFT", 4, vertices, {}}};
  models->volume_shape = {1, 1, 1};
  Image map;
  map.header.grid = grid_of(models);
  map.values = values;
  return map;
}

MapColors colors_to(double limit) {
  MapColors colors;
  colors.limit = limit;
  return colors;
}

TEST(SurfacePicture, ValuesAreFoundByStructureAndVertex) {
  const Image map = map_of({9, 1, 2}, {3, 1});
  const std::vector<float> values = values_on(map, square(0, "CIFTI_STRUCTURE_CORTEX_LEFT"));
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_EQ(values[1], 2);
  EXPECT_TRUE(std::isnan(values[2]));
  EXPECT_EQ(values[3], 1);
  EXPECT_THROW(values_on(map, square(0, "CIFTI_STRUCTURE_CORTEX_RIGHT")), ShapeError);
  SurfaceMesh larger = square(0, "CIFTI_STRUCTURE_CORTEX_LEFT");
  larger.points_mm.conservativeResize(5, 3);
  EXPECT_THROW(values_on(map, larger), ShapeError);
}

TEST(SurfacePicture, FrontIsOnTheLeftSeenFromTheLeft) {
  const SurfaceMesh mesh = square(-5, "CIFTI_STRUCTURE_CORTEX_LEFT");
  const SurfaceFrame frame = frame_of(std::span(&mesh, 1), 42);
  EXPECT_NEAR(frame.pixels_per_mm, 2, 1e-12);
  EXPECT_EQ(frame.height, 42);
  const std::vector<float> front_up{5, 0, 0, 0};  // zero is grey
  for (const bool from_left : {true, false}) {
    const IndexedPicture picture =
        draw_surface(mesh, front_up, from_left ? SurfaceView::left : SurfaceView::right, frame, colors_to(5));
    const auto is_grey = [&](int x, int y) {
      const Color& color = picture.palette[picture.at(x, y)];
      return color[0] == color[1] && color[1] == color[2];
    };
    EXPECT_EQ(is_grey(4, 4), !from_left);
    EXPECT_EQ(is_grey(37, 4), from_left);
    EXPECT_TRUE(is_grey(4, 37));
    EXPECT_TRUE(is_grey(37, 37));
    EXPECT_EQ(picture.palette[picture.at(0, 0)][3], 0) << "around the brain nothing is drawn";
    EXPECT_EQ(picture.palette[picture.at(20, 20)][3], 255);
  }
}

TEST(SurfacePicture, NearerPartsHideFartherOnes) {
  SurfaceMesh mesh = square(-5, "CIFTI_STRUCTURE_CORTEX_LEFT");
  const SurfaceMesh behind = square(5, "CIFTI_STRUCTURE_CORTEX_LEFT");
  mesh.points_mm.conservativeResize(8, 3);
  mesh.points_mm.bottomRows(4) = behind.points_mm;
  mesh.triangles.conservativeResize(4, 3);
  mesh.triangles.bottomRows(2) = behind.triangles.array() + 4;
  const std::vector<float> values{5, 5, 5, 5, 1, 1, 1, 1};
  const SurfaceFrame frame = frame_of(std::span(&mesh, 1), 22);
  const auto colour = [&](SurfaceView view) {
    const IndexedPicture picture = draw_surface(mesh, values, view, frame, colors_to(5));
    return (picture.at(11, 11) - 6) / 5;  // five shades of each colour, after grey
  };
  EXPECT_EQ(colour(SurfaceView::left), 47);  // the largest value
  EXPECT_EQ(colour(SurfaceView::right), 9);  // a fifth of it
}

TEST(SurfacePicture, MosaicShowsEachMeshTwice) {
  const std::vector<SurfaceMesh> meshes{square(-5, "CIFTI_STRUCTURE_CORTEX_LEFT")};
  MosaicOptions options;
  options.title = "z, face";
  options.value_label = "z";
  const std::string svg = surface_mosaic(map_of({9, 1, -2, 3, 4}, {0, 1, 2, 3}), meshes, options);
  EXPECT_THAT(svg, HasSubstr("left, outside"));
  EXPECT_THAT(svg, HasSubstr("left, middle"));
  std::size_t pictures = 0;
  for (std::size_t at = svg.find("<image"); at != std::string::npos; at = svg.find("<image", at + 1)) ++pictures;
  EXPECT_EQ(pictures, 3U) << "two views and the colour bar";
}

}  // namespace
}  // namespace noema
