#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/report/brain.h"
#include "noema/report/colors.h"

namespace noema {
namespace {

constexpr int kGreys = 64;
constexpr int kColorsEachSide = 95;
constexpr int kFirstGrey = 1;  // 0 is transparent: the gaps
constexpr int kFirstColor = kFirstGrey + kGreys;
/// Thinner than this, a view shows nothing that the axial slices do not.
constexpr std::int64_t kThinnest = 8;

/// The value below which `share` of the values lie; they change order. 0 without values.
double percentile(std::vector<float>& values, double share) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(std::lround(share * static_cast<double>(values.size() - 1)));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

std::vector<float> contents(const Image& image, bool absolute) {
  std::vector<float> values;
  for (const float value : image.volume(0))
    if (std::isfinite(value) && value != 0) values.push_back(absolute ? std::abs(value) : value);
  return values;
}

std::vector<std::int64_t> count_by_slice(const Grid& grid, const std::vector<bool>& content, std::size_t axis) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(grid.shape[axis]), 0);
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v)
    if (content[static_cast<std::size_t>(v)]) ++counts[static_cast<std::size_t>(grid.voxel_at(v)[axis])];
  return counts;
}

/// `wanted` slices, evenly over those that hold at least 15 % of what the fullest one holds.
std::vector<int> spread(const std::vector<std::int64_t>& counts, int wanted) {
  const double enough = std::max(1.0, 0.15 * static_cast<double>(*std::max_element(counts.begin(), counts.end())));
  const auto has_enough = [&](std::int64_t count) { return static_cast<double>(count) >= enough; };
  int first = static_cast<int>(std::find_if(counts.begin(), counts.end(), has_enough) - counts.begin());
  int last = static_cast<int>(counts.rend() - std::find_if(counts.rbegin(), counts.rend(), has_enough)) - 1;
  if (last < first) first = 0, last = static_cast<int>(counts.size()) - 1;
  const int count = std::min(wanted, last - first + 1);
  std::vector<int> slices;
  for (int s = 0; s < count; ++s)
    slices.push_back(first + static_cast<int>(std::floor((s + 0.5) * (last - first + 1) / count)));
  return slices;
}

void bound(MosaicSlices& slices, const Grid& grid, const std::vector<bool>& inside) {
  constexpr int kMargin = 2;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::vector<std::int64_t> counts = count_by_slice(grid, inside, axis);
    const auto some = [](std::int64_t count) { return count > 0; };
    const int size = static_cast<int>(counts.size());
    const int first = static_cast<int>(std::find_if(counts.begin(), counts.end(), some) - counts.begin());
    const int end = static_cast<int>(counts.rend() - std::find_if(counts.rbegin(), counts.rend(), some));
    slices.first[axis] = first < end ? std::max(0, first - kMargin) : 0;
    slices.end[axis] = first < end ? std::min(size, end + kMargin) : size;
  }
}

/// Which grid axes run to the right and up in a view, and which one counts its slices.
struct ViewAxes {
  std::size_t right, up, through;
};
ViewAxes axes_of(View view) {
  if (view == View::axial) return {0, 1, 2};
  return view == View::sagittal ? ViewAxes{1, 2, 0} : ViewAxes{0, 2, 1};
}

std::uint8_t color_index(float value, float grey, const MapColors& colors) {
  const double size = std::abs(value);
  if (std::isfinite(value) && value != 0 && size >= colors.cut && colors.limit > 0) {
    const double share = std::min(1.0, size / colors.limit);
    const int all = 2 * kColorsEachSide;
    if (!colors.is_signed) return static_cast<std::uint8_t>(kFirstColor + std::lround(share * (all - 1)));
    const int step = static_cast<int>(std::lround(share * (kColorsEachSide - 1)));
    return static_cast<std::uint8_t>(kFirstColor + (value < 0 ? kColorsEachSide - 1 - step : kColorsEachSide + step));
  }
  const double span = colors.background_high - colors.background_low;
  const double share = std::isfinite(grey) && span > 0 ? (grey - colors.background_low) / span : 0;
  return static_cast<std::uint8_t>(kFirstGrey + std::lround(std::clamp(share, 0.0, 1.0) * (kGreys - 1)));
}

std::vector<Color> palette_of(const MapColors& colors) {
  std::vector<Color> palette{Color{0, 0, 0, 0}};
  const std::vector<Color> greys = grey_levels(kGreys);
  const std::vector<Color> values =
      colors.is_signed ? diverging_colors(kColorsEachSide) : sequential_colors(2 * kColorsEachSide);
  palette.insert(palette.end(), greys.begin(), greys.end());
  palette.insert(palette.end(), values.begin(), values.end());
  return palette;
}

}  // namespace

std::vector<bool> content_of(const Image& image) {
  std::vector<bool> content;
  for (const float value : image.volume(0)) content.push_back(std::isfinite(value) && value != 0);
  return content;
}

MosaicSlices choose_slices(const Image& background, const std::vector<bool>& content, const SliceCounts& counts) {
  const Grid& grid = background.header.grid;
  if (static_cast<std::int64_t>(content.size()) != grid.voxel_count())
    throw ShapeError(fmt::format("content of {} voxels on a grid of {}", content.size(), describe(grid)));
  std::vector<float> values = contents(background, false);
  const double bright = 0.25 * percentile(values, 0.98);
  std::vector<bool> inside = content;
  for (std::size_t v = 0; v < inside.size(); ++v)
    if (background.values[v] > bright) inside[v] = true;
  const bool has_content = std::find(content.begin(), content.end(), true) != content.end();
  const std::vector<bool>& shown = has_content ? content : inside;

  MosaicSlices slices;
  bound(slices, grid, inside);
  slices.axial = spread(count_by_slice(grid, shown, 2), counts.axial);
  const bool tall = grid.shape[2] >= kThinnest;
  if (tall && grid.shape[1] >= kThinnest) slices.sagittal = spread(count_by_slice(grid, shown, 0), counts.sagittal);
  if (tall && grid.shape[0] >= kThinnest) slices.coronal = spread(count_by_slice(grid, shown, 1), counts.coronal);
  return slices;
}

MapColors map_colors(const Image& map, const Image& background, const MosaicOptions& options) {
  MapColors colors;
  std::vector<float> greys = contents(background, false);
  colors.background_low = percentile(greys, 0.01);
  colors.background_high = percentile(greys, 0.99);
  if (colors.background_low > 0.5 * colors.background_high) {
    // Little contrast within the brain: stretched to black and white it would drown the map.
    colors.background_low = 0;
    colors.background_high *= 1.6;
  }
  std::vector<float> sizes = contents(map, true);
  colors.limit = std::isfinite(options.limit) ? options.limit : percentile(sizes, 0.995);
  colors.cut = options.show_top < 1 ? percentile(sizes, 1 - options.show_top) : 0;
  const std::span<const float> values = map.volume(0);
  colors.is_signed = std::any_of(values.begin(), values.end(), [](float v) { return v < 0; });
  return colors;
}

IndexedPicture draw_slices(const Image& map, const Image& background, const MosaicSlices& slices, View view,
                           const MapColors& colors) {
  const auto [right, up, through] = axes_of(view);
  const std::vector<int>& places = view == View::axial      ? slices.axial
                                   : view == View::sagittal ? slices.sagittal
                                                            : slices.coronal;
  const int width = slices.end[right] - slices.first[right], height = slices.end[up] - slices.first[up];
  const int count = static_cast<int>(places.size());
  IndexedPicture picture{count * width + (count - 1) * kSliceGap, height, {}, palette_of(colors)};
  picture.pixels.assign(static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(height), 0);
  const Grid& grid = map.header.grid;
  for (int s = 0; s < count; ++s) {
    std::array<std::int64_t, 3> at{};
    at[through] = places[static_cast<std::size_t>(s)];
    for (int y = 0; y < height; ++y) {
      at[up] = slices.end[up] - 1 - y;
      for (int x = 0; x < width; ++x) {
        at[right] = slices.first[right] + x;
        const auto voxel = static_cast<std::size_t>(grid.linear_index(at[0], at[1], at[2]));
        picture.at(s * (width + kSliceGap) + x, y) = color_index(map.values[voxel], background.values[voxel], colors);
      }
    }
  }
  return picture;
}

}  // namespace noema
