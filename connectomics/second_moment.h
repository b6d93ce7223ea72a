// connectomics/second_moment: how alike the members of each parcel are, from matrix products instead of (P, V, T)
// arrays.
#pragma once

#include <ATen/core/Tensor.h>

namespace noema {

/// Variance of the vertices of each parcel at each frame, about the parcel's mean at that frame:
/// σ²_pt = Σ_v w_pv (x_vt − μ_pt)²/Σ_v w_pv with μ_pt = Σ_v w_pv x_vt/Σ_v w_pv and w = |W|, W (…, P, V), X (…, V, T) of
/// one batch, to (…, P, T).
///
/// Equal to Σwx²/Σw − μ², after the frame's mean over all vertices is subtracted (which changes nothing but rounding),
/// and never below 0. Parcels without weight: 0 and gradient 0. Differentiable once in W and X; a second derivative
/// throws NumericalError. O(P V T) in both directions; beside inputs and results, blocks of 64 frames are held.
/// @throws ShapeError
at::Tensor second_moment(const at::Tensor& weights, const at::Tensor& series);

/// The same divided by the variance over all vertices at that frame. Where each vertex's weights sum to 1, the mean over
/// parcels by their share of all weight, Σ_v w_pv/Σ_pv w_pv (not the plain mean, unless parcels weigh the same), is the
/// share of the frame's variance that the parcels leave unexplained: 1 − R². Frames without variance: 0.
at::Tensor relative_second_moment(const at::Tensor& weights, const at::Tensor& series);

/// Weighted mean of the products of all pairs of different members of each parcel, series scaled to mean 0 and norm 1:
/// h_p = (‖Σ_v w_pv z_v‖² − Σ_v w_pv²‖z_v‖²)/((Σ_v w_pv)² − Σ_v w_pv²), w = |W|, so the mean correlation inside of a
/// hard parcel. W (…, P, V), X (…, V, T) to (…, P).
///
/// Rows of connectivity as X give the homogeneity of connectivity. Vertices without variance have z = 0. Parcels with
/// fewer than two members: 1 and gradient 0. Differentiable as often as needed; for the first derivative, beside inputs
/// and results, blocks of 1,024 vertices are held. O(P V T). @throws ShapeError
at::Tensor homogeneity(const at::Tensor& weights, const at::Tensor& series);

}  // namespace noema
