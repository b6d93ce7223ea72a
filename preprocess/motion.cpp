#include "noema/preprocess/motion.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/Geometry>
#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/preprocess/mean_image.h"
#include "noema/preprocess/resample.h"
#include "noema/preprocess/smooth.h"
#include "noema/preprocess/spline.h"

namespace noema {
namespace {

using Seven = Eigen::Matrix<double, 7, 1>;  // three translations, three rotations, gain

/// Steps below this (mm, and mm at 50 mm from the centre) end the search.
constexpr double kSettled_mm = 1e-3;
constexpr double kHeadRadius_mm = 50;
constexpr std::int64_t kThinnest = 4;

Eigen::Matrix3d about(int axis, double angle) {
  return Eigen::AngleAxisd(angle, Eigen::Vector3d::Unit(axis)).toRotationMatrix();
}

/// What volumes are compared with: points of the reference with its value and slope there.
struct Reference {
  std::vector<Eigen::Vector3d> points;  // mm from the centre
  std::vector<Eigen::Vector3d> slopes;  // per mm
  std::vector<double> values;
};

/// A volume ready for interpolation.
struct Moving {
  std::array<std::int64_t, 3> shape{};
  Eigen::Matrix3d voxel_from_mm;  // of vectors
  Eigen::Vector3d centre;         // voxels
  MarginVolume<float> coefficients;
};

/// Where a volume is thought to be, mm from the centre, and how bright.
struct Pose {
  Eigen::Isometry3d transform = Eigen::Isometry3d::Identity();
  double gain = 1;
};

/// Sums of Gauss-Newton for the points within the volume.
struct Fit {
  Eigen::Matrix<double, 7, 7> normal = Eigen::Matrix<double, 7, 7>::Zero();
  Seven right = Seven::Zero();
  double squares = 0;
  double count = 0;
  double cost() const { return squares / count; }
};

/// The slopes are the reference's, not the volume's: noise of the volume then neither bends its own slopes nor draws
/// the pose to where interpolation happens to average it away.
Fit compare(const Moving& moving, const Reference& reference, const Pose& pose) {
  const Eigen::Matrix3d to_voxels = moving.voxel_from_mm * pose.transform.linear();
  const Eigen::Vector3d shift = moving.centre + moving.voxel_from_mm * pose.transform.translation();
  const Eigen::Vector3d last(static_cast<double>(moving.shape[0] - 1), static_cast<double>(moving.shape[1] - 1),
                             static_cast<double>(moving.shape[2] - 1));
  Fit fit;
  for (std::size_t i = 0; i < reference.points.size(); ++i) {
    const Eigen::Vector3d& point = reference.points[i];
    const Eigen::Vector3d p = to_voxels * point + shift;
    if ((p.array() < 0).any() || (p.array() > last.array()).any()) continue;
    const double value = static_cast<double>(moving.coefficients.cubic(p[0], p[1], p[2]));
    const Eigen::Vector3d slope = pose.gain * reference.slopes[i];
    Seven row;
    row << slope, point.cross(slope), reference.values[i];
    const double difference = value - pose.gain * reference.values[i];
    fit.normal.selfadjointView<Eigen::Lower>().rankUpdate(row);
    fit.right += row * difference;
    fit.squares += difference * difference;
    fit.count += 1;
  }
  return fit;
}

double length_mm(const Seven& step) {
  return std::max(step.head<3>().cwiseAbs().maxCoeff(), kHeadRadius_mm * step.segment<3>(3).cwiseAbs().maxCoeff());
}

Pose moved_back(const Pose& pose, const Seven& step) {
  Eigen::Isometry3d small = Eigen::Isometry3d::Identity();
  const Eigen::Vector3d turn = step.segment<3>(3);
  if (turn.norm() > 0) small.linear() = Eigen::AngleAxisd(turn.norm(), turn.normalized()).toRotationMatrix();
  small.translation() = step.head<3>();
  return {pose.transform * small.inverse(), pose.gain + step[6]};
}

/// Gauss-Newton from `pose` on, in shorter steps where a step makes it worse. Returns whether it settled.
bool align(const Moving& moving, const Reference& reference, int iterations, Pose& pose) {
  constexpr double kWorse = 1.05;  // the pose sought is near the least difference, not at it
  Fit fit = compare(moving, reference, pose);
  double damping = 0;
  const double least = 0.25 * static_cast<double>(reference.points.size());
  for (int i = 0; i < iterations; ++i) {
    Eigen::Matrix<double, 7, 7> normal = fit.normal.selfadjointView<Eigen::Lower>();
    normal.diagonal() *= 1 + damping;
    const Seven step = normal.ldlt().solve(fit.right);
    if (!step.allFinite()) return false;
    const Pose next = moved_back(pose, step);
    const Fit there = compare(moving, reference, next);
    if (there.count < least || !(there.cost() <= kWorse * fit.cost())) {
      damping = std::max(10 * damping, 1e-2);
      continue;
    }
    pose = next;
    fit = there;
    damping = damping < 1e-3 ? 0 : damping / 10;
    if (length_mm(step) < kSettled_mm) return true;
  }
  return false;
}

/// An interior voxel and how the volume changes there.
struct Candidate {
  std::int64_t voxel = 0;
  Eigen::Vector3d slope;  // per mm
  double steepness = 0;
};

std::vector<Candidate> interior_slopes(const Grid& grid, std::span<const float> volume) {
  std::vector<float> coefficients(volume.begin(), volume.end());
  to_spline_coefficients(std::span(coefficients), grid.shape);
  const MarginVolume<float> spline(coefficients, grid.shape);
  const Eigen::Matrix3d voxel_from_mm = grid.ras_from_voxel.topLeftCorner<3, 3>().inverse();
  std::vector<Candidate> candidates;
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v) {
    const auto at = grid.voxel_at(v);
    bool interior = true;
    for (std::size_t a = 0; a < 3; ++a) {
      const std::int64_t margin = std::min<std::int64_t>(2, (grid.shape[a] - 2) / 2);
      interior = interior && at[a] >= margin && at[a] < grid.shape[a] - margin;
    }
    if (!interior) continue;
    std::array<float, 3> by_voxel;
    spline.cubic(static_cast<double>(at[0]), static_cast<double>(at[1]), static_cast<double>(at[2]), by_voxel);
    const Eigen::Vector3d slope = voxel_from_mm.transpose() * Eigen::Vector3d(by_voxel[0], by_voxel[1], by_voxel[2]);
    candidates.push_back({v, slope, slope.squaredNorm()});
  }
  return candidates;
}

/// The share of the interior voxels where the volume changes most.
Reference make_reference(const Grid& grid, std::span<const float> volume, double share) {
  std::vector<Candidate> candidates = interior_slopes(grid, volume);
  const auto keep = static_cast<std::ptrdiff_t>(std::ceil(share * static_cast<double>(candidates.size())));
  std::nth_element(candidates.begin(), candidates.begin() + keep - 1, candidates.end(),
                   [](const Candidate& a, const Candidate& b) {
                     return a.steepness != b.steepness ? a.steepness > b.steepness : a.voxel < b.voxel;
                   });
  candidates.resize(static_cast<std::size_t>(keep));
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.voxel < b.voxel; });
  const double steepest =
      std::max_element(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
        return a.steepness < b.steepness;
      })->steepness;
  const auto [least, most] = std::minmax_element(volume.begin(), volume.end());
  if (!(*most > *least) || !(steepest > 0)) {
    throw DataError("the reference volume is constant: there is nothing to align to");
  }
  Reference reference;
  const Eigen::Vector3d centre = centre_of(grid);
  for (const Candidate& candidate : candidates) {
    const auto [i, j, k] = grid.voxel_at(candidate.voxel);
    const Eigen::Vector4d voxel(static_cast<double>(i), static_cast<double>(j), static_cast<double>(k), 1);
    reference.points.push_back((grid.ras_from_voxel * voxel).head<3>() - centre);
    reference.slopes.push_back(candidate.slope);
    reference.values.push_back(static_cast<double>(volume[static_cast<std::size_t>(candidate.voxel)]));
  }
  return reference;
}

/// The angles about x, y and z of a rotation.
Eigen::Vector3d angles_of(const Eigen::Matrix3d& rotation) {
  return {std::atan2(rotation(2, 1), rotation(2, 2)), -std::asin(std::clamp(rotation(2, 0), -1.0, 1.0)),
          std::atan2(rotation(1, 0), rotation(0, 0))};
}

/// One pass: every volume to the reference, from where `motion` is. Marks those that did not settle.
std::vector<std::uint8_t> align_all(const Image& run, std::span<const float> reference_volume, double fwhm_mm,
                                    const MotionOptions& options, std::vector<RigidMotion>& motion, const char* what) {
  const Grid& grid = run.header.grid;
  Smoother smoother(grid, fwhm_mm);
  std::vector<float> smoothed(reference_volume.begin(), reference_volume.end());
  smoother.apply(std::span(smoothed));
  const Reference reference = make_reference(grid, smoothed, options.compared);
  std::vector<std::uint8_t> settled(motion.size());
  Progress progress(what, run.header.volumes);
  parallel_tasks(run.header.volumes, [&](std::int64_t t) {
    check_cancelled();
    Smoother own = smoother;
    std::vector<float> volume(run.volume(t).begin(), run.volume(t).end());
    own.apply(std::span(volume));
    to_spline_coefficients(std::span(volume), grid.shape);
    Moving moving;
    moving.shape = grid.shape;
    moving.voxel_from_mm = grid.ras_from_voxel.topLeftCorner<3, 3>().inverse();
    for (int a = 0; a < 3; ++a)
      moving.centre[a] = 0.5 * static_cast<double>(grid.shape[static_cast<std::size_t>(a)] - 1);
    moving.coefficients.assign(std::span<const float>(volume), grid.shape);
    const auto at = static_cast<std::size_t>(t);
    Pose pose;
    pose.transform.matrix() = matrix_of(motion[at], Eigen::Vector3d::Zero());
    settled[at] = align(moving, reference, options.iterations, pose);
    motion[at] = {pose.transform.translation(), angles_of(pose.transform.linear())};
    progress.advance();
  });
  return settled;
}

void warn_of_unsettled(const Image& run, const std::vector<std::int64_t>& unsettled, int iterations) {
  if (unsettled.empty()) return;
  log_warning(
      fmt::format("'{}': the motion of {} of {} volumes had not settled after {} iterations (the first: volume "
                  "{}); look at them",
                  run.header.path.string(), unsettled.size(), run.header.volumes, iterations, unsettled[0]));
}

}  // namespace

Eigen::Matrix4d matrix_of(const RigidMotion& motion, const Eigen::Vector3d& centre_mm) {
  Eigen::Matrix4d matrix = Eigen::Matrix4d::Identity();
  const Eigen::Matrix3d rotation =
      about(2, motion.rotation_rad[2]) * about(1, motion.rotation_rad[1]) * about(0, motion.rotation_rad[0]);
  matrix.topLeftCorner<3, 3>() = rotation;
  matrix.topRightCorner<3, 1>() = centre_mm + motion.translation_mm - rotation * centre_mm;
  return matrix;
}

Eigen::Vector3d centre_of(const Grid& grid) {
  const Eigen::Vector4d middle(0.5 * static_cast<double>(grid.shape[0] - 1),
                               0.5 * static_cast<double>(grid.shape[1] - 1),
                               0.5 * static_cast<double>(grid.shape[2] - 1), 1);
  return (grid.ras_from_voxel * middle).head<3>();
}

void MotionOptions::validate() const {
  if (!(coarse_fwhm_mm >= 0) || !(fine_fwhm_mm >= 0) || !(compared > 0 && compared <= 1) || iterations < 1) {
    throw UsageError(
        fmt::format("motion: found smoothing of {} and {} mm, a share of {} and {} iterations; expected at "
                    "least 0 mm, a share in (0, 1] and at least 1 iteration",
                    coarse_fwhm_mm, fine_fwhm_mm, compared, iterations));
  }
}

MotionEstimate estimate_motion(const Image& run, const MotionOptions& options) {
  options.validate();
  const Grid& grid = run.header.grid;
  if (*std::min_element(grid.shape.begin(), grid.shape.end()) < kThinnest) {
    throw ShapeError(fmt::format("motion of '{}': found {}, expected at least {} voxels along each axis",
                                 run.header.path.string(), describe(grid), kThinnest));
  }
  return with_context(fmt::format("motion of '{}'", run.header.path.string()), [&] {
    MotionEstimate estimate;
    estimate.centre_mm = centre_of(grid);
    estimate.motion.resize(static_cast<std::size_t>(run.header.volumes));
    align_all(run, run.volume(run.header.volumes / 2), options.coarse_fwhm_mm, options, estimate.motion,
              "aligning to the middle volume");
    estimate.reference =
        mean_image(resample_moved(run, transforms_of(estimate), grid, std::numeric_limits<double>::quiet_NaN()));
    const std::vector<std::uint8_t> settled = align_all(run, estimate.reference.values, options.fine_fwhm_mm, options,
                                                        estimate.motion, "aligning to the mean");
    for (std::size_t t = 0; t < settled.size(); ++t) {
      if (!settled[t]) estimate.unsettled.push_back(static_cast<std::int64_t>(t));
    }
    warn_of_unsettled(run, estimate.unsettled, options.iterations);
    return estimate;
  });
}

Image resample_moved(const Image& run, std::span<const Eigen::Matrix4d> moved_from_grid, const Grid& grid,
                     double fill_value) {
  if (static_cast<std::int64_t>(moved_from_grid.size()) != run.header.volumes) {
    throw ShapeError(
        fmt::format("realigning: {} transforms for {} volumes", moved_from_grid.size(), run.header.volumes));
  }
  Image result;
  result.header = run.header;
  if (!same_grid(grid, run.header.grid)) {
    result.header.disk_grid = grid;
    result.header.disk_orientation = {};
  }
  result.header.grid = grid;
  result.values.resize(static_cast<std::size_t>(grid.voxel_count() * run.header.volumes));
  Progress progress("realigning", run.header.volumes);
  parallel_tasks(run.header.volumes, [&](std::int64_t t) {
    check_cancelled();
    ResampleOptions options;
    options.fill_value = fill_value;
    options.source_from_target_mm = moved_from_grid[static_cast<std::size_t>(t)];
    Resampler(run.header.grid, grid, options).apply(run.volume(t), result.volume(t));
    progress.advance();
  });
  return result;
}

std::vector<Eigen::Matrix4d> transforms_of(const MotionEstimate& estimate,
                                           const Eigen::Matrix4d& reference_from_template_mm) {
  std::vector<Eigen::Matrix4d> transforms;
  for (const RigidMotion& motion : estimate.motion) {
    transforms.push_back(matrix_of(motion, estimate.centre_mm) * reference_from_template_mm);
  }
  return transforms;
}

MatrixD parameters_of(std::span<const RigidMotion> motion) {
  MatrixD parameters(motion.size(), 6);
  for (std::size_t t = 0; t < motion.size(); ++t) {
    parameters.row(static_cast<Eigen::Index>(t)) << motion[t].translation_mm.transpose(),
        motion[t].rotation_rad.transpose();
  }
  return parameters;
}

}  // namespace noema
