// preprocess/motion_metrics: how much the image changed from volume to volume.
#pragma once

#include <vector>

#include "noema/io/series.h"

namespace noema {

struct Dvars {
  /// (T): root mean square over voxels of the difference from the volume before, in units in which the median of all
  /// values is 1000; NaN for the first volume.
  std::vector<double> plain;
  /// (T): the same divided by its mean predicted from each voxel's spread and lag-1 autocorrelation, so that about 1 is
  /// usual (Nichols 2013, as nipype computes it for fMRIPrep's `std_dvars`).
  std::vector<double> standardised;
};

/// DVARS of voxels in time. Voxels that are constant (by their quartiles) or not finite do not count.
/// @throws DataError for fewer than two volumes, a median of 0, or if no voxel counts. Cost O(T·V log T).
Dvars dvars(const MatrixF& voxels);  // (T, V)

}  // namespace noema
