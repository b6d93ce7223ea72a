#include "noema/preprocess/spline.h"

#include <algorithm>
#include <cmath>

#include "noema/core/parallel.h"
#include "noema/preprocess/simd.h"

namespace noema {
namespace {

const double kPole = std::sqrt(3.0) - 2;
constexpr double kGain = 6;
/// Weights of the start value below this are left out: they vanish beside 1 in double.
constexpr double kSmallestWeight = 1e-20;
/// Lines along x are filtered this many at once, side by side.
constexpr std::int64_t kLines = 16;
/// Lines along y and z are filtered in strips of this width: a strip stays in the cache for both passes.
constexpr std::int64_t kStrip = 512;

// Not templates: the compiler clones only plain functions.
template <class T>
inline __attribute__((always_inline)) void combine(T* to, T by, const T* from, T weight, std::int64_t n) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) to[i] = by * to[i] + weight * from[i];
}
NOEMA_SIMD_CLONES
void scale_and_add(float* to, float by, const float* from, float weight, std::int64_t n) {
  combine(to, by, from, weight, n);
}
NOEMA_SIMD_CLONES
void scale_and_add(double* to, double by, const double* from, double weight, std::int64_t n) {
  combine(to, by, from, weight, n);
}

/// The weight of each value in the first causal one, as if the line went on mirrored without end.
std::vector<double> start_weights(std::int64_t length) {
  std::vector<double> weights;
  const double whole = 1 - std::pow(kPole, static_cast<double>(2 * length - 2));
  for (std::int64_t i = 0; i < length; ++i) {
    const double to = std::pow(kPole, static_cast<double>(i));
    if (std::abs(to) < kSmallestWeight) break;
    const double fro = i == 0 || i == length - 1 ? 0 : std::pow(kPole, static_cast<double>(2 * length - 2 - i));
    weights.push_back(kGain * (to + fro) / whole);
  }
  return weights;
}

/// Row r begins at `rows + r·stride`.
template <class T>
void filter(T* rows, std::int64_t length, std::int64_t stride, std::int64_t width, const std::vector<double>& start) {
  const T z = static_cast<T>(kPole);
  const auto row = [&](std::int64_t r) { return rows + r * stride; };
  for (std::size_t i = 1; i < start.size(); ++i) {
    scale_and_add(rows, static_cast<T>(i == 1 ? start[0] : 1), row(static_cast<std::int64_t>(i)),
                  static_cast<T>(start[i]), width);
  }
  for (std::int64_t r = 1; r < length; ++r) scale_and_add(row(r), static_cast<T>(kGain), row(r - 1), z, width);
  const T last = static_cast<T>(kPole / (kPole * kPole - 1));
  scale_and_add(row(length - 1), last, row(length - 2), z * last, width);
  for (std::int64_t r = length - 2; r >= 0; --r) scale_and_add(row(r), -z, row(r + 1), z, width);
}

template <class T>
void filter_all_lines(T* rows, std::int64_t length, std::int64_t width) {
  if (length > 1) filter(rows, length, width, width, start_weights(length));
}

template <class T>
void filter_x(std::span<T> volume, std::int64_t length) {
  const std::int64_t lines = static_cast<std::int64_t>(volume.size()) / length;
  parallel_for((lines + kLines - 1) / kLines, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> block(static_cast<std::size_t>(length * kLines));
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t count = std::min(kLines, lines - b * kLines);
      T* first = volume.data() + b * kLines * length;
      for (std::int64_t l = 0; l < count; ++l) {
        for (std::int64_t i = 0; i < length; ++i)
          block[static_cast<std::size_t>(i * kLines + l)] = first[l * length + i];
      }
      filter_lines(block.data(), length, kLines);
      for (std::int64_t l = 0; l < count; ++l) {
        for (std::int64_t i = 0; i < length; ++i)
          first[l * length + i] = block[static_cast<std::size_t>(i * kLines + l)];
      }
    }
  });
}

/// Along an axis of `length` steps of `stride` values.
template <class T>
void filter_axis(std::span<T> volume, std::int64_t length, std::int64_t stride) {
  if (length < 2) return;
  const std::vector<double> start = start_weights(length);
  const std::int64_t strips = (stride + kStrip - 1) / kStrip;
  const std::int64_t outer = static_cast<std::int64_t>(volume.size()) / (length * stride);
  parallel_for(outer * strips, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t strip = i % strips * kStrip;
      filter(volume.data() + i / strips * length * stride + strip, length, stride, std::min(kStrip, stride - strip),
             start);
    }
  });
}

template <class T>
void to_coefficients(std::span<T> volume, const std::array<std::int64_t, 3>& shape, bool along_x) {
  if (volume.empty()) return;
  if (along_x && shape[0] > 1) filter_x(volume, shape[0]);
  filter_axis(volume, shape[1], shape[0]);
  filter_axis(volume, shape[2], shape[0] * shape[1]);
}

}  // namespace

std::int64_t mirrored_index(std::int64_t i, std::int64_t n) {
  if (n == 1) return 0;
  const std::int64_t period = 2 * n - 2;
  i %= period;
  if (i < 0) i += period;
  return i < n ? i : period - i;
}

void to_spline_coefficients(std::span<float> volume, const std::array<std::int64_t, 3>& shape, bool along_x) {
  to_coefficients(volume, shape, along_x);
}
void to_spline_coefficients(std::span<double> volume, const std::array<std::int64_t, 3>& shape, bool along_x) {
  to_coefficients(volume, shape, along_x);
}

void filter_lines(float* rows, std::int64_t length, std::int64_t width) { filter_all_lines(rows, length, width); }
void filter_lines(double* rows, std::int64_t length, std::int64_t width) { filter_all_lines(rows, length, width); }

}  // namespace noema
