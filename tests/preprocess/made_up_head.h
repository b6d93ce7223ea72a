// A head that is a formula, so that it can be moved exactly.
#pragma once

#include <Eigen/Core>
#include <Eigen/LU>
#include <cmath>
#include <functional>
#include <random>

#include "noema/io/image.h"

namespace noema {

/// An ellipsoid of 55×65×48 mm with a soft edge, ventricles and bright spots; about 0 to 1000. RAS mm.
inline double head_at(const Eigen::Vector3d& x) {
  const auto blob = [&](double i, double j, double k, double width, double height) {
    return height * std::exp(-(x - Eigen::Vector3d(i, j, k)).squaredNorm() / (2 * width * width));
  };
  const double radius = Eigen::Vector3d(x[0] / 55, x[1] / 65, x[2] / 48).norm();
  const double inside = 1 / (1 + std::exp((radius - 1) * 16));
  return inside * (700 + 120 * std::sin(x[0] / 6) * std::cos(x[1] / 7) + 90 * std::cos(x[1] / 9 + x[2] / 6) +
                   blob(10, 25, 8, 9, 250) + blob(-22, -20, 12, 8, -300) + blob(5, -35, -15, 10, 220) +
                   blob(-15, 20, -18, 7, -250));
}

/// `value(x)` at each voxel, x being the point that lies at the voxel after `moved_from_head`.
inline void draw_head(const Grid& grid, const Eigen::Matrix4d& moved_from_head,
                      const std::function<double(const Eigen::Vector3d&)>& value, std::span<float> volume) {
  const Eigen::Matrix4d head_from_voxel = moved_from_head.inverse() * grid.ras_from_voxel;
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v) {
    const auto [i, j, k] = grid.voxel_at(v);
    const Eigen::Vector4d voxel(static_cast<double>(i), static_cast<double>(j), static_cast<double>(k), 1);
    volume[static_cast<std::size_t>(v)] = static_cast<float>(value((head_from_voxel * voxel).head<3>()));
  }
}

/// A grid around the origin.
inline Grid grid_around_origin(const std::array<std::int64_t, 3>& shape, const Eigen::Matrix3d& axes) {
  Grid grid{shape, Eigen::Matrix4d::Identity()};
  grid.ras_from_voxel.topLeftCorner<3, 3>() = axes;
  const Eigen::Vector3d middle(static_cast<double>(shape[0] - 1), static_cast<double>(shape[1] - 1),
                               static_cast<double>(shape[2] - 1));
  grid.ras_from_voxel.topRightCorner<3, 1>() = -axes * middle / 2;
  return grid;
}

}  // namespace noema
