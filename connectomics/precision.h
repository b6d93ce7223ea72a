// connectomics/precision: shrinkage estimates of covariances, their inverses, partial correlations and the graphical
// lasso.
#pragma once

#include <ATen/core/Tensor.h>

namespace noema {

struct Shrunk {
  at::Tensor covariance;  // (…, C, C): (1 − λ) S + λ (tr S / C) I
  at::Tensor intensity;   // (…): λ in [0, 1]
};

/// S = XcXcᵀ/T shrunk to a multiple of the identity by Ledoit and Wolf (2004), series (…, C, T).
///
/// Differentiable as often as needed; λ at a bound (0 or 1) is constant there. One channel or one frame: λ = 0. Series
/// without variance: S. O(C²T). @throws ShapeError
Shrunk ledoit_wolf(const at::Tensor& series);
/// By the oracle approximating shrinkage of Chen and others (2010), as scikit-learn writes it: λ = min(1, (mean S² +
/// μ²) / ((T + 1)(mean S² − μ²/C))), μ = tr S/C. Otherwise as `ledoit_wolf`; S a multiple of the identity: λ = 1.
Shrunk oracle_shrinkage(const at::Tensor& series);

/// Σ⁻¹ by Cholesky, (…, C, C) to (…, C, C), symmetric. Differentiable as often as needed. O(C³).
/// @throws ShapeError; NumericalError unless positive definite: more frames than channels, a ridge or shrinkage help.
at::Tensor precision(const at::Tensor& covariance);

/// −Ω_ij/√(Ω_ii Ω_jj) of a precision, (…, C, C): correlation of i and j given all others; the diagonal exactly 1 with
/// gradient 0. @throws ShapeError; NumericalError unless the diagonal is positive.
at::Tensor partial_correlation(const at::Tensor& precision);
/// Covariance of i and j given all others: −Ω_ij/(Ω_ii Ω_jj − Ω_ij²); on the diagonal the variance given all others,
/// 1/Ω_ii. This is the inverse of each 2 × 2 block of Ω, not Ω with signs turned.
at::Tensor partial_covariance(const at::Tensor& precision);

struct GraphicalLassoOptions {
  /// On the largest violation of the optimality conditions, relative to the largest variance.
  double tolerance = 1e-10;
  int max_sweeps = 1000;
};

/// The precision Ω that minimises tr(SΩ) − log det Ω + α Σ_{i≠j} |Ω_ij|, S (…, C, C), α a scalar or (…): one each.
/// float32 is solved in float64.
///
/// Block coordinate descent (Friedman and others 2008) on the CPU, O(C³) and more a sweep. Zeros are exact. The
/// gradient in S and α is that of the optimality conditions on the support found, by conjugate gradients; it is first
/// order, and one-sided where an entry is just about to leave zero.
/// @throws ShapeError; UsageError for α ≤ 0; NumericalError for a variance ≤ 0, numbers that are not finite, or if the
///   tolerance was not reached, with the violation; Cancelled.
at::Tensor graphical_lasso(const at::Tensor& covariance, const at::Tensor& penalty,
                           const GraphicalLassoOptions& options = {});

}  // namespace noema
