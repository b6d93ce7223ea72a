// preprocess/mask: which voxels belong to the brain.
#pragma once

#include <span>
#include <vector>

#include "noema/io/image.h"

namespace noema {

struct EpiMaskOptions {
  /// The threshold is sought between these shares of the sorted values.
  double lower_cutoff = 0.2;
  double upper_cutoff = 0.85;
  /// Only the largest component.
  bool connected = true;
  /// Erosions, and as many dilations twice and erosions again, that cut thin bridges; 0: none.
  int opening = 2;
  /// Look for the threshold among values other than 0, for images that were padded with zeros.
  bool exclude_zeros = false;
};

struct BackgroundMaskOptions {
  /// How many voxels deep the border is.
  int border_voxels = 2;
  /// As in `EpiMaskOptions`.
  bool connected = false;
  int opening = 0;
};

/// The brain in echo-planar images, as nilearn's `compute_epi_mask` finds it.
///
/// The mean over time is smoothed a little (FWHM one voxel) if there is an opening; the threshold is the middle of the
/// largest step between successive sorted values; then opening and the largest component. Values that are not finite
/// count as 0. Axes with fewer than 5 voxels are left out of smoothing and opening, with a warning. Computed in double.
/// @throws UsageError for cut-offs that are not 0 ≤ lower < upper ≤ 1; DataError if no voxel is left
Mask compute_epi_mask(const Image& image, const EpiMaskOptions& options = {});

/// The voxels that differ from the background, the median over the border of the image (or, where the border has values
/// that are not numbers, the voxels that are numbers), as nilearn's `compute_background_mask` finds them.
/// @throws UsageError for a border of less than one voxel; DataError if no voxel is left
Mask compute_background_mask(const Image& image, const BackgroundMaskOptions& options = {});

/// The voxels in more than the share `threshold` of the masks (0 union, 1 intersection); `connected`: of these the
/// largest component. @throws UsageError without masks or for a share outside [0, 1]; ShapeError for grids that differ;
/// DataError if no voxel is left
Mask intersect_masks(std::span<const Mask> masks, double threshold = 0.5, bool connected = true);

}  // namespace noema
