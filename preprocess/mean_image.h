// preprocess/mean_image: the mean over time of a run's file, without holding the run in memory.
#pragma once

#include <filesystem>

#include "noema/io/image.h"

namespace noema {

/// The mean over time of each voxel, summed in double; not finite where one of its values is not. For brain masks and
/// pictures. Memory: two volumes. @throws as NiftiReader; UsageError if no volume is left; Cancelled
Image mean_image(const std::filesystem::path& path, int drop_first = 0);

/// The mean over time of an image's finite values, summed in double; 0 where a voxel has none.
Image mean_image(const Image& run);

}  // namespace noema
