#include "noema/preprocess/resample.h"

#include <fmt/format.h>

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/preprocess/simd.h"

namespace noema {
namespace {

/// Voxels: closer than any registration, further than rounding takes a point.
constexpr double kSnap = 1e-9;
/// Lines along x are taken this many at once, side by side.
constexpr std::int64_t kLines = 16;
constexpr std::array<std::array<std::int64_t, 3>, 6> kFaces{
    {{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}}};

/// Moves a coordinate that lies within the axis to where the axis has values.
bool within(double& p, std::int64_t n) {
  const double thickness = n == 1 ? 0.5 : 0;
  const double last = static_cast<double>(n - 1);
  if (!(p >= -thickness - kSnap && p <= last + thickness + kSnap)) return false;
  p = std::clamp(p, 0.0, last);
  return true;
}

std::int64_t nearest(double p, std::int64_t n) { return std::min(static_cast<std::int64_t>(p + 0.5 + kSnap), n - 1); }

template <class T>
struct Rows {
  std::array<const T*, 4> from;
  std::array<T, 4> weights;
};

// Not templates: the compiler clones only plain functions.
template <class T>
inline __attribute__((always_inline)) void sum_four(T* to, const Rows<T>& rows, std::int64_t n) {
  const auto [a, b, c, d] = rows.from;
  const auto [wa, wb, wc, wd] = rows.weights;
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) to[i] = (wa * a[i] + wb * b[i]) + (wc * c[i] + wd * d[i]);
}
NOEMA_SIMD_CLONES
void weighted_sum(float* to, const Rows<float>& rows, std::int64_t n) { sum_four(to, rows, n); }
NOEMA_SIMD_CLONES
void weighted_sum(double* to, const Rows<double>& rows, std::int64_t n) { sum_four(to, rows, n); }

template <class T>
Rows<T> rows_at(const T* from, std::int64_t stride, const std::array<std::int64_t, 4>& taps,
                const std::array<double, 4>& weights) {
  Rows<T> rows;
  for (std::size_t q = 0; q < 4; ++q) {
    rows.from[q] = from + taps[q] * stride;
    rows.weights[q] = static_cast<T>(weights[q]);
  }
  return rows;
}

/// The means of the finite face neighbours, for voxels that are not finite and have any.
template <class T>
void grow_into_gaps(std::span<T> volume, const std::array<std::int64_t, 3>& shape, std::vector<std::int64_t>& gaps) {
  const Grid box{shape, Eigen::Matrix4d::Identity()};
  std::vector<std::pair<std::int64_t, T>> found;
  std::vector<std::int64_t> left;
  for (const std::int64_t gap : gaps) {
    const auto at = box.voxel_at(gap);
    double sum = 0, count = 0;
    for (const auto& face : kFaces) {
      const std::array<std::int64_t, 3> n{at[0] + face[0], at[1] + face[1], at[2] + face[2]};
      bool in_box = true;
      for (std::size_t a = 0; a < 3; ++a) in_box = in_box && n[a] >= 0 && n[a] < shape[a];
      if (!in_box) continue;
      const T value = volume[static_cast<std::size_t>(box.linear_index(n[0], n[1], n[2]))];
      if (!std::isfinite(value)) continue;
      sum += static_cast<double>(value);
      count += 1;
    }
    if (count > 0) {
      found.emplace_back(gap, static_cast<T>(sum / count));
    } else {
      left.push_back(gap);
    }
  }
  for (const auto& [at, value] : found) volume[static_cast<std::size_t>(at)] = value;
  gaps = std::move(left);
}

/// Fills voxels that are not finite and says whether there were any.
template <class T>
bool make_finite(std::span<const T> volume, const std::array<std::int64_t, 3>& shape, std::vector<T>& finite) {
  std::vector<std::int64_t> gaps;
  for (std::size_t v = 0; v < volume.size(); ++v) {
    if (!std::isfinite(volume[v])) gaps.push_back(static_cast<std::int64_t>(v));
  }
  if (gaps.empty()) return false;
  finite.assign(volume.begin(), volume.end());
  constexpr int kRings = 2;
  for (int ring = 0; ring < kRings; ++ring) grow_into_gaps(std::span(finite), shape, gaps);
  for (const std::int64_t gap : gaps) finite[static_cast<std::size_t>(gap)] = 0;
  return true;
}

void check_axes(const Eigen::Matrix3d& axes) {
  if (!axes.allFinite() || std::abs(axes.determinant()) <= 1e-12 * std::pow(axes.cwiseAbs().maxCoeff(), 3)) {
    throw UsageError(
        "resampling: found voxel vectors that are not finite or lie in one plane, expected three that "
        "span space");
  }
}

/// Smallest and largest coordinates of the centres of the source's corner voxels.
std::array<Eigen::Vector3d, 2> bounds(const Grid& source, const Eigen::Matrix4d& ras_from_voxel) {
  const Eigen::Matrix4d from_source = ras_from_voxel.inverse() * source.ras_from_voxel;
  Eigen::Vector3d least = Eigen::Vector3d::Constant(std::numeric_limits<double>::infinity()), largest = -least;
  for (int corner = 0; corner < 8; ++corner) {
    Eigen::Vector4d voxel(0, 0, 0, 1);
    for (int a = 0; a < 3; ++a) {
      if (corner >> a & 1) voxel[a] = static_cast<double>(source.shape[static_cast<std::size_t>(a)] - 1);
    }
    const Eigen::Vector3d at = (from_source * voxel).head<3>();
    least = least.cwiseMin(at);
    largest = largest.cwiseMax(at);
  }
  return {least, largest};
}

/// The range that clipping leaves.
std::array<float, 2> range_of(const Image& image) {
  std::array<float, 2> range{0, 0};
  for (const float value : image.values) {
    if (!std::isfinite(value)) continue;
    range = {std::min(range[0], value), std::max(range[1], value)};
  }
  return range;
}

}  // namespace

std::string_view interpolation_name(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::nearest:
      return "nearest";
    case Interpolation::linear:
      return "linear";
    case Interpolation::cubic:
      return "cubic";
  }
  return "";
}

Grid covering_grid(const Grid& source, const Eigen::Matrix3d& axes) {
  check_axes(axes);
  Grid grid;
  grid.ras_from_voxel.topLeftCorner<3, 3>() = axes;
  const auto [least, largest] = bounds(source, grid.ras_from_voxel);
  grid.ras_from_voxel.topRightCorner<3, 1>() = axes * least;
  for (int a = 0; a < 3; ++a) {
    grid.shape[static_cast<std::size_t>(a)] = static_cast<std::int64_t>(std::ceil(largest[a] - least[a] - kSnap)) + 1;
  }
  return grid;
}

Grid covering_grid(const Grid& source, const Eigen::Matrix4d& ras_from_voxel) {
  check_axes(ras_from_voxel.topLeftCorner<3, 3>());
  Grid grid{{0, 0, 0}, ras_from_voxel};
  const Eigen::Vector3d largest = bounds(source, ras_from_voxel)[1];
  if ((largest.array() < 0).any()) {
    throw DataError(
        fmt::format("resampling: {} lies wholly before the origin of the grid asked for; move the origin "
                    "or give the voxel vectors alone",
                    describe(source)));
  }
  for (int a = 0; a < 3; ++a) {
    grid.shape[static_cast<std::size_t>(a)] = static_cast<std::int64_t>(std::ceil(largest[a] - kSnap)) + 1;
  }
  return grid;
}

Resampler::Resampler(const Grid& source, const Grid& target, const ResampleOptions& options)
    : source_(source.shape), target_(target.shape), options_(options) {
  for (const Grid* grid : {&source, &target}) {
    if (std::any_of(grid->shape.begin(), grid->shape.end(), [](std::int64_t n) { return n < 1; })) {
      throw UsageError(fmt::format("resampling: found a grid of {}", describe(*grid)));
    }
    check_axes(grid->ras_from_voxel.topLeftCorner<3, 3>());
  }
  source_from_target_ = source.ras_from_voxel.inverse() * options.source_from_target_mm * target.ras_from_voxel;
  if (!source_from_target_.allFinite()) throw UsageError("resampling: found a transform that is not finite");
  // How far, in voxels, a point can be from where each axis alone would have it, and from the voxel of equal indices.
  Eigen::Matrix4d off_axis = source_from_target_, moved = source_from_target_ - Eigen::Matrix4d::Identity();
  off_axis.diagonal().setZero();
  off_axis.col(3).setZero();
  const Eigen::Vector4d extent(static_cast<double>(target_[0]), static_cast<double>(target_[1]),
                               static_cast<double>(target_[2]), 1);
  if (source_ == target_ && (moved.cwiseAbs() * extent).maxCoeff() <= kSnap) {
    path_ = Path::copy;
  } else if ((off_axis.cwiseAbs() * extent).maxCoeff() <= kSnap) {
    path_ = Path::axes;
    for (int a = 0; a < 3; ++a) axes_[static_cast<std::size_t>(a)] = make_axis(a);
  }
}

Resampler::Axis Resampler::make_axis(int axis) const {
  Axis plan;
  const std::int64_t n = source_[static_cast<std::size_t>(axis)];
  for (std::int64_t i = 0; i < target_[static_cast<std::size_t>(axis)]; ++i) {
    double p = source_from_target_(axis, axis) * static_cast<double>(i) + source_from_target_(axis, 3);
    if (!within(p, n)) continue;
    if (plan.taps.empty()) plan.begin = i;
    const double whole = std::floor(p), t = p - whole;
    const auto at = static_cast<std::int64_t>(whole);
    switch (options_.interpolation) {
      case Interpolation::nearest:
        plan.taps.push_back({nearest(p, n), 0, 0, 0});
        plan.weights.push_back({1, 0, 0, 0});
        break;
      case Interpolation::linear:
        plan.taps.push_back({at, std::min(at + 1, n - 1), at, at});
        plan.weights.push_back({1 - t, t, 0, 0});
        break;
      case Interpolation::cubic:
        plan.taps.push_back({mirrored_index(at - 1, n), at, mirrored_index(at + 1, n), mirrored_index(at + 2, n)});
        plan.weights.push_back(cubic_weights(t));
        break;
    }
  }
  return plan;
}

template <class T>
void Resampler::along_axes(std::span<const T> volume, std::span<T> resampled, Scratch<T>& scratch) const {
  const auto& [x, y, z] = axes_;
  const auto nx = static_cast<std::int64_t>(x.taps.size()), ny = static_cast<std::int64_t>(y.taps.size()),
             nz = static_cast<std::int64_t>(z.taps.size());
  const auto [sx, sy, sz] = source_;
  if (nx * ny * nz == 0) return;
  T* out = resampled.data() + x.begin + target_[0] * (y.begin + target_[1] * z.begin);
  if (options_.interpolation == Interpolation::nearest) {
    for (std::int64_t k = 0; k < nz; ++k) {
      for (std::int64_t j = 0; j < ny; ++j) {
        const T* from =
            volume.data() + sx * (y.taps[static_cast<std::size_t>(j)][0] + sy * z.taps[static_cast<std::size_t>(k)][0]);
        T* to = out + target_[0] * (j + target_[1] * k);
        for (std::int64_t i = 0; i < nx; ++i) to[i] = from[x.taps[static_cast<std::size_t>(i)][0]];
      }
    }
    return;
  }
  const bool cubic = options_.interpolation == Interpolation::cubic;
  if (cubic) {
    scratch.first.assign(volume.begin(), volume.end());
    to_spline_coefficients(std::span(scratch.first), source_, false);
    volume = scratch.first;
  }
  scratch.second.resize(static_cast<std::size_t>(nx * sy * sz));
  parallel_for((sy * sz + kLines - 1) / kLines, 8, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> lines(static_cast<std::size_t>(sx * kLines)), results(static_cast<std::size_t>(nx * kLines));
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t count = std::min(kLines, sy * sz - b * kLines);
      const T* from = volume.data() + b * kLines * sx;
      for (std::int64_t l = 0; l < count; ++l) {
        for (std::int64_t i = 0; i < sx; ++i) lines[static_cast<std::size_t>(i * kLines + l)] = from[l * sx + i];
      }
      if (cubic) filter_lines(lines.data(), sx, kLines);
      for (std::int64_t i = 0; i < nx; ++i) {
        const auto at = static_cast<std::size_t>(i);
        weighted_sum(results.data() + i * kLines, rows_at<T>(lines.data(), kLines, x.taps[at], x.weights[at]), kLines);
      }
      T* to = scratch.second.data() + b * kLines * nx;
      for (std::int64_t l = 0; l < count; ++l) {
        for (std::int64_t i = 0; i < nx; ++i) to[l * nx + i] = results[static_cast<std::size_t>(i * kLines + l)];
      }
    }
  });
  scratch.first.resize(static_cast<std::size_t>(nx * ny * sz));
  parallel_for(sz, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      for (std::int64_t j = 0; j < ny; ++j) {
        const auto at = static_cast<std::size_t>(j);
        weighted_sum(scratch.first.data() + nx * (j + ny * k),
                     rows_at<T>(scratch.second.data() + nx * sy * k, nx, y.taps[at], y.weights[at]), nx);
      }
    }
  });
  parallel_for(nz, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      const auto at = static_cast<std::size_t>(k);
      for (std::int64_t j = 0; j < ny; ++j) {
        weighted_sum(out + target_[0] * (j + target_[1] * k),
                     rows_at<T>(scratch.first.data() + nx * j, nx * ny, z.taps[at], z.weights[at]), nx);
      }
    }
  });
}

template <class Visit>
void Resampler::for_each_point(const Visit& visit) const {
  parallel_for(target_[1] * target_[2], 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const Eigen::Vector4d first = source_from_target_ * Eigen::Vector4d(0, static_cast<double>(row % target_[1]),
                                                                          static_cast<double>(row / target_[1]), 1);
      for (std::int64_t i = 0; i < target_[0]; ++i) {
        std::array<double, 3> p;
        bool inside = true;
        for (std::size_t a = 0; a < 3; ++a) {
          const auto axis = static_cast<Eigen::Index>(a);
          p[a] = first[axis] + source_from_target_(axis, 0) * static_cast<double>(i);
          inside = within(p[a], source_[a]) && inside;
        }
        if (inside) visit(row * target_[0] + i, p);
      }
    }
  });
}

template <class T>
void Resampler::at_points(std::span<const T> volume, std::span<T> resampled, Scratch<T>& scratch) const {
  const auto [sx, sy, sz] = source_;
  switch (options_.interpolation) {
    case Interpolation::nearest:
      for_each_point([&, sx = sx, sy = sy, sz = sz](std::int64_t v, const std::array<double, 3>& p) {
        const std::int64_t at = nearest(p[0], sx) + sx * (nearest(p[1], sy) + sy * nearest(p[2], sz));
        resampled[static_cast<std::size_t>(v)] = volume[static_cast<std::size_t>(at)];
      });
      break;
    case Interpolation::linear:
      scratch.margin.assign(volume, source_);
      for_each_point([&](std::int64_t v, const std::array<double, 3>& p) {
        resampled[static_cast<std::size_t>(v)] = scratch.margin.linear(p[0], p[1], p[2]);
      });
      break;
    case Interpolation::cubic:
      scratch.first.assign(volume.begin(), volume.end());
      to_spline_coefficients(std::span(scratch.first), source_);
      scratch.margin.assign(scratch.first, source_);
      for_each_point([&](std::int64_t v, const std::array<double, 3>& p) {
        resampled[static_cast<std::size_t>(v)] = scratch.margin.cubic(p[0], p[1], p[2]);
      });
      break;
  }
}

template <class T>
void Resampler::resample(std::span<const T> volume, std::span<T> resampled, Scratch<T>& scratch) const {
  const auto size = [](const std::array<std::int64_t, 3>& shape) {
    return static_cast<std::size_t>(shape[0] * shape[1] * shape[2]);
  };
  if (volume.size() != size(source_) || resampled.size() != size(target_)) {
    throw ShapeError(fmt::format("resampling: {} values of {}×{}×{} voxels to {} values of {}×{}×{}", volume.size(),
                                 source_[0], source_[1], source_[2], resampled.size(), target_[0], target_[1],
                                 target_[2]));
  }
  if (path_ == Path::copy) {
    std::copy(volume.begin(), volume.end(), resampled.begin());
    return;
  }
  std::fill(resampled.begin(), resampled.end(), static_cast<T>(options_.fill_value));
  const std::span<const T> given = volume;
  const bool gaps = options_.interpolation != Interpolation::nearest && make_finite(volume, source_, scratch.finite);
  if (gaps) volume = scratch.finite;
  if (path_ == Path::axes) {
    along_axes(volume, resampled, scratch);
  } else {
    at_points(volume, resampled, scratch);
  }
  if (!gaps) return;
  const auto [sx, sy, sz] = source_;
  for_each_point([&, sx = sx, sy = sy, sz = sz](std::int64_t v, const std::array<double, 3>& p) {
    const std::int64_t at = nearest(p[0], sx) + sx * (nearest(p[1], sy) + sy * nearest(p[2], sz));
    if (std::isfinite(given[static_cast<std::size_t>(at)])) return;
    resampled[static_cast<std::size_t>(v)] = std::numeric_limits<T>::quiet_NaN();
  });
}

void Resampler::apply(std::span<const float> volume, std::span<float> resampled) {
  resample(volume, resampled, scratch_f_);
}

void Resampler::apply(std::span<const double> volume, std::span<double> resampled) {
  resample(volume, resampled, scratch_d_);
}

Image resample_image(const Image& image, const Grid& target, const ResampleOptions& options) {
  const Resampler resampler(image.header.grid, target, options);
  Image result;
  result.header = image.header;
  result.header.grid = result.header.disk_grid = target;
  result.header.disk_orientation = {};
  result.values.resize(static_cast<std::size_t>(target.voxel_count() * image.header.volumes));
  const std::array<float, 2> range = options.clip ? range_of(image) : std::array<float, 2>{};
  Progress progress("resampling", image.header.volumes);
  parallel_for(image.header.volumes, 1, [&](std::int64_t begin, std::int64_t end) {
    Resampler own = resampler;
    for (std::int64_t t = begin; t < end; ++t) {
      check_cancelled();
      own.apply(image.volume(t), result.volume(t));
      if (options.clip) {
        for (float& value : result.volume(t)) value = std::clamp(value, range[0], range[1]);
      }
      progress.advance();
    }
  });
  return result;
}

}  // namespace noema
