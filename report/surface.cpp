#include "noema/report/surface.h"

#include <fmt/format.h>

#include <algorithm>

#include "noema/core/error.h"
#include "noema/io/brain_models.h"

namespace noema {
namespace {

constexpr double kPadding = 14;
constexpr double kBarSpace = 66;
constexpr double kGap = 12;
constexpr double kCaption = 20;
constexpr int kWidest = 260;  // pixels of one view

/// Left meshes are on the left side of the body.
bool is_left(const SurfaceMesh& mesh) { return mesh.structure.ends_with("LEFT"); }

struct ViewOfMesh {
  const SurfaceMesh* mesh;
  SurfaceView view;
  std::string caption;
};

/// Left outside, left middle, right middle, right outside.
std::vector<ViewOfMesh> arrange(std::span<const SurfaceMesh> meshes) {
  std::vector<ViewOfMesh> views;
  for (const SurfaceMesh& mesh : meshes) {
    if (!is_left(mesh)) continue;
    views.push_back({&mesh, SurfaceView::left, "left, outside"});
    views.push_back({&mesh, SurfaceView::right, "left, middle"});
  }
  for (const SurfaceMesh& mesh : meshes) {
    if (is_left(mesh)) continue;
    views.push_back({&mesh, SurfaceView::left, "right, middle"});
    views.push_back({&mesh, SurfaceView::right, "right, outside"});
  }
  return views;
}

}  // namespace

std::vector<float> values_on(const Image& map, const SurfaceMesh& mesh) {
  const Grid& grid = map.header.grid;
  if (grid.grayordinates == nullptr) throw ShapeError("a map of voxels is to be drawn on a surface");
  std::vector<float> values(static_cast<std::size_t>(mesh.vertices()), static_cast<float>(kMissing));
  std::size_t at = 0;
  for (const BrainModel& model : grid.grayordinates->models) {
    if (model.is_surface() && model.structure == mesh.structure) {
      if (model.surface_vertices != mesh.vertices()) break;
      for (const std::int32_t vertex : model.vertices) values[static_cast<std::size_t>(vertex)] = map.values[at++];
      return values;
    }
    at += static_cast<std::size_t>(model.count());
  }
  throw ShapeError(
      fmt::format("a surface {} of {} vertices is to show {}; give meshes of the same kind (such as fsLR "
                  "32k)",
                  short_structure(mesh.structure), mesh.vertices(), describe(grid)));
}

std::string surface_mosaic(const Image& map, std::span<const SurfaceMesh> meshes, const MosaicOptions& options) {
  const MapColors colors = map_colors(map, map, options);
  const std::vector<ViewOfMesh> views = arrange(meshes);
  const auto count = static_cast<double>(views.size());
  const double bar_space = colors.limit > 0 ? kBarSpace : 0;
  const double space = options.width - 2 * kPadding - bar_space - kGap * (count - 1);
  const SurfaceFrame frame = frame_of(meshes, std::min(kWidest, static_cast<int>(space / count)));
  const double width = count * frame.width + kGap * (count - 1);
  SvgWriter svg(width + 2 * kPadding + bar_space, frame.height + kCaption + 2 * kPadding, options.title,
                "The map on the cortex from outside and from the middle; the left hemisphere is on the left.");
  svg.rectangle(0, 0, svg.width(), svg.height(), "panel");
  double x = kPadding;
  for (const ViewOfMesh& view : views) {
    const IndexedPicture picture = draw_surface(*view.mesh, values_on(map, *view.mesh), view.view, frame, colors);
    svg.image(x, kPadding, frame.width, frame.height, png_data_uri(picture));
    svg.text(x + frame.width / 2.0, kPadding + frame.height + 14, view.caption, "on-dark", "middle");
    x += frame.width + kGap;
  }
  if (colors.limit > 0) {
    const double bar_height = std::min<double>(frame.height, 190);
    draw_color_bar(svg, kPadding + width + 16, kPadding + (frame.height - bar_height) / 2, bar_height, colors,
                   options.value_label);
  }
  return svg.finish();
}

}  // namespace noema
