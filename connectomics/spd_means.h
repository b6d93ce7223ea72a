// connectomics/spd_means: means of symmetric positive definite matrices and the tangent space at one.
#pragma once

#include <ATen/core/Tensor.h>

namespace noema {

enum class SpdMean {
  euclidean,      ///< Σ w A
  log_euclidean,  ///< exp(Σ w log A)
  harmonic,       ///< (Σ w A⁻¹)⁻¹
  karcher,        ///< affine-invariant: Σ w log(R^(−1/2) A R^(−1/2)) = 0
  bures,          ///< Bures–Wasserstein barycentre: R = Σ w (R^(1/2) A R^(1/2))^(1/2)
};

struct SpdMeanOptions {
  /// (…, N), ≥ 0, scaled to sum 1 here; undefined: all equal.
  at::Tensor weights;
  /// Of the two iterated means: when the norm of their equation's residual, relative to √P, is below it; 0: 1e-12 for
  /// float64, 1e-5 for float32. Where rounding alone leaves more (ε times the mean condition of the Karcher mean's
  /// whitened matrices), it ends there.
  double tolerance = 0;
  int max_iterations = 100;
  /// The Karcher mean by nilearn's steps and stopping rule (‖residual‖/P² < 1e-7) for its exact numbers. Its gradient
  /// is the same, that of the converged mean.
  bool published = false;
};

/// (…, N, P, P) to (…, P, P).
///
/// Karcher: Newton's method on the manifold, with the closed form of the Hessian and conjugate gradients; halved steps
/// until the cost falls, so it converges for any condition that the number type can hold. It begins near the mean, in
/// float32 (`karcher_start.h`), and does not measure a last residual that its convergence promises.
/// Bures: the fixed point of Álvarez-Esteban and others. Gradients in matrices and weights are those of the equation
/// that defines the mean (implicit function theorem), not of the iterations; first order only. O(N P³) per iteration.
/// @throws ShapeError; NumericalError for matrices that are not positive definite (log-Euclidean, harmonic, Karcher,
///   Bures) or if the tolerance was not reached, with the residual; UsageError for negative weights.
at::Tensor spd_mean(const at::Tensor& matrices, SpdMean mean, const SpdMeanOptions& options = {});

/// log(R^(−1/2) A R^(−1/2)): matrices (…, P, P) at the reference R, (P, P) or (…, P, P). Differentiable in both, twice
/// where `spd_log` is.
/// @throws ShapeError; NumericalError unless both are positive definite.
at::Tensor to_tangent(const at::Tensor& matrices, const at::Tensor& reference);

struct TangentSpace {
  at::Tensor mean;      // (P, P)
  at::Tensor tangents;  // (N, P, P)
};
/// `spd_mean` of matrices (N, P, P) and `to_tangent` of them there. Where no gradient is recorded, the Karcher mean
/// shares its last eigensystems with the tangents, which are then as exact as the mean's tolerance.
/// @throws as both
TangentSpace tangent_space(const at::Tensor& matrices, SpdMean mean, const SpdMeanOptions& options = {});

/// R^(1/2) exp(V) R^(1/2), the inverse.
at::Tensor from_tangent(const at::Tensor& tangents, const at::Tensor& reference);

}  // namespace noema
