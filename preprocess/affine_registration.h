// preprocess/affine_registration: one image laid over another of a different contrast, such as a mean of functional
// volumes over a template.
#pragma once

#include <Eigen/Core>
#include <vector>

#include "noema/io/image.h"

namespace noema {

struct AffineRegistrationOptions {
  /// From coarse to fine: by how much the fixed image is thinned out, and both smoothed (sigma, mm).
  std::vector<int> shrink{4, 2, 1};
  std::vector<double> sigma_mm{4, 2, 0};
  /// Share of the fixed image's points that are compared.
  double sampled = 0.2;
  int bins = 32;
  /// Steps at each level.
  int iterations = 200;

  /// @throws UsageError for values out of range
  void validate() const;
};

struct AffineRegistration {
  /// Takes a point of the fixed image's world to the point of the moving image's world that shows the same, RAS mm: the
  /// transform that resampling the moving image on the fixed one's grid needs.
  Eigen::Matrix4d moving_from_fixed_mm = Eigen::Matrix4d::Identity();
  /// Mattes' mutual information at the finest level.
  double information = 0;
};

/// The affine transform of largest mutual information (Mattes), found by regular-step gradient ascent: from the centres
/// of mass laid over each other first a rigid motion, on all levels but the finest, then from there the affine. So
/// heads that are 15 mm and 15 degrees away from each other come together though the images show different parts of
/// them. Values that are not finite count as 0. One thread; the points compared are drawn with a fixed seed, so equal
/// images give equal results. It finds the nearest maximum: images that are turned against each other by much more may
/// be missed.
/// @throws UsageError for options out of range; ShapeError unless both images have one volume and at least 4 voxels
/// along each axis; NumericalError if the images do not overlap or the search fails; Cancelled
AffineRegistration register_affine(const Image& fixed, const Image& moving,
                                   const AffineRegistrationOptions& options = {});

}  // namespace noema
