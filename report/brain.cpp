#include "noema/report/brain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/report/axes.h"
#include "noema/report/colors.h"

namespace noema {
namespace {

constexpr double kPadding = 14;
constexpr double kCaption = 20;
constexpr double kBarSpace = 66;
constexpr double kRowGap = 10;
constexpr double kViewGap = 18;
constexpr double kMostPixelsPerMm = 2.6;

/// One view as it will be drawn: where its slices lie, in millimetres.
struct ViewLayout {
  View view = View::axial;
  const std::vector<int>* places = nullptr;
  double slice_mm = 0;  // width
  double height_mm = 0;
  double gap_mm = 0;

  double width_mm() const {
    const auto count = static_cast<double>(places->size());
    return count * slice_mm + (count - 1) * gap_mm;
  }
};

ViewLayout layout(View view, const MosaicSlices& slices, const std::array<double, 3>& size_mm) {
  const std::size_t right = view == View::sagittal ? 1 : 0, up = view == View::axial ? 1 : 2;
  const auto extent = [&](std::size_t axis) { return (slices.end[axis] - slices.first[axis]) * size_mm[axis]; };
  const std::vector<int>& places = view == View::axial      ? slices.axial
                                   : view == View::sagittal ? slices.sagittal
                                                            : slices.coronal;
  return {view, &places, extent(right), extent(up), kSliceGap * size_mm[right]};
}

/// "z = −12": where the middle of a slice lies.
std::string place_text(View view, int slice, const MosaicSlices& slices, const Grid& grid) {
  const Eigen::Index axis = view == View::axial ? 2 : view == View::sagittal ? 0 : 1;
  Eigen::Vector4d middle(0, 0, 0, 1);
  for (std::size_t a = 0; a < 3; ++a)
    middle[static_cast<Eigen::Index>(a)] = (slices.first[a] + slices.end[a] - 1) / 2.0;
  middle[axis] = slice;
  const double place = (grid.ras_from_voxel * middle)[axis];
  return fmt::format("{} = {}", "xyz"[axis], format_number(place, 0));
}

/// Draws a view with its top left corner at (x, y).
void draw_view(SvgWriter& svg, double x, double y, const ViewLayout& view, double pixels_per_mm,
               const IndexedPicture& picture, const MosaicSlices& slices, const Grid& grid) {
  const double height = view.height_mm * pixels_per_mm;
  svg.image(x, y, view.width_mm() * pixels_per_mm, height, png_data_uri(picture));
  for (std::size_t s = 0; s < view.places->size(); ++s) {
    const double left = x + static_cast<double>(s) * (view.slice_mm + view.gap_mm) * pixels_per_mm;
    svg.text(left + view.slice_mm * pixels_per_mm / 2, y + height + 14,
             place_text(view.view, (*view.places)[s], slices, grid) + (view.places->size() == 1 ? " mm" : ""),
             "on-dark", "middle");
    if (s > 0) continue;
    svg.text(left + 2, y + 10, view.view == View::sagittal ? "P" : "L", "on-dark side");
    svg.text(left + view.slice_mm * pixels_per_mm - 2, y + 10, view.view == View::sagittal ? "A" : "R", "on-dark side",
             "end");
  }
}

/// Enough digits for a number of this size to be told from zero.
int decimals_for(double limit) { return limit >= 100 ? 0 : limit >= 10 ? 1 : limit >= 0.1 ? 2 : limit >= 0.01 ? 3 : 4; }

std::string bar_text(double value, double limit) {
  if (limit < 0.001 && value != 0) return fmt::format("{:.1e}", value);
  return value == 0 ? "0" : format_number(value, decimals_for(limit));
}

/// Rows of views: axial slices above, sagittal and coronal ones below.
std::vector<std::vector<ViewLayout>> arrange(const MosaicSlices& slices, const Grid& grid) {
  std::vector<std::vector<ViewLayout>> rows;
  const std::array<double, 3> size_mm = grid.voxel_size_mm();
  for (const std::vector<View>& views : {std::vector{View::axial}, std::vector{View::sagittal, View::coronal}}) {
    std::vector<ViewLayout> row;
    for (const View view : views) {
      const ViewLayout candidate = layout(view, slices, size_mm);
      if (!candidate.places->empty()) row.push_back(candidate);
    }
    if (!row.empty()) rows.push_back(row);
  }
  return rows;
}

}  // namespace

void draw_color_bar(SvgWriter& svg, double x, double y, double height, const MapColors& colors,
                    const std::string& label) {
  constexpr double kWidth = 11;
  IndexedPicture bar{1, 190, {}, colors.is_signed ? diverging_colors(95) : sequential_colors(190)};
  const double low = colors.is_signed ? -colors.limit : 0;
  const auto grey = static_cast<std::uint8_t>(bar.palette.size());
  bar.palette.push_back({70, 74, 80, 255});
  for (int p = 0; p < bar.height; ++p) {
    const double value = low + (colors.limit - low) * (bar.height - 0.5 - p) / bar.height;
    bar.pixels.push_back(std::abs(value) < colors.cut ? grey : static_cast<std::uint8_t>(bar.height - 1 - p));
  }
  svg.text(x, y + 9, shorten_text(label, 11, kBarSpace - 8), "on-dark");
  const double top = y + 18, bottom = y + height;
  svg.image(x, top, kWidth, bottom - top, png_data_uri(bar));
  svg.text(x + kWidth + 5, top + 8, bar_text(colors.limit, colors.limit), "on-dark");
  svg.text(x + kWidth + 5, bottom, bar_text(low, colors.limit), "on-dark");
  if (colors.is_signed) svg.text(x + kWidth + 5, (top + bottom) / 2 + 4, "0", "on-dark");
}

std::string brain_mosaic(const Image& map, const Image& background, const MosaicSlices& slices,
                         const MosaicOptions& options) {
  const Grid& grid = map.header.grid;
  if (!same_grid(grid, background.header.grid))
    throw ShapeError(fmt::format("a map of {} is to be drawn over a background of {}", describe(grid),
                                 describe(background.header.grid)));
  const MapColors colors = map_colors(map, background, options);
  const bool has_bar = colors.limit > 0;
  const double bar_space = has_bar ? kBarSpace : 0;
  const std::vector<std::vector<ViewLayout>> rows = arrange(slices, grid);
  double pixels_per_mm = kMostPixelsPerMm;
  for (const auto& row : rows) {
    double width_mm = 0;
    for (const ViewLayout& view : row) width_mm += view.width_mm();
    const double space = options.width - 2 * kPadding - bar_space - kViewGap * static_cast<double>(row.size() - 1);
    pixels_per_mm = std::min(pixels_per_mm, space / width_mm);
  }
  double width = 0, height = 0;
  for (const auto& row : rows) {
    double row_width = kViewGap * static_cast<double>(row.size() - 1), row_height = 0;
    for (const ViewLayout& view : row) {
      row_width += view.width_mm() * pixels_per_mm;
      row_height = std::max(row_height, view.height_mm * pixels_per_mm);
    }
    width = std::max(width, row_width);
    height += row_height + kCaption + (height > 0 ? kRowGap : 0);
  }

  SvgWriter svg(width + 2 * kPadding + bar_space, height + 2 * kPadding - 4, options.title,
                "Slices of the map over the mean image; the left hemisphere is on the left.");
  svg.rectangle(0, 0, svg.width(), svg.height(), "panel");
  double y = kPadding;
  for (const auto& row : rows) {
    double row_width = kViewGap * static_cast<double>(row.size() - 1), row_height = 0;
    for (const ViewLayout& view : row) row_width += view.width_mm() * pixels_per_mm;
    double x = kPadding + (width - row_width) / 2;
    for (const ViewLayout& view : row) {
      draw_view(svg, x, y, view, pixels_per_mm, draw_slices(map, background, slices, view.view, colors), slices, grid);
      x += view.width_mm() * pixels_per_mm + kViewGap;
      row_height = std::max(row_height, view.height_mm * pixels_per_mm);
    }
    y += row_height + kCaption + kRowGap;
  }
  if (has_bar) {
    const double bar_height = std::min(height - kCaption, 190.0);
    draw_color_bar(svg, kPadding + width + 16, kPadding + (height - kCaption - bar_height) / 2, bar_height, colors,
                   options.value_label);
  }
  return svg.finish();
}

}  // namespace noema
