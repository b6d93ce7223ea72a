// preprocess/motion: how the head moved during a run, and volumes put back where they belong.
#pragma once

#include <Eigen/Core>
#include <optional>
#include <span>
#include <vector>

#include "noema/io/image.h"
#include "noema/io/series.h"

namespace noema {

/// A rigid motion about a centre c: the point x of the reference lies at R·(x − c) + c + t in the moved volume, with
/// R = Rz·Ry·Rx (first about x), positive angles counter-clockwise seen from the positive end of the axis; RAS mm.
struct RigidMotion {
  Eigen::Vector3d translation_mm = Eigen::Vector3d::Zero();
  Eigen::Vector3d rotation_rad = Eigen::Vector3d::Zero();  // about x, y, z
};

/// Takes points of the reference to the moved volume, RAS mm.
Eigen::Matrix4d matrix_of(const RigidMotion& motion, const Eigen::Vector3d& centre_mm);

/// The middle of a grid, RAS mm: the centre of rotations.
Eigen::Vector3d centre_of(const Grid& grid);

struct MotionOptions {
  /// Volumes are smoothed for the estimate by this in the first pass, over which large motion is found, and by
  /// `fine_fwhm_mm` in the second.
  double coarse_fwhm_mm = 8;
  double fine_fwhm_mm = 4;
  /// Share of the voxels that are compared: those where the reference changes most.
  double compared = 0.5;
  int iterations = 40;

  /// @throws UsageError for values out of range
  void validate() const;
};

struct MotionEstimate {
  /// One for each volume.
  std::vector<RigidMotion> motion;
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  /// The mean of the realigned volumes of the first pass: the reference of the second.
  Image reference;
  /// Volumes whose estimate had not settled after the last iteration.
  std::vector<std::int64_t> unsettled;
};

/// The motion of each volume, by Gauss-Newton on the squared difference to a reference, with the reference's slopes and
/// a gain that lets overall brightness change. Two passes: to the middle volume, then to the mean of what that gives.
///
/// Values between voxels are of the cubic B-spline; values that are not finite count as 0. Points that leave the volume
/// are not compared. Parallel over volumes; the result does not depend on the thread count. Time: about 0.1 s a volume
/// of 64×64×36 voxels on one core. Unsettled volumes are said in one warning.
/// @throws UsageError for options out of range; ShapeError for a grid that is thinner than four voxels along an axis
/// (rigid motion in three dimensions cannot be told from it); DataError for a reference without contrast; Cancelled
MotionEstimate estimate_motion(const Image& run, const MotionOptions& options = {});

/// Each volume at the points of a grid, in one interpolation (cubic B-spline; `fill_value` beyond the volume):
/// `moved_from_grid[t]` takes points of the grid to volume t, RAS mm. @throws ShapeError unless there is one for each
/// volume; Cancelled
Image resample_moved(const Image& run, std::span<const Eigen::Matrix4d> moved_from_grid, const Grid& grid,
                     double fill_value = 0);

/// The transforms of an estimate, one for each volume. With a registration of the reference to a template the grid may
/// be the template's: `reference_from_template_mm` comes first.
std::vector<Eigen::Matrix4d> transforms_of(
    const MotionEstimate& estimate, const Eigen::Matrix4d& reference_from_template_mm = Eigen::Matrix4d::Identity());

/// (T, 6): translations in mm, then rotations in radians, as `framewise_displacement` (motion_metrics.h) takes them.
MatrixD parameters_of(std::span<const RigidMotion> motion);

}  // namespace noema
