// connectomics/connectopy: losses whose minima are gradients of a network: maps that change little along strong edges.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace noema {

/// (K): K, K − 1, … 1, so that the first map counts most and maps come out in order.
at::Tensor progressive_weights(std::int64_t maps, const at::TensorOptions& options);

/// Σ_ij A_ij Σ_k θ_k (q_ik − q_jk)², affinity A (…, N, N) and maps q (…, N, K), to (…). Constant maps give 0, so maps
/// must be kept apart (by a constraint or another loss). Any signs of A; differentiable as often as needed in all;
/// O(N²K) by products, no array of pairs and maps. @param weights θ (K) or undefined: 1. @throws ShapeError
at::Tensor connectopy_loss(const at::Tensor& affinity, const at::Tensor& maps, const at::Tensor& weights = {});

/// Σ_k θ_k u_kᵀ (I − D^(−1/2) W D^(−1/2)) u_k, where u are the maps times √degree, less their constant part, made
/// orthonormal one after another: least, Σ θ_k λ_k, exactly where the maps are the `laplacian_eigenmaps` of W (in
/// order, where θ falls), whatever their scale. W = (A + Aᵀ)/2 ≥ 0.
///
/// Differentiable in affinity, maps and weights. O(N²K). @throws ShapeError; UsageError unless K < N; DataError for
/// negative affinities or nodes without edges; NumericalError for maps that depend on one another or are constant
at::Tensor eigenmaps_loss(const at::Tensor& affinity, const at::Tensor& maps, const at::Tensor& weights = {});

}  // namespace noema
