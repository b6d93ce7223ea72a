// pipelines/surfaces: meshes that grayordinates are smoothed along and drawn on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/io/gifti.h"
#include "noema/io/grid.h"
#include "noema/pipelines/options.h"

namespace noema {

/// Reads meshes of the cortex. One that does not say which hemisphere it is must say so in its name: hemi-L, .L. or
/// lh., and so on. @throws what read_surface throws; DataError where neither says it; UsageError for meshes of the same
/// hemisphere
std::vector<SurfaceMesh> read_meshes(const std::vector<std::filesystem::path>& files);

/// The same for values on a grid. @throws UsageError with a grid of voxels; ShapeError when the grid's surface has
/// another number of vertices (names the file and both)
std::vector<SurfaceMesh> read_meshes(const std::vector<std::filesystem::path>& files, const Grid& grid);

/// Do the meshes of the options fit the runs, and can grayordinates be smoothed along them, where that is asked for?
/// @throws as read_meshes and GrayordinateSmoother
void check_surfaces(const PrepareOptions& options, const Grid& grid);

/// Copies meshes into an output folder and returns their paths relative to it.
std::vector<std::string> keep_meshes(const std::filesystem::path& folder, const std::vector<SurfaceMesh>& meshes);

}  // namespace noema
