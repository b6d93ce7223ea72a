// preprocess/resample: images on another grid.
#pragma once

#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/image.h"
#include "noema/preprocess/spline.h"

namespace noema {

enum class Interpolation {
  nearest,  ///< the voxel at ⌊p + ½⌋: for labels
  linear,   ///< of the eight voxels around
  cubic,    ///< the cubic B-spline through the voxels, mirrored at the borders
};
/// "nearest", "linear" or "cubic".
std::string_view interpolation_name(Interpolation interpolation);

struct ResampleOptions {
  Interpolation interpolation = Interpolation::cubic;
  /// Limits values to [min(0, least), max(0, largest)] of all the source's volumes: a spline overshoots at edges.
  /// `resample_image` alone does it.
  bool clip = false;
  /// Where a point lies beyond the centres of the source's border voxels.
  double fill_value = 0;
  /// The point of the source's world that belongs to a point of the target's world, in RAS mm: a registration.
  Eigen::Matrix4d source_from_target_mm = Eigen::Matrix4d::Identity();
};

/// The grid of voxel vectors `axes` (columns, mm) that covers the centres of the source's voxels: it begins at their
/// smallest coordinates along these axes and has ⌈extent − 1e-9⌉ + 1 voxels.
/// @throws UsageError for axes that are not finite or do not span space
Grid covering_grid(const Grid& source, const Eigen::Matrix3d& axes);

/// The grid with this affine, from its origin to the furthest centre of the source's voxels.
/// @throws UsageError as above; DataError if the source lies wholly before the origin
Grid covering_grid(const Grid& source, const Eigen::Matrix4d& ras_from_voxel);

/// Takes volumes of one grid to another.
///
/// Points up to 1e-9 voxels beyond the border centres count as on them; along an axis of a single voxel, points within
/// the voxel do. Where the grids' axes are parallel each axis is done for itself, which is fastest; equal grids copy.
/// Values that are not finite are, for linear and cubic, first replaced from the finite ones around (two rings of face
/// neighbours, then 0), and where the nearest voxel was one the result is NaN. float32 volumes are computed in float32,
/// relative error about 1e-6. Parallel within a volume. Not for several threads at once: give each a copy.
class Resampler {
 public:
  /// @throws UsageError for a grid without voxels or an affine without inverse
  Resampler(const Grid& source, const Grid& target, const ResampleOptions& options = {});

  /// @throws ShapeError unless the spans have the sizes of source and target
  void apply(std::span<const float> volume, std::span<float> resampled);
  void apply(std::span<const double> volume, std::span<double> resampled);

 private:
  /// Along one axis: for the target indices from `begin` on that lie within the source, the source's indices and
  /// weights.
  struct Axis {
    std::int64_t begin = 0;
    std::vector<std::array<std::int64_t, 4>> taps;
    std::vector<std::array<double, 4>> weights;
  };
  template <class T>
  struct Scratch {
    std::vector<T> finite, first, second;
    MarginVolume<T> margin;
  };
  enum class Path { copy, axes, points };

  Axis make_axis(int axis) const;
  template <class T>
  void resample(std::span<const T> volume, std::span<T> resampled, Scratch<T>& scratch) const;
  template <class T>
  void along_axes(std::span<const T> volume, std::span<T> resampled, Scratch<T>& scratch) const;
  template <class T>
  void at_points(std::span<const T> volume, std::span<T> resampled, Scratch<T>& scratch) const;
  template <class Visit>
  void for_each_point(const Visit& visit) const;

  std::array<std::int64_t, 3> source_, target_;
  ResampleOptions options_;
  Eigen::Matrix4d source_from_target_;  // voxels
  Path path_ = Path::points;
  std::array<Axis, 3> axes_;
  Scratch<float> scratch_f_;
  Scratch<double> scratch_d_;
};

/// All volumes of an image on another grid; the header keeps what does not depend on the grid.
/// @throws as `Resampler`; Cancelled
Image resample_image(const Image& image, const Grid& target, const ResampleOptions& options = {});

}  // namespace noema
