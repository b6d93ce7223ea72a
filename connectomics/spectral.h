// connectomics/spectral: eigenvalues, divided differences and the checks that the maps and means of SPD matrices share.
#pragma once

#include <cstdint>
#include <functional>

#include "noema/connectomics/spd.h"

namespace noema {

enum class SpectralFunction { exp, log, power };

/// Runs `body(begin, end)` over the first dimension of `matrices`, without gradients: on the CPU each matrix by itself,
/// on the library's threads with one of LibTorch's (LAPACK's threads gain little in one matrix, matrices side by side
/// gain all); elsewhere all at once.
void by_matrix(const at::Tensor& matrices, const std::function<void(std::int64_t, std::int64_t)>& body);
/// What `begin` to `end` of the first dimension hold; one matrix alone without that dimension, for it is faster so.
at::Tensor part_of(const at::Tensor& matrices, std::int64_t begin, std::int64_t end);

/// Eigensystem of a symmetric matrix without gradient. @throws NumericalError for numbers that are not finite.
Eigensystem eigensystem(const at::Tensor& matrix);
/// @throws NumericalError unless all eigenvalues are above N ε λ_max; `name` is that of the matrices.
void require_positive(const at::Tensor& eigenvalues, const char* name);

/// f(λ).
at::Tensor apply_spectral(SpectralFunction function, double exponent, const at::Tensor& values);
/// (…, N) to (…, N, N): (f(a) − f(b))/(a − b), f'(a) where a = b, without cancellation.
at::Tensor divided_differences(SpectralFunction function, double exponent, const at::Tensor& values);

/// Q M Qᵀ.
at::Tensor congruence(const at::Tensor& q, const at::Tensor& m);
/// Q diag(values) Qᵀ.
at::Tensor rebuilt(const at::Tensor& vectors, const at::Tensor& values);
/// Q (F ⊙ QᵀGQ) Qᵀ for symmetric G: the derivative of a matrix function in direction G, and its own adjoint.
at::Tensor spectral_derivative(const at::Tensor& vectors, const at::Tensor& differences, const at::Tensor& direction);

/// @throws NumericalError while gradients of gradients are recorded.
void require_first_order(const char* name);

}  // namespace noema
