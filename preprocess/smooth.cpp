#include "noema/preprocess/smooth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/parallel.h"
#include "noema/preprocess/simd.h"

namespace noema {
namespace {

std::vector<double> gaussian_kernel(double sigma) {
  const int radius = static_cast<int>(4 * sigma + 0.5);
  std::vector<double> weights;
  double sum = 0;
  for (int k = -radius; k <= radius; ++k) {
    weights.push_back(std::exp(-0.5 * k * k / (sigma * sigma)));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

/// Half-sample symmetric: … 1 0 | 0 1 … n−1 | n−1 n−2 …
std::int64_t mirrored(std::int64_t i, std::int64_t n) {
  i %= 2 * n;
  if (i < 0) i += 2 * n;
  return i < n ? i : 2 * n - 1 - i;
}

// Not a template: the compiler clones only plain functions.
NOEMA_SIMD_CLONES
void add_scaled(float* to, const float* from, float weight, std::int64_t n) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) to[i] += weight * from[i];
}

NOEMA_SIMD_CLONES
void add_scaled(double* to, const double* from, double weight, std::int64_t n) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) to[i] += weight * from[i];
}

/// Along x: rows are contiguous; each is copied with mirrored ends.
template <class T>
void along_rows(const T* from, T* to, std::int64_t length, std::int64_t rows, const std::vector<double>& kernel) {
  const auto radius = static_cast<std::int64_t>(kernel.size() / 2);
  parallel_for(rows, 256, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> padded(static_cast<std::size_t>(length + 2 * radius));
    for (std::int64_t row = begin; row < end; ++row) {
      const T* source = from + row * length;
      for (std::int64_t i = -radius; i < length + radius; ++i) {
        padded[static_cast<std::size_t>(i + radius)] = source[i >= 0 && i < length ? i : mirrored(i, length)];
      }
      T* target = to + row * length;
      std::fill_n(target, length, T{0});
      for (std::size_t k = 0; k < kernel.size(); ++k) {
        add_scaled(target, padded.data() + k, static_cast<T>(kernel[k]), length);
      }
    }
  });
}

/// Along an axis of `length` steps of `stride` values: whole stretches of `stride` contiguous values at once.
template <class T>
void along_planes(const T* from, T* to, std::int64_t stride, std::int64_t length, std::int64_t outer,
                  const std::vector<double>& kernel) {
  const auto radius = static_cast<std::int64_t>(kernel.size() / 2);
  parallel_for(outer * length, std::max<std::int64_t>(1, 16384 / stride), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* source = from + i / length * length * stride;
      T* target = to + i * stride;
      std::fill_n(target, stride, T{0});
      for (std::size_t k = 0; k < kernel.size(); ++k) {
        const std::int64_t at = mirrored(i % length + static_cast<std::int64_t>(k) - radius, length);
        add_scaled(target, source + at * stride, static_cast<T>(kernel[k]), stride);
      }
    }
  });
}

}  // namespace

std::array<bool, 3> thick_axes(const Grid& grid) {
  return {grid.shape[0] >= kThinAxis, grid.shape[1] >= kThinAxis, grid.shape[2] >= kThinAxis};
}

Smoother::Smoother(const Grid& grid, double fwhm_mm) : shape_(grid.shape), active_(fwhm_mm > 0) {
  if (!(fwhm_mm >= 0) || !std::isfinite(fwhm_mm)) {
    throw UsageError(fmt::format("smoothing: found a width of {} mm, expected at least 0", fwhm_mm));
  }
  if (!active_) return;
  const std::array<bool, 3> thick = thick_axes(grid);
  const std::array<double, 3> size_mm = grid.voxel_size_mm();
  for (std::size_t a = 0; a < 3; ++a) {
    if (thick[a]) kernels_[a] = gaussian_kernel(fwhm_mm / (std::sqrt(8 * std::numbers::ln2) * size_mm[a]));
  }
  if (thick != std::array{true, true, true}) {
    log_warning(
        fmt::format("an image of {}×{}×{} voxels is too thin to be smoothed along every axis; axes with fewer "
                    "than {} voxels were left as they are",
                    shape_[0], shape_[1], shape_[2], kThinAxis));
  }
}

template <class T>
void Smoother::smooth(std::span<T> volume, std::vector<T>& scratch) const {
  const auto [nx, ny, nz] = shape_;
  if (static_cast<std::int64_t>(volume.size()) != nx * ny * nz) {
    throw ShapeError(fmt::format("smoothing: {} values for {}×{}×{} voxels", volume.size(), nx, ny, nz));
  }
  if (!active_) return;
  for (T& value : volume) {
    if (!std::isfinite(value)) value = 0;
  }
  scratch.resize(volume.size());
  T* current = volume.data();
  T* other = scratch.data();
  const auto done = [&] { std::swap(current, other); };
  if (!kernels_[0].empty()) along_rows(current, other, nx, ny * nz, kernels_[0]), done();
  if (!kernels_[1].empty()) along_planes(current, other, nx, ny, nz, kernels_[1]), done();
  if (!kernels_[2].empty()) along_planes(current, other, nx * ny, nz, 1, kernels_[2]), done();
  if (current != volume.data()) std::copy_n(current, volume.size(), volume.data());
}

void Smoother::apply(std::span<float> volume) { smooth(volume, scratch_f_); }

void Smoother::apply(std::span<double> volume) { smooth(volume, scratch_d_); }

}  // namespace noema
