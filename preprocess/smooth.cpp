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

/// Sixteen floats or eight doubles: as wide as the widest vectors, split up where they are narrower.
template <class T>
struct Wide;
template <>
struct Wide<float> {
  using type = float __attribute__((vector_size(64), aligned(4), may_alias));
};
template <>
struct Wide<double> {
  using type = double __attribute__((vector_size(64), aligned(8), may_alias));
};

/// The rows that are summed: the middle one, and those `k` before and behind it.
template <class T>
struct Rows {
  std::vector<const T*> before, behind;
  const T* middle = nullptr;
};

/// to[i] = w₀·middle[i] + Σ_k w_k·(before_k[i] + behind_k[i])
template <class T>
inline __attribute__((always_inline)) void symmetric_sum(T* to, const Rows<T>& rows, const T* weights, std::int64_t n) {
  using Vector = typename Wide<T>::type;
  constexpr auto kLanes = static_cast<std::int64_t>(64 / sizeof(T));
  const std::size_t radius = rows.before.size();
  const auto at = [](const T* from) -> const Vector& { return *reinterpret_cast<const Vector*>(from); };
  if (n < kLanes) {
    for (std::int64_t i = 0; i < n; ++i) {
      T sum = weights[0] * rows.middle[i];
      for (std::size_t k = 0; k < radius; ++k) sum += weights[k + 1] * (rows.before[k][i] + rows.behind[k][i]);
      to[i] = sum;
    }
    return;
  }
  for (std::int64_t first = 0; first < n; first += kLanes) {
    const std::int64_t i = std::min(first, n - kLanes);  // the last is done partly again
    Vector sum = weights[0] * at(rows.middle + i);
    for (std::size_t k = 0; k < radius; ++k) sum += weights[k + 1] * (at(rows.before[k] + i) + at(rows.behind[k] + i));
    *reinterpret_cast<Vector*>(to + i) = sum;
  }
}
// Not templates: the compiler clones only plain functions.
NOEMA_SIMD_CLONES
void weighted_sum(float* to, const Rows<float>& rows, const float* weights, std::int64_t n) {
  symmetric_sum(to, rows, weights, n);
}
NOEMA_SIMD_CLONES
void weighted_sum(double* to, const Rows<double>& rows, const double* weights, std::int64_t n) {
  symmetric_sum(to, rows, weights, n);
}

/// The weights from the middle on, as T.
template <class T>
std::vector<T> half(const std::vector<double>& kernel) {
  return {kernel.begin() + static_cast<std::ptrdiff_t>(kernel.size() / 2), kernel.end()};
}

/// Along x: rows are contiguous; each is copied with mirrored ends.
template <class T>
void along_rows(const T* from, T* to, std::int64_t length, std::int64_t rows, const std::vector<double>& kernel) {
  const auto radius = static_cast<std::int64_t>(kernel.size() / 2);
  const std::vector<T> weights = half<T>(kernel);
  parallel_for(rows, 256, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> padded(static_cast<std::size_t>(length + 2 * radius));
    Rows<T> shifted;
    shifted.middle = padded.data() + radius;
    for (std::int64_t k = 1; k <= radius; ++k) {
      shifted.before.push_back(shifted.middle - k);
      shifted.behind.push_back(shifted.middle + k);
    }
    for (std::int64_t row = begin; row < end; ++row) {
      const T* source = from + row * length;
      std::copy_n(source, length, padded.data() + radius);
      for (std::int64_t i = 1; i <= radius; ++i) {
        padded[static_cast<std::size_t>(radius - i)] = source[mirrored(-i, length)];
        padded[static_cast<std::size_t>(radius + length - 1 + i)] = source[mirrored(length - 1 + i, length)];
      }
      weighted_sum(to + row * length, shifted, weights.data(), length);
    }
  });
}

/// Along an axis of `length` steps of `stride` values: whole stretches of `stride` contiguous values at once.
template <class T>
void along_planes(const T* from, T* to, std::int64_t stride, std::int64_t length, std::int64_t outer,
                  const std::vector<double>& kernel) {
  const std::size_t radius = kernel.size() / 2;
  const std::vector<T> weights = half<T>(kernel);
  parallel_for(outer * length, std::max<std::int64_t>(1, 16384 / stride), [&](std::int64_t begin, std::int64_t end) {
    Rows<T> rows{std::vector<const T*>(radius), std::vector<const T*>(radius), nullptr};
    for (std::int64_t i = begin; i < end; ++i) {
      const T* source = from + i / length * length * stride;
      rows.middle = source + i % length * stride;
      for (std::size_t k = 0; k < radius; ++k) {
        const auto step = static_cast<std::int64_t>(k + 1);
        rows.before[k] = source + mirrored(i % length - step, length) * stride;
        rows.behind[k] = source + mirrored(i % length + step, length) * stride;
      }
      weighted_sum(to + i * stride, rows, weights.data(), stride);
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
