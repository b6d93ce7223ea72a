// connectomics/modularity: how well communities, hard or soft, cut a network of positive and negative edges.
#pragma once

#include <ATen/core/Tensor.h>

namespace noema {

/// What negative edges mean.
enum class NegativeEdges {
  refused,  ///< an error: for networks that have none
  signed_,  ///< repel, against a null model of their own (Gómez, Jensen and Arenas 2009)
  dropped,  ///< count as 0
};

struct ModularityOptions {
  double resolution = 1;  ///< γ, the weight of the null model
  NegativeEdges negative = NegativeEdges::signed_;
};

/// B/s of a network A (…, N, N), directed or not: B = A − γ (k⁺out k⁺inᵀ/s⁺ − k⁻out k⁻inᵀ/s⁻), s = s⁺ + s⁻, with the
/// strengths k and totals s of the positive and of the negative edges (both directions, loops once). For A ≥ 0 that is
/// Newman's (A − γ k kᵀ/2m)/2m; B is symmetrised, which no sum over communities notices.
///
/// Differentiable as often as needed in A off the sign changes. O(N²).
/// @throws ShapeError; DataError for negative edges if `refused`, or a network without edges
at::Tensor modularity_matrix(const at::Tensor& adjacency, const ModularityOptions& options = {});

/// Q = Σ_ij (B/s)_ij (C Cᵀ)_ij, memberships C (…, N, K), ≥ 0, to (…). One community each (rows of one 1): Newman's Q
/// exactly, as networkx has it, loops and diagonal included. To be maximised. Differentiable in A and C. O(N² K).
at::Tensor modularity(const at::Tensor& adjacency, const at::Tensor& memberships,
                      const ModularityOptions& options = {});
/// −Q: what a training minimises.
at::Tensor modularity_loss(const at::Tensor& adjacency, const at::Tensor& memberships,
                           const ModularityOptions& options = {});

/// Multislice modularity of Mucha and others (2010): layers (…, L, N, N), memberships (…, L, N, K), each node tied to
/// itself in the next layer by `coupling` ω ≥ 0: [Σ_l s_l Q_l + 2 ω Σ_l tr(C_lᵀ C_{l+1})]/(Σ_l s_l + 2 ω N (L − 1)).
/// @throws as `modularity`; UsageError for a negative coupling
at::Tensor multilayer_modularity(const at::Tensor& layers, const at::Tensor& memberships, double coupling,
                                 const ModularityOptions& options = {});

}  // namespace noema
