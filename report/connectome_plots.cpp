#include "noema/report/connectome_plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "noema/core/error.h"
#include "noema/report/axes.h"
#include "noema/report/brain.h"
#include "noema/report/colors.h"
#include "noema/report/png.h"
#include "noema/report/svg.h"

namespace noema {
namespace {

constexpr std::size_t kMostNames = 60;
constexpr double kLongestName = 150;

void require_names(const ConnectomeFigure& figure) {
  const auto names = static_cast<Eigen::Index>(figure.names.size());
  if (names > 0 && figure.values.rows() == names && figure.values.cols() == names) return;
  throw ShapeError(fmt::format("a connectivity matrix of {}×{} has {} names of regions", figure.values.rows(),
                               figure.values.cols(), names));
}

/// Where colours end: few large values should not hide the others.
double color_limit(const Eigen::MatrixXd& values) {
  std::vector<double> sizes;
  for (Eigen::Index i = 0; i < values.rows(); ++i) {
    for (Eigen::Index j = 0; j < i; ++j) {
      if (std::isfinite(values(i, j))) sizes.push_back(std::abs(values(i, j)));
    }
  }
  if (sizes.empty()) return 0;
  const auto at = sizes.begin() + std::lround(0.995 * static_cast<double>(sizes.size() - 1));
  std::nth_element(sizes.begin(), at, sizes.end());
  return *at > 0 ? *at : *std::max_element(sizes.begin(), sizes.end());
}

IndexedPicture matrix_picture(const Eigen::MatrixXd& values, double limit) {
  constexpr int kSteps = 120;
  const auto size = static_cast<int>(values.rows());
  IndexedPicture picture{size, size, {}, diverging_colors(kSteps)};
  picture.palette.push_back({128, 134, 142, 255});
  picture.pixels.assign(static_cast<std::size_t>(values.size()), 2 * kSteps);
  for (int i = 0; i < size; ++i) {
    for (int j = 0; j < size; ++j) {
      if (i == j || !std::isfinite(values(i, j)) || limit == 0) continue;
      const double share = std::clamp(values(i, j) / limit, -1.0, 1.0);
      picture.at(j, i) =
          static_cast<std::uint8_t>(std::clamp(static_cast<int>(std::floor(kSteps * (share + 1))), 0, 2 * kSteps - 1));
    }
  }
  return picture;
}

// --- the glass brain

struct Projection {
  const char* name;
  const char* left;   // what lies at the left end
  const char* right;  // and at the right end
  int across;
  int up;
};
constexpr std::array<Projection, 3> kProjections{
    {{"from above", "L", "R", 0, 1}, {"from the right", "back", "front", 1, 2}, {"from behind", "L", "R", 0, 2}}};

/// The shadow of the brain: for each column of a few millimetres its lowest and highest point.
struct Shadow {
  std::vector<double> across, low, high;
};

std::vector<std::array<double, 3>> places_of(const Image& brain) {
  std::vector<std::array<double, 3>> places;
  const Grid& grid = brain.header.grid;
  if (grid.grayordinates != nullptr) return places;
  const std::vector<bool> content = content_of(brain);
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v) {
    if (!content[static_cast<std::size_t>(v)]) continue;
    const auto voxel = grid.voxel_at(v);
    const Eigen::Vector4d at(static_cast<double>(voxel[0]), static_cast<double>(voxel[1]),
                             static_cast<double>(voxel[2]), 1);
    const Eigen::Vector4d mm = grid.ras_from_voxel * at;
    places.push_back({mm[0], mm[1], mm[2]});
  }
  return places;
}

Shadow shadow_of(const std::vector<std::array<double, 3>>& places, const Projection& view, double step_mm) {
  std::map<std::int64_t, Range> columns;
  for (const auto& place : places) {
    columns[std::llround(place[static_cast<std::size_t>(view.across)] / step_mm)].add(
        place[static_cast<std::size_t>(view.up)]);
  }
  Shadow shadow;
  for (const auto& [column, range] : columns) {
    shadow.across.push_back(static_cast<double>(column) * step_mm);
    shadow.low.push_back(range.low - step_mm / 2);
    shadow.high.push_back(range.high + step_mm / 2);
  }
  return shadow;
}

struct Edge {
  int a = 0;
  int b = 0;
  double value = 0;
};

bool has_place(const std::array<double, 3>& place) {
  return std::isfinite(place[0]) && std::isfinite(place[1]) && std::isfinite(place[2]);
}

/// Weakest first, so that the strongest are drawn on top.
std::vector<Edge> strongest_edges(const ConnectomeFigure& figure, int count) {
  std::vector<Edge> edges;
  for (int i = 0; i < figure.values.rows(); ++i) {
    if (!has_place(figure.ras_mm[static_cast<std::size_t>(i)])) continue;
    for (int j = 0; j < i; ++j) {
      const double value = figure.values(i, j);
      if (has_place(figure.ras_mm[static_cast<std::size_t>(j)]) && std::isfinite(value) && value != 0) {
        edges.push_back({i, j, value});
      }
    }
  }
  const auto stronger = [](const Edge& a, const Edge& b) { return std::abs(a.value) > std::abs(b.value); };
  std::stable_sort(edges.begin(), edges.end(), stronger);
  if (edges.size() > static_cast<std::size_t>(count)) edges.resize(static_cast<std::size_t>(count));
  std::reverse(edges.begin(), edges.end());
  return edges;
}

/// One of three widths.
std::string edge_style(const Edge& edge, double weakest, double strongest) {
  const double share = strongest > weakest ? (std::abs(edge.value) - weakest) / (strongest - weakest) : 1;
  return fmt::format("edge {} w{}", edge.value > 0 ? "c1" : "c0", share > 0.66 ? 3 : share > 0.33 ? 2 : 1);
}

struct Panel {
  Projection view;
  Scale x, y;
  Shadow shadow;
};

void draw_panel(SvgWriter& svg, const Panel& panel, const ConnectomeFigure& figure, const std::vector<Edge>& edges) {
  const auto x_of = [&](int region) {
    return panel.x(figure.ras_mm[static_cast<std::size_t>(region)][static_cast<std::size_t>(panel.view.across)]);
  };
  const auto y_of = [&](int region) {
    return panel.y(figure.ras_mm[static_cast<std::size_t>(region)][static_cast<std::size_t>(panel.view.up)]);
  };
  svg.band(panel.x(panel.shadow.across), panel.y(panel.shadow.low), panel.y(panel.shadow.high), "glass");
  std::vector<double> strength(figure.names.size(), 0);
  for (const Edge& edge : edges) {
    svg.line(x_of(edge.a), y_of(edge.a), x_of(edge.b), y_of(edge.b),
             edge_style(edge, std::abs(edges.front().value), std::abs(edges.back().value)));
    strength[static_cast<std::size_t>(edge.a)] += std::abs(edge.value);
    strength[static_cast<std::size_t>(edge.b)] += std::abs(edge.value);
  }
  const double strongest = edges.empty() ? 1 : *std::max_element(strength.begin(), strength.end());
  for (int region = 0; region < static_cast<int>(figure.names.size()); ++region) {
    const auto at = static_cast<std::size_t>(region);
    if (!has_place(figure.ras_mm[at])) continue;
    const double radius = strength[at] > 0 ? 2.4 + 4.2 * std::sqrt(strength[at] / strongest) : 1.4;
    svg.circle(x_of(region), y_of(region), radius, strength[at] > 0 ? "dot c7" : "dot small c6", figure.names[at]);
  }
  svg.text(panel.x.from, panel.y.to - 8, panel.view.name, "label strong");
  svg.text(panel.x.from, panel.y.from + 16, panel.view.left, "tick");
  svg.text(panel.x.to, panel.y.from + 16, panel.view.right, "tick", "end");
}

}  // namespace

std::string connectivity_plot(const ConnectomeFigure& figure) {
  require_names(figure);
  const double limit = color_limit(figure.values);
  const bool named = figure.names.size() <= kMostNames;
  double name_width = 0;
  if (named) {
    for (const std::string& name : figure.names) name_width = std::max(name_width, text_width(name, 10));
    name_width = std::min(name_width, kLongestName) + 8;
  }
  const double cell = std::clamp(480.0 / static_cast<double>(figure.names.size()), 1.0, 40.0);
  const double side = cell * static_cast<double>(figure.names.size());
  const double left = name_width + 4, top = 4;
  SvgWriter svg(left + side + 96, top + side + 4, figure.title,
                "Rows and columns are regions, in one order; the diagonal is grey.");
  svg.image(left, top, side, side, png_data_uri(matrix_picture(figure.values, limit)));
  svg.rectangle(left, top, side, side, "border");
  for (std::size_t r = 0; named && r < figure.names.size(); ++r) {
    svg.text(left - 5, top + cell * (static_cast<double>(r) + 0.5) + 3.5,
             shorten_text(figure.names[r], 10, kLongestName), "tick tiny", "end");
  }
  if (limit > 0) {
    const double bar = std::min(side, 220.0);
    MapColors colors;
    colors.limit = limit;
    colors.is_signed = true;
    svg.rectangle(left + side + 14, top, 78, bar + 8, "panel");
    draw_color_bar(svg, left + side + 22, top + 2, bar, colors, "");
  }
  return svg.finish();
}

std::string glass_brain(const ConnectomeFigure& figure, const Image* brain, const GlassBrainOptions& options) {
  require_names(figure);
  if (figure.ras_mm.size() != figure.names.size()) {
    throw ShapeError(fmt::format("found {} places of {} regions", figure.ras_mm.size(), figure.names.size()));
  }
  if (std::count_if(figure.ras_mm.begin(), figure.ras_mm.end(), has_place) < 2) return {};
  const std::vector<Edge> edges = strongest_edges(figure, options.edges);
  std::vector<std::array<double, 3>> outline;
  double step_mm = 2;
  if (brain != nullptr) {
    outline = places_of(*brain);
    const auto size = brain->header.grid.voxel_size_mm();
    step_mm = *std::max_element(size.begin(), size.end());
  }
  std::array<Range, 3> extent;
  for (const std::vector<std::array<double, 3>>* places : {&std::as_const(outline), &figure.ras_mm}) {
    for (const auto& place : *places) {
      for (std::size_t axis = 0; axis < 3; ++axis) extent[axis].add(place[axis]);
    }
  }
  constexpr double kGap = 36, kTop = 30, kBottom = 24, kMargin = 8;
  const auto length = [&](int axis) {
    const Range& range = extent[static_cast<std::size_t>(axis)];
    return range.high - range.low + 2 * step_mm;
  };
  double across_mm = 0, up_mm = 0;
  for (const Projection& view : kProjections) {
    across_mm += length(view.across);
    up_mm = std::max(up_mm, length(view.up));
  }
  const double pixels_per_mm = std::min((options.width - 2 * kGap - 2 * kMargin) / across_mm, 360 / up_mm);
  SvgWriter svg(across_mm * pixels_per_mm + 2 * kGap + 2 * kMargin, up_mm * pixels_per_mm + kTop + kBottom,
                figure.title, "The strongest edges between regions: from above, from the right and from behind.");
  double left = kMargin;
  for (const Projection& view : kProjections) {
    const Range& across = extent[static_cast<std::size_t>(view.across)];
    const Range& up = extent[static_cast<std::size_t>(view.up)];
    const double width = length(view.across) * pixels_per_mm, height = length(view.up) * pixels_per_mm;
    const double bottom = kTop + up_mm * pixels_per_mm;
    draw_panel(svg,
               {view,
                {across.low - step_mm, across.high + step_mm, left, left + width},
                {up.low - step_mm, up.high + step_mm, bottom, bottom - height},
                shadow_of(outline, view, step_mm)},
               figure, edges);
    left += width + kGap;
  }
  return svg.finish();
}

}  // namespace noema
