// preprocess/smooth: Gaussian smoothing of volumes.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "noema/io/grid.h"

namespace noema {

/// Axes with fewer voxels than this are neither smoothed nor opened.
constexpr std::int64_t kThinAxis = 5;

/// Which axes have at least `kThinAxis` voxels.
std::array<bool, 3> thick_axes(const Grid& grid);

/// Smooths volumes of one grid, in place, with a Gaussian of `fwhm_mm` along each axis of voxels.
///
/// Values that are not finite become 0 first. Kernels reach ⌊4σ+½⌋ voxels and sum to 1; at the borders the image is
/// mirrored (d c b a | a b c d | d c b a). float32 volumes are summed in float32, of relative error about 1e-6. Thin
/// axes are skipped with a warning (once for each smoother). fwhm_mm = 0 changes nothing. Parallel within a volume;
/// cost O(voxels · kernel lengths).
class Smoother {
 public:
  /// @throws UsageError for a width that is negative or not finite
  Smoother(const Grid& grid, double fwhm_mm);

  /// @throws ShapeError unless `volume` has one value for each voxel
  void apply(std::span<float> volume);
  void apply(std::span<double> volume);

 private:
  template <class T>
  void smooth(std::span<T> volume, std::vector<T>& scratch) const;
  std::array<std::int64_t, 3> shape_;
  bool active_ = false;
  /// Weights of offsets −radius … radius; empty for axes that are not smoothed.
  std::array<std::vector<double>, 3> kernels_;
  std::vector<float> scratch_f_;
  std::vector<double> scratch_d_;
};

}  // namespace noema
