#include "noema/preprocess/affine_registration.h"

#include <gtest/gtest.h>

#include <Eigen/Geometry>

#include "noema/core/error.h"
#include "noema/tests/preprocess/made_up_head.h"

namespace noema {
namespace {

Image image_of(const Grid& grid, const Eigen::Matrix4d& moved,
               const std::function<double(const Eigen::Vector3d&)>& value) {
  Image image;
  image.header.grid = grid;
  image.values.resize(static_cast<std::size_t>(grid.voxel_count()));
  draw_head(grid, moved, value, image.values);
  return image;
}

Eigen::Matrix4d made_up_affine() {
  Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
  affine.topLeftCorner<3, 3>() = Eigen::AngleAxisd(0.12, Eigen::Vector3d(1, 2, -1).normalized()).toRotationMatrix() *
                                 Eigen::Vector3d(1.08, 0.94, 1.05).asDiagonal();
  affine(0, 1) += 0.04;
  affine.topRightCorner<3, 1>() << 7, -5, 9;
  return affine;
}

/// Root mean square over points of the head of how far two transforms take them apart.
double distance_mm(const Eigen::Matrix4d& a, const Eigen::Matrix4d& b) {
  double squares = 0;
  int points = 0;
  for (const double x : {-35.0, 0.0, 35.0}) {
    for (const double y : {-40.0, 0.0, 40.0}) {
      for (const double z : {-30.0, 0.0, 30.0}) {
        squares += ((a - b) * Eigen::Vector4d(x, y, z, 1)).squaredNorm();
        ++points;
      }
    }
  }
  return std::sqrt(squares / points);
}

// Another contrast, another grid; the template's brain is dark where the other is bright.
TEST(AffineRegistration, FindsTheTransformAcrossContrasts) {
  const Grid fixed_grid = grid_around_origin({40, 46, 36}, Eigen::Vector3d(3.5, 3.5, 3.5).asDiagonal());
  const Grid moving_grid = grid_around_origin({42, 44, 30}, Eigen::Vector3d(3.4, 3.6, 4.5).asDiagonal());
  const Eigen::Matrix4d truth = made_up_affine();
  const Image fixed = image_of(fixed_grid, Eigen::Matrix4d::Identity(), head_at);
  const auto inverted = [](const Eigen::Vector3d& x) {
    const double value = head_at(x);
    return value * (1100 - value) / 400;
  };
  const Image moving = image_of(moving_grid, truth, inverted);
  const AffineRegistration found = register_affine(fixed, moving);
  EXPECT_GT(found.information, 0.3);
  EXPECT_LT(distance_mm(found.moving_from_fixed_mm, truth), 0.8);  // voxels are of 3.5 mm
}

// 15 mm and 15 degrees away, in another contrast; a bright neck that the other image does not show pulls the centres of
// mass apart, so the search really begins that far away.
TEST(AffineRegistration, ComesFromFarAway) {
  const auto with_neck = [](const Eigen::Vector3d& x) {
    const Eigen::Vector3d from_neck = x - Eigen::Vector3d(0, -20, -75);
    return head_at(x) + 1500 * std::exp(-from_neck.squaredNorm() / (2 * 17 * 17));
  };
  const auto inverted = [](const Eigen::Vector3d& x) {
    const double value = head_at(x);
    return value * (1100 - value) / 400;
  };
  const Grid fixed_grid = grid_around_origin({40, 46, 52}, Eigen::Vector3d(4, 4, 4).asDiagonal());
  const Grid moving_grid = grid_around_origin({44, 48, 40}, Eigen::Vector3d(4, 4, 4.5).asDiagonal());
  const Image fixed = image_of(fixed_grid, Eigen::Matrix4d::Identity(), with_neck);
  for (const Eigen::Vector3d& axis :
       {Eigen::Vector3d(1, 0, 0), Eigen::Vector3d(0.3, -1, 0.5), Eigen::Vector3d(0, 0, -1)}) {
    Eigen::Matrix4d truth = Eigen::Matrix4d::Identity();
    truth.topLeftCorner<3, 3>() = Eigen::AngleAxisd(15 * M_PI / 180, axis.normalized()).toRotationMatrix() *
                                  Eigen::Vector3d(1.04, 0.97, 1.03).asDiagonal();
    truth.topRightCorner<3, 1>() = 15 * Eigen::Vector3d(axis[1], axis[2], axis[0] + 0.5).normalized();
    const Image moving = image_of(moving_grid, truth, inverted);
    EXPECT_LT(distance_mm(register_affine(fixed, moving).moving_from_fixed_mm, truth), 1.5) << axis.transpose();
  }
}

TEST(AffineRegistration, EqualImagesStayWhereTheyAre) {
  const Grid grid = grid_around_origin({32, 36, 28}, Eigen::Vector3d(4.2, 4.2, 4.2).asDiagonal());
  const Image image = image_of(grid, Eigen::Matrix4d::Identity(), head_at);
  const AffineRegistration found = register_affine(image, image);
  EXPECT_LT(distance_mm(found.moving_from_fixed_mm, Eigen::Matrix4d::Identity()), 0.6);  // voxels are of 4.2 mm
  EXPECT_EQ(register_affine(image, image).moving_from_fixed_mm, found.moving_from_fixed_mm);
}

TEST(AffineRegistration, RefusesWhatHasNoAnswer) {
  const Grid grid = grid_around_origin({12, 12, 12}, Eigen::Vector3d(10, 10, 10).asDiagonal());
  const Image image = image_of(grid, Eigen::Matrix4d::Identity(), head_at);
  Image other = image;
  std::fill(other.values.begin(), other.values.end(), 0.0F);
  EXPECT_THROW(register_affine(image, other), NumericalError);
  other.header.volumes = 2;
  EXPECT_THROW(register_affine(image, other), ShapeError);
  AffineRegistrationOptions options;
  options.sigma_mm = {1};
  EXPECT_THROW(register_affine(image, image, options), UsageError);
}

}  // namespace
}  // namespace noema
