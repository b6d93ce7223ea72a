// pipelines/to_grid: masks and atlases on the grid of the runs, resampled where that is asked for.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/io/atlas.h"
#include "noema/io/image.h"

namespace noema {

/// The grid that files are brought to.
struct TargetGrid {
  Grid grid;
  /// A file of that grid, for messages.
  std::filesystem::path run;
  /// Resample, with a sentence in the record, instead of refusing.
  bool allow_resample = false;
};

/// The voxels of a mask file that are not zero; another grid is resampled by the nearest neighbour.
/// @throws ShapeError for another grid that may not be resampled (both files, both grids and the option); as
/// `read_image` and `mask_from_image`
Mask mask_on_grid(const std::filesystem::path& path, const TargetGrid& target, std::vector<std::string>& notes);

/// An atlas; another grid is resampled, labels by the nearest neighbour, maps linearly. Labels that no voxel is nearest
/// to are left out. Of grayordinates it stays as it is for runs of grayordinates (`make_feature_space` matches them). @throws as above and as `read_atlas`
Atlas atlas_on_grid(const std::filesystem::path& path, const std::filesystem::path& names, const TargetGrid& target,
                    std::vector<std::string>& notes);

}  // namespace noema
