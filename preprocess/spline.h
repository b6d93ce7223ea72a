// preprocess/spline: a volume as a cubic B-spline, and its values between voxels.
#pragma once

#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace noema {

/// Mirrored about the first and the last voxel (c b | a b c d | c b): the index in [0, n) that `i` stands for.
std::int64_t mirrored_index(std::int64_t i, std::int64_t n);

/// The weights of the voxels ⌊p⌋−1 … ⌊p⌋+2 of a cubic B-spline at fraction t = p − ⌊p⌋.
inline std::array<double, 4> cubic_weights(double t) {
  const double s = 1 - t;
  return {s * s * s / 6, (4 - 6 * t * t + 3 * t * t * t) / 6, (4 - 6 * s * s + 3 * s * s * s) / 6, t * t * t / 6};
}

/// Their derivatives by p.
inline std::array<double, 4> cubic_slopes(double t) {
  const double s = 1 - t;
  return {-s * s / 2, (3 * t * t - 4 * t) / 2, (4 * s - 3 * s * s) / 2, t * t / 2};
}

/// Turns values into the coefficients of the cubic B-spline through them, in place, along axes y and z (`along_x`: and
/// x); x fastest. Boundaries are mirrored about the border voxels. Parallel within the volume.
void to_spline_coefficients(std::span<float> volume, const std::array<std::int64_t, 3>& shape, bool along_x = true);
void to_spline_coefficients(std::span<double> volume, const std::array<std::int64_t, 3>& shape, bool along_x = true);

/// The same along `length` rows of `width` contiguous values: each of the `width` columns is a line of its own.
void filter_lines(float* rows, std::int64_t length, std::int64_t width);
void filter_lines(double* rows, std::int64_t length, std::int64_t width);

/// A volume with a margin of mirrored voxels, one before and two behind, so that the 64 (or 8) neighbours of every
/// point of the box lie in it.
template <class T>
class MarginVolume {
 public:
  MarginVolume() = default;
  /// @param values  values for `linear`, coefficients for `cubic`; x fastest.
  MarginVolume(std::span<const T> values, const std::array<std::int64_t, 3>& shape) { assign(values, shape); }
  /// The memory is used again.
  void assign(std::span<const T> values, const std::array<std::int64_t, 3>& shape) {
    row_ = shape[0] + 3;
    plane_ = row_ * (shape[1] + 3);
    padded_.resize(static_cast<std::size_t>(plane_ * (shape[2] + 3)));
    std::int64_t at = 0;
    for (std::int64_t k = -1; k < shape[2] + 2; ++k) {
      for (std::int64_t j = -1; j < shape[1] + 2; ++j) {
        const T* from =
            values.data() + shape[0] * (mirrored_index(j, shape[1]) + shape[1] * mirrored_index(k, shape[2]));
        T* to = padded_.data() + at;
        std::memcpy(to + 1, from, static_cast<std::size_t>(shape[0]) * sizeof(T));
        for (const std::int64_t i : {std::int64_t{-1}, shape[0], shape[0] + 1}) {
          to[i + 1] = from[mirrored_index(i, shape[0])];
        }
        at += row_;
      }
    }
  }

  /// At a point of the box, in voxels: 0 ≤ p ≤ n − 1.
  T linear(double x, double y, double z) const {
    const Split i(x), j(y), k(z);
    const T* corner = at(i, j, k) + 1 + row_ + plane_;
    const T tx = static_cast<T>(i.fraction), ty = static_cast<T>(j.fraction), tz = static_cast<T>(k.fraction);
    const auto along_x = [&](const T* p) { return p[0] * (1 - tx) + p[1] * tx; };
    const auto along_y = [&](const T* p) { return along_x(p) * (1 - ty) + along_x(p + row_) * ty; };
    return along_y(corner) * (1 - tz) + along_y(corner + plane_) * tz;
  }

  T cubic(double x, double y, double z) const {
    const Split i(x), j(y), k(z);
    const std::array<double, 4> wx = cubic_weights(i.fraction);
    const std::array<double, 4> wy = cubic_weights(j.fraction);
    const std::array<double, 4> wz = cubic_weights(k.fraction);
    return dot(sum_yz(at(i, j, k), wy, wz), wx);
  }

  /// The value, and in `gradient` its derivatives by x, y and z, per voxel.
  T cubic(double x, double y, double z, std::array<T, 3>& gradient) const {
    const Split i(x), j(y), k(z);
    const std::array<double, 4> wx = cubic_weights(i.fraction), dx = cubic_slopes(i.fraction);
    const std::array<double, 4> wy = cubic_weights(j.fraction), dy = cubic_slopes(j.fraction);
    const std::array<double, 4> wz = cubic_weights(k.fraction), dz = cubic_slopes(k.fraction);
    const T* corner = at(i, j, k);
    Four value = Four::Zero(), by_y = Four::Zero(), by_z = Four::Zero();
    for (std::size_t c = 0; c < 4; ++c) {
      Four plane = Four::Zero(), slope = Four::Zero();
      for (std::size_t b = 0; b < 4; ++b) {
        const Four row = load(corner + plane_ * static_cast<std::int64_t>(c) + row_ * static_cast<std::int64_t>(b));
        plane += row * static_cast<T>(wy[b]);
        slope += row * static_cast<T>(dy[b]);
      }
      value += plane * static_cast<T>(wz[c]);
      by_y += slope * static_cast<T>(wz[c]);
      by_z += plane * static_cast<T>(dz[c]);
    }
    gradient = {dot(value, dx), dot(by_y, wx), dot(by_z, wx)};
    return dot(value, wx);
  }

 private:
  // Four neighbours along x at once.
  using Four = Eigen::Array<T, 4, 1>;

  /// Whole part and fraction of a number ≥ 0.
  struct Split {
    explicit Split(double p) : whole(static_cast<std::int64_t>(p)), fraction(p - static_cast<double>(whole)) {}
    std::int64_t whole;
    double fraction;
  };

  static Four load(const T* from) { return Eigen::Map<const Four>(from); }
  static T dot(const Four& four, const std::array<double, 4>& weights) {
    return four[0] * static_cast<T>(weights[0]) + four[1] * static_cast<T>(weights[1]) +
           four[2] * static_cast<T>(weights[2]) + four[3] * static_cast<T>(weights[3]);
  }
  const T* at(const Split& i, const Split& j, const Split& k) const {
    return padded_.data() + i.whole + row_ * j.whole + plane_ * k.whole;
  }
  Four sum_yz(const T* corner, const std::array<double, 4>& wy, const std::array<double, 4>& wz) const {
    Four sum = Four::Zero();
    for (std::size_t c = 0; c < 4; ++c) {
      Four plane = Four::Zero();
      for (std::size_t b = 0; b < 4; ++b) {
        plane += load(corner + plane_ * static_cast<std::int64_t>(c) + row_ * static_cast<std::int64_t>(b)) *
                 static_cast<T>(wy[b]);
      }
      sum += plane * static_cast<T>(wz[c]);
    }
    return sum;
  }

  std::int64_t row_ = 0, plane_ = 0;
  std::vector<T> padded_;
};

}  // namespace noema
