// pipelines/surfaces: meshes that maps of grayordinates are drawn on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/io/gifti.h"
#include "noema/io/grid.h"

namespace noema {

/// Reads meshes for maps on a grid. One that does not say which hemisphere it is counts as left when it comes first, as
/// right when it comes second.
/// @throws what read_surface throws; UsageError for meshes of the same hemisphere, or with a grid of voxels; ShapeError
///         when the grid's surface has another number of vertices (names the file and both)
std::vector<SurfaceMesh> read_meshes(const std::vector<std::filesystem::path>& files, const Grid& grid);

/// Copies meshes into an output folder and returns their paths relative to it.
std::vector<std::string> keep_meshes(const std::filesystem::path& folder, const std::vector<SurfaceMesh>& meshes);

}  // namespace noema
