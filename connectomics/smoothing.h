// connectomics/smoothing: Gaussian smoothing over vertices and voxels that leaves constants as they are.
#pragma once

#include <ATen/core/Tensor.h>

#include "noema/connectomics/parcels.h"
#include "noema/connectomics/spatial.h"

namespace noema {

/// All pairs of points within reach of one another, each point with itself.
struct Neighbours {
  SparseWeights pairs;  // (V, V): ones
  at::Tensor distance;  // (N) float64
};

/// Cost: about that of the pairs found (a grid of cells), on the CPU.
/// @param coordinates (V, 3); on a sphere about the origin for spherical geometry
/// @param reach       in the coordinates' unit, along the geometry
/// @throws ShapeError; UsageError unless reach > 0; DataError for coordinates that are not finite or, in spherical
///         geometry, whose distances from the origin differ by more than a thousandth
Neighbours neighbours_within(const at::Tensor& coordinates, double reach, Geometry geometry = Geometry::euclidean);

/// Σ_j k(d_ij)·x_j / Σ_j k(d_ij) over neighbours, k = exp(−d²/(2σ²)): (…, V, T). Exact for constants up to rounding.
///
/// Gradient: exact in series and σ, to first order. Cost O(N·T). The neighbours may be on another device.
/// @param sigma a number (0-dimensional tensor) above 0, in the coordinates' unit. A reach of 4σ leaves out 3e-4 of the
///              weight in the plane.
/// @throws ShapeError; UsageError unless sigma > 0
at::Tensor smooth_vertices(const at::Tensor& series, const Neighbours& neighbours, const at::Tensor& sigma);

/// Volumes (…, X, Y, Z) along their three axes with σ in voxels, truncated at 4σ, over the voxels of a mask (X, Y, Z)
/// alone (undefined: all): what lies outside has no influence and comes out as 0.
///
/// Gradient: exact to any order in volumes and σ. Cost: three matrix products.
/// @param sigma_voxels (3) ≥ 0; 0: not smoothed along this axis
/// @throws ShapeError; UsageError
at::Tensor smooth_volume(const at::Tensor& volume, const at::Tensor& sigma_voxels, const at::Tensor& mask = {});

/// σ of a Gaussian of this full width at half maximum.
double sigma_of_fwhm(double fwhm);

}  // namespace noema
