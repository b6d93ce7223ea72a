// From a mesh to pixels.
#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "noema/core/error.h"
#include "noema/preprocess/surface.h"
#include "noema/report/colors.h"
#include "noema/report/surface.h"

namespace noema {
namespace {

constexpr int kShades = 5;
constexpr int kColors = 48;
constexpr int kFirstGrey = 1;  // 0 is transparent: around the brain
constexpr int kFirstColor = kFirstGrey + kShades;
constexpr double kDarkest = 0.4;
constexpr double kGrey = 150;

Color shaded(const Color& color, int shade) {
  const double light = kDarkest + (1 - kDarkest) * shade / (kShades - 1);
  Color result = color;
  for (std::size_t c = 0; c < 3; ++c) result[c] = static_cast<std::uint8_t>(std::lround(light * color[c]));
  return result;
}

std::vector<Color> palette_of(const MapColors& colors) {
  std::vector<Color> palette{Color{0, 0, 0, 0}};
  const Color grey{static_cast<std::uint8_t>(kGrey), static_cast<std::uint8_t>(kGrey), static_cast<std::uint8_t>(kGrey),
                   255};
  for (int shade = 0; shade < kShades; ++shade) palette.push_back(shaded(grey, shade));
  for (const Color& color : colors.is_signed ? diverging_colors(kColors / 2) : sequential_colors(kColors)) {
    for (int shade = 0; shade < kShades; ++shade) palette.push_back(shaded(color, shade));
  }
  return palette;
}

/// Where the colours of a value begin in the palette.
int color_of(float value, const MapColors& colors) {
  const double size = std::abs(static_cast<double>(value));
  if (!std::isfinite(value) || value == 0 || size < colors.cut || !(colors.limit > 0)) return kFirstGrey;
  const double share = std::min(1.0, size / colors.limit);
  if (!colors.is_signed) return kFirstColor + kShades * static_cast<int>(std::lround(share * (kColors - 1)));
  const int half = kColors / 2, step = static_cast<int>(std::lround(share * (half - 1)));
  return kFirstColor + kShades * (value < 0 ? half - 1 - step : half + step);
}

/// A vertex on the screen: x to the right, y down, and how far away.
struct ScreenPoint {
  double x, y, depth, light;
};

std::vector<ScreenPoint> project(const SurfaceMesh& mesh, SurfaceView view, const SurfaceFrame& frame) {
  const double side = view == SurfaceView::left ? -1 : 1;  // seen from the left, what lies in front is on the left
  const auto normals = vertex_normals(mesh);
  const Eigen::RowVector3d centre = (mesh.points_mm.colwise().minCoeff() + mesh.points_mm.colwise().maxCoeff()) / 2;
  std::vector<ScreenPoint> points;
  points.reserve(static_cast<std::size_t>(mesh.vertices()));
  for (Eigen::Index v = 0; v < mesh.vertices(); ++v) {
    const Eigen::RowVector3d at = (mesh.points_mm.row(v) - centre) * frame.pixels_per_mm;
    points.push_back({frame.width / 2.0 + side * at[1], frame.height / 2.0 - at[2], -side * at[0],
                      std::max(0.0, side * normals(v, 0))});
  }
  return points;
}

/// Draws triangles over one another, the nearest in front.
class Canvas {
 public:
  Canvas(const SurfaceFrame& frame, const MapColors& colors)
      : picture_{frame.width, frame.height, {}, palette_of(colors)}, colors_(colors) {
    picture_.pixels.assign(static_cast<std::size_t>(frame.width) * static_cast<std::size_t>(frame.height), 0);
    depth_.assign(picture_.pixels.size(), std::numeric_limits<double>::infinity());
  }

  void draw(const std::array<ScreenPoint, 3>& corners, const std::array<float, 3>& values) {
    const auto& [a, b, c] = corners;
    const double area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
    if (area == 0) return;
    const auto [left, right] = std::minmax({a.x, b.x, c.x});
    const auto [top, bottom] = std::minmax({a.y, b.y, c.y});
    for (int y = std::max(0, first(top)); y < std::min(picture_.height, first(bottom) + 1); ++y) {
      for (int x = std::max(0, first(left)); x < std::min(picture_.width, first(right) + 1); ++x) {
        const double px = x + 0.5, py = y + 0.5;
        const double wb = ((px - a.x) * (c.y - a.y) - (c.x - a.x) * (py - a.y)) / area;
        const double wc = ((b.x - a.x) * (py - a.y) - (px - a.x) * (b.y - a.y)) / area;
        const double wa = 1 - wb - wc;
        if (wa < 0 || wb < 0 || wc < 0) continue;
        put(x, y, wa * a.depth + wb * b.depth + wc * c.depth, wa * a.light + wb * b.light + wc * c.light,
            wa >= wb && wa >= wc ? values[0]
            : wb >= wc           ? values[1]
                                 : values[2]);
      }
    }
  }

  IndexedPicture take() { return std::move(picture_); }

 private:
  /// The pixel whose middle is the first at or beyond a place.
  static int first(double place) { return static_cast<int>(std::ceil(place - 0.5)); }

  void put(int x, int y, double depth, double light, float value) {
    double& nearest =
        depth_[static_cast<std::size_t>(y) * static_cast<std::size_t>(picture_.width) + static_cast<std::size_t>(x)];
    if (depth >= nearest) return;
    nearest = depth;
    const int shade = static_cast<int>(std::lround(std::clamp(light, 0.0, 1.0) * (kShades - 1)));
    picture_.at(x, y) = static_cast<std::uint8_t>(color_of(value, colors_) + shade);
  }

  IndexedPicture picture_;
  const MapColors& colors_;
  std::vector<double> depth_;
};

}  // namespace

SurfaceFrame frame_of(std::span<const SurfaceMesh> meshes, int width) {
  double wide_mm = 1, high_mm = 1;
  for (const SurfaceMesh& mesh : meshes) {
    const Eigen::RowVector3d size = mesh.points_mm.colwise().maxCoeff() - mesh.points_mm.colwise().minCoeff();
    wide_mm = std::max(wide_mm, size[1]);
    high_mm = std::max(high_mm, size[2]);
  }
  const double pixels_per_mm = (width - 2) / wide_mm;
  return {pixels_per_mm, width, static_cast<int>(std::ceil(high_mm * pixels_per_mm)) + 2};
}

IndexedPicture draw_surface(const SurfaceMesh& mesh, std::span<const float> values, SurfaceView view,
                            const SurfaceFrame& frame, const MapColors& colors) {
  if (static_cast<std::int64_t>(values.size()) != mesh.vertices()) {
    throw ShapeError(fmt::format("{} values for a mesh of {} vertices", values.size(), mesh.vertices()));
  }
  const std::vector<ScreenPoint> points = project(mesh, view, frame);
  Canvas canvas(frame, colors);
  for (Eigen::Index f = 0; f < mesh.triangles.rows(); ++f) {
    std::array<ScreenPoint, 3> corners{};
    std::array<float, 3> of_corner{};
    for (int i = 0; i < 3; ++i) {
      const auto vertex = static_cast<std::size_t>(mesh.triangles(f, i));
      corners[static_cast<std::size_t>(i)] = points[vertex];
      of_corner[static_cast<std::size_t>(i)] = values[vertex];
    }
    canvas.draw(corners, of_corner);
  }
  return canvas.take();
}

}  // namespace noema
