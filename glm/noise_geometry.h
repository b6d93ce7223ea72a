// glm/noise_geometry: what a fit keeps so that contrasts can have covariances. Used by fit.cpp and contrast.cpp alone.
#pragma once

#include <Eigen/Core>
#include <memory>
#include <span>
#include <utility>

#include "noema/glm/whitening.h"

namespace noema {

class NoiseGeometry {
 public:
  NoiseGeometry(Eigen::MatrixXd weights, Eigen::MatrixXd basis, std::span<const std::int64_t> kept, int order)
      : weights_(std::move(weights)), whitening_(make_whitening(std::move(basis), kept, order)) {}

  /// (P, r): coefficients of the design's columns from those of the basis.
  const Eigen::MatrixXd& weights() const { return weights_; }
  const Whitening& whitening() const { return *whitening_; }

 private:
  Eigen::MatrixXd weights_;
  std::unique_ptr<const Whitening> whitening_;
};

}  // namespace noema
