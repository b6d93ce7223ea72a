// report/surface: a map of grayordinates, drawn on meshes of the cortex from outside and from the middle.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "noema/io/gifti.h"
#include "noema/report/brain.h"

namespace noema {

/// The map's value at each vertex of a mesh, by the mesh's structure; NaN where the map has none.
/// @throws ShapeError unless the map is of grayordinates and lists a surface of this structure and number of vertices
std::vector<float> values_on(const Image& map, const SurfaceMesh& mesh);

/// From where a mesh is seen; up is up.
enum class SurfaceView {
  left,   ///< from the left: the front is on the left
  right,  ///< from the right: the front is on the right
};

/// How large a mesh is drawn: pixels for a millimetre, and the box of pixels that its centre is the middle of.
struct SurfaceFrame {
  double pixels_per_mm = 2;
  int width = 0;
  int height = 0;
};
/// A frame that all meshes fit in from both sides, at most `width` pixels wide.
SurfaceFrame frame_of(std::span<const SurfaceMesh> meshes, int width);

/// The mesh in parallel projection, nearer parts before farther ones, lit from the eye; each pixel has the colour of
/// the nearest vertex, grey where that has no value. @throws ShapeError unless there is a value for each vertex
IndexedPicture draw_surface(const SurfaceMesh& mesh, std::span<const float> values, SurfaceView view,
                            const SurfaceFrame& frame, const MapColors& colors);

/// Each mesh from outside and from the middle, the left hemisphere on the left; colours as in `brain_mosaic`. Deep
/// structures are not shown. @throws ShapeError as values_on
std::string surface_mosaic(const Image& map, std::span<const SurfaceMesh> meshes, const MosaicOptions& options);

}  // namespace noema
