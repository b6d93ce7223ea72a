// connectomics/spd: functions of symmetric matrices through their eigenvalues, with gradients that hold where
// eigenvalues repeat.
#pragma once

#include <ATen/core/Tensor.h>

namespace noema {

struct Eigensystem {
  at::Tensor values;   // (…, N), ascending
  at::Tensor vectors;  // (…, N, N), in columns; the sign of each column is arbitrary
};

/// Eigenvalues and vectors of (A + Aᵀ)/2, A (…, N, N).
///
/// The gradient leaves out pairs of eigenvalues closer than N ε max|λ|: exact for every function that does not depend
/// on the basis chosen inside an eigenspace, and finite for every other. First order only: a second derivative throws
/// NumericalError. O(N³). @throws ShapeError; NumericalError for numbers that are not finite.
Eigensystem safe_eigh(const at::Tensor& matrix);

/// Matrix functions f(A) = Q f(Λ) Qᵀ of (A + Aᵀ)/2, (…, N, N) to (…, N, N), symmetric.
///
/// The gradient is that of Daleckii and Krein, Q (F ⊙ QᵀGQ) Qᵀ, with the divided differences F of f written without
/// cancellation: exact at repeated and nearly repeated eigenvalues. Second derivatives exist where eigenvalues are further
/// apart than √(N ε) max|λ| (else NumericalError). O(N³), one eigendecomposition for value and gradient together.
///
/// All but `spd_exp` need eigenvalues above N ε λ_max: else they throw NumericalError with the smallest eigenvalue.
/// `recondition` or a shrinkage estimate of the covariance is the remedy.
/// @throws ShapeError; NumericalError also for numbers that are not finite.
at::Tensor spd_log(const at::Tensor& matrix);
at::Tensor spd_exp(const at::Tensor& matrix);
at::Tensor spd_sqrt(const at::Tensor& matrix);
/// A^(−1/2).
at::Tensor spd_inverse_sqrt(const at::Tensor& matrix);
/// A^p for any real p.
at::Tensor spd_power(const at::Tensor& matrix, double exponent);

/// (1 − ψ) A + ψ I, 0 ≤ ψ ≤ 1: no eigenvalue below ψ for positive semi-definite A. @throws ShapeError, UsageError
at::Tensor recondition(const at::Tensor& matrix, double psi);

}  // namespace noema
