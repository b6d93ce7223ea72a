// connectomics/karcher: the affine-invariant mean of symmetric positive definite matrices, and what they are seen from
// there.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

namespace noema {

struct Karcher {
  at::Tensor mean;      // (P, P)
  at::Tensor tangents;  // (N, P, P): log(R^(−1/2) A R^(−1/2)); undefined unless asked for
};

struct KarcherOptions {
  double tolerance = 1e-10;  ///< of the residual ‖Σ w log(R^(−1/2) A R^(−1/2))‖/√P
  int max_iterations = 100;
  bool with_tangents = false;
};

/// Newton's method from `karcher_start`, of matrices (N, P, P) with weights (N) of sum 1; no gradient. Where what the
/// last step leaves, judged by its square, is below the tolerance, it is not measured, and the tangents follow that step
/// to first order.
/// @throws NumericalError
Karcher karcher_newton(const at::Tensor& matrices, const at::Tensor& weights, const KarcherOptions& options);

/// nilearn's steps and stopping rule: the mean. @throws NumericalError
at::Tensor karcher_published(const at::Tensor& matrices, const at::Tensor& weights);

/// log(R^(−1/2) A R^(−1/2)) of symmetric matrices (N, P, P), each shared out to a thread; no gradient.
/// @throws NumericalError unless all are positive definite
at::Tensor tangents_at(const at::Tensor& matrices, const at::Tensor& reference);

/// The gradients with regard to matrices and weights of the mean that solves the equation, by implicit differentiation.
std::pair<at::Tensor, at::Tensor> karcher_gradients(const at::Tensor& matrices, const at::Tensor& weights,
                                                    const at::Tensor& mean, const at::Tensor& gradient);

}  // namespace noema
