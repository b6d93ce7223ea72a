#include "noema/io/orientation.h"

#include <Eigen/LU>
#include <cmath>
#include <limits>

namespace noema {

std::string Orientation::letters() const {
  std::string result(3, '?');
  for (int a = 0; a < 3; ++a) result[static_cast<std::size_t>(axis[a])] = (flipped[a] ? "LPI" : "RAS")[a];
  return result;
}

Orientation orientation_of(const Eigen::Matrix4d& ras_from_voxel) {
  constexpr int kOrders[6][3] = {{0, 1, 2}, {1, 0, 2}, {0, 2, 1},
                                 {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};  // fewest moves first
  const Eigen::Matrix3d cosines = ras_from_voxel.topLeftCorner<3, 3>().colwise().normalized();
  Orientation best;
  double best_sum = -std::numeric_limits<double>::infinity();
  for (const auto& order : kOrders) {
    double sum = 0;
    for (int a = 0; a < 3; ++a) sum += std::abs(cosines(a, order[a]));
    if (!(sum > best_sum + 1e-6)) continue;  // rounding must not decide between equals
    best_sum = sum;
    for (int a = 0; a < 3; ++a) {
      best.axis[a] = order[a];
      best.flipped[a] = cosines(a, order[a]) < 0;
    }
  }
  return best;
}

namespace {

// Homogeneous file voxel from homogeneous canonical voxel; `shape` is the canonical one.
Eigen::Matrix4d disk_from_canonical(const std::array<std::int64_t, 3>& shape, const Orientation& orientation) {
  Eigen::Matrix4d turn = Eigen::Matrix4d::Zero();
  turn(3, 3) = 1;
  for (int a = 0; a < 3; ++a) {
    turn(orientation.axis[a], a) = orientation.flipped[a] ? -1 : 1;
    if (orientation.flipped[a]) turn(orientation.axis[a], 3) = static_cast<double>(shape[a] - 1);
  }
  return turn;
}

}  // namespace

Grid to_canonical(const Grid& disk, const Orientation& orientation) {
  Grid canonical;
  for (int a = 0; a < 3; ++a) canonical.shape[a] = disk.shape[orientation.axis[a]];
  canonical.ras_from_voxel = disk.ras_from_voxel * disk_from_canonical(canonical.shape, orientation);
  return canonical;
}

Grid to_disk(const Grid& canonical, const Orientation& orientation) {
  Grid disk;
  for (int a = 0; a < 3; ++a) disk.shape[orientation.axis[a]] = canonical.shape[a];
  // Exact: the matrix holds only whole numbers.
  disk.ras_from_voxel = canonical.ras_from_voxel * disk_from_canonical(canonical.shape, orientation).inverse();
  return disk;
}

DiskWalk disk_walk(const Grid& canonical, const Orientation& orientation) {
  const std::array<std::int64_t, 3> stride{1, canonical.shape[0], canonical.shape[0] * canonical.shape[1]};
  DiskWalk walk;
  for (int a = 0; a < 3; ++a) {
    walk.step[orientation.axis[a]] = orientation.flipped[a] ? -stride[a] : stride[a];
    if (orientation.flipped[a]) walk.first += stride[a] * (canonical.shape[a] - 1);
  }
  return walk;
}

std::array<std::int64_t, 3> disk_voxel(const Grid& canonical, const Orientation& orientation,
                                       const std::array<std::int64_t, 3>& voxel) {
  std::array<std::int64_t, 3> result{};
  for (int a = 0; a < 3; ++a) {
    result[orientation.axis[a]] = orientation.flipped[a] ? canonical.shape[a] - 1 - voxel[a] : voxel[a];
  }
  return result;
}

}  // namespace noema
