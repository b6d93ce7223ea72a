// report/brain: slices of a map over a mean image.
#pragma once

#include <string>
#include <vector>

#include "noema/io/image.h"
#include "noema/report/png.h"
#include "noema/report/svg.h"

namespace noema {

/// Which voxels of the first volume have a value: finite and not zero.
std::vector<bool> content_of(const Image& image);

struct MosaicSlices {
  std::vector<int> axial;     // k
  std::vector<int> sagittal;  // i
  std::vector<int> coronal;   // j
  /// The part of the grid that is drawn: [first, end) along i, j, k.
  std::array<int, 3> first{0, 0, 0};
  std::array<int, 3> end{0, 0, 0};
};

struct SliceCounts {
  int axial = 8;
  int sagittal = 3;
  int coronal = 3;
};

/// Slices spread evenly over where `content` is, and a box around content and the bright part of the background.
///
/// Sagittal and coronal slices only where the grid has at least 8 voxels along each of their axes. Maps that are to be
/// compared share one choice, made from the voxels that any of them has. @throws ShapeError if the sizes differ.
MosaicSlices choose_slices(const Image& background, const std::vector<bool>& content, const SliceCounts& counts = {});

struct MosaicOptions {
  std::string title;
  /// Beside the colour bar: "z".
  std::string value_label;
  /// Where the colours end; missing: the 99.5th percentile of |value|.
  double limit = kMissing;
  /// The share of the map's voxels that is coloured, largest |value| first.
  double show_top = 1;
  /// The picture is at most so wide.
  double width = 1060;
};

/// The map over the background: grey between the 1st and 99th percentile of the background; colours diverge from zero
/// if the map has negative values, else rise from zero. The left hemisphere is on the left, the front on top (axial) or
/// on the right (sagittal); slices carry their place in millimetres. Voxels of zero or no value show the background.
/// @throws ShapeError if the grids differ.
std::string brain_mosaic(const Image& map, const Image& background, const MosaicSlices& slices,
                         const MosaicOptions& options);

enum class View { axial, sagittal, coronal };

/// How the voxels of a map are coloured.
struct MapColors {
  double limit = 0;
  /// Smaller |values| show the background.
  double cut = 0;
  bool is_signed = false;
  double background_low = 0;
  double background_high = 1;
};
MapColors map_colors(const Image& map, const Image& background, const MosaicOptions& options);

/// Draws the colours of a map with their ends as a bar, with its top left corner at (x, y).
void draw_color_bar(SvgWriter& svg, double x, double y, double height, const MapColors& colors,
                    const std::string& label);

/// Number of pixels between two slices of a row.
inline constexpr int kSliceGap = 2;

/// The raster part: the slices of one view side by side, one pixel per voxel.
IndexedPicture draw_slices(const Image& map, const Image& background, const MosaicSlices& slices, View view,
                           const MapColors& colors);

}  // namespace noema
