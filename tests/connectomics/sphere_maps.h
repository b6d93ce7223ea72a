// Points spread evenly on a sphere, and smooth maps of them.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/stack.h>

#include <cmath>
#include <numbers>

#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/spatial.h"

namespace noema {

/// (V, 3), of radius 10.
inline at::Tensor sphere_points(std::int64_t count) {
  const at::Tensor i = at::arange(count, at::kDouble) + 0.5;
  const at::Tensor z = 1 - 2 * i / static_cast<double>(count), turn = i * (std::numbers::pi * (3 - std::sqrt(5.0)));
  const at::Tensor ring = (1 - z * z).sqrt();
  return 10 * at::stack({ring * turn.cos(), ring * turn.sin(), z}, 1);
}

/// Great-circle distances of the points (V, 3) from one another.
inline at::Tensor sphere_distances(const at::Tensor& points) {
  return distance_matrix(points, points, Geometry::spherical);
}

/// Maps (n, V): white noise under a Gaussian of `sigma`.
inline at::Tensor smooth_maps(const at::Tensor& distances, double sigma, std::int64_t count, std::uint64_t seed) {
  const at::Tensor kernel = at::exp(-distances * distances / (2 * sigma * sigma));
  return normal_numbers({count, distances.size(0)}, seed, "maps").matmul(kernel);
}

}  // namespace noema
