// connectomics/spatial: where parcels lie: distances, centres, and the losses that keep parcels together and apart.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace noema {

enum class Geometry {
  euclidean,  ///< straight lines, millimetres in any dimension
  spherical,  ///< along great circles of the sphere on which the points lie (about the origin)
};

/// Distances of all pairs of points, (…, N, D) and (…, M, D): (…, N, M). Points on a sphere have D = 3, and their
/// radius is that of `a`.
///
/// Gradient: exact; 0 at coincident (and antipodal) points, where distance has a kink. Cost and memory O(N·M), from
/// differences (no cancellation). @throws ShapeError
at::Tensor distance_matrix(const at::Tensor& a, const at::Tensor& b, Geometry geometry = Geometry::euclidean);
/// Distances of points one by one, (…, D) and (…, D) that broadcast: (…). Gradient as above. @throws ShapeError
at::Tensor point_distance(const at::Tensor& a, const at::Tensor& b, Geometry geometry = Geometry::euclidean);

/// Centres of mass Σ_v W_pv·x_v / Σ_v W_pv of (…, P, V) over coordinates (V, D): (…, P, D); on a sphere moved out to
/// its surface. A parcel without weight, or spread evenly over the sphere, has its centre at the origin, gradient
/// finite. Differentiable. @throws ShapeError
at::Tensor parcel_centres(const at::Tensor& weights, const at::Tensor& coordinates,
                          Geometry geometry = Geometry::euclidean);

/// (V, count) int64: the centres (P, D) nearest to each of the coordinates (V, D), the nearest first; of equals the
/// lower number. No gradient; in blocks of coordinates, O(V·P). @throws ShapeError; UsageError unless 1 ≤ count ≤ P
at::Tensor nearest_centres(const at::Tensor& coordinates, const at::Tensor& centres, std::int64_t count,
                           Geometry geometry = Geometry::euclidean);

/// Mean distance of a parcel's weight from its centre: Σ_v W_pv·max(d(x_v, c_p) − floor, 0) / Σ_v W_pv, (…, P), in the
/// coordinates' unit. 0 for a parcel without weight. Differentiable, also with a vertex exactly at the centre.
at::Tensor compactness(const at::Tensor& weights, const at::Tensor& coordinates,
                       Geometry geometry = Geometry::euclidean, double floor = 0);

/// Minus the distance of each pair of centres (…, P, D): (…, P·(P − 1)/2), row by row of the upper triangle. True
/// distances, not their squares: far pairs do not outweigh near ones. @throws ShapeError
at::Tensor dispersion(const at::Tensor& centres, Geometry geometry = Geometry::euclidean);

/// Distance of each centre from its reference, (…, P): least (0) exactly where nothing is displaced. @throws ShapeError
at::Tensor tether(const at::Tensor& centres, const at::Tensor& references, Geometry geometry = Geometry::euclidean);
/// Distance of each right centre from its left partner mirrored in x. @throws ShapeError
at::Tensor interhemispheric_tether(const at::Tensor& left_centres, const at::Tensor& right_centres,
                                   Geometry geometry = Geometry::euclidean);

}  // namespace noema
