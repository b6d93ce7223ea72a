// connectomics/similarity: distances and kernels between rows, and losses on Gram matrices.
#pragma once

#include <ATen/core/Tensor.h>

namespace noema {

/// How coordinates count: as they are, each times a weight, or by a matrix. At most one is given; which is said by
/// name.
struct Metric {
  at::Tensor weights;  // (F), ≥ 0: ⟨x, y⟩ = Σ θ x y
  at::Tensor matrix;   // (F, F), symmetric positive semi-definite: ⟨x, y⟩ = xᵀ Θ y
};

/// All take X (…, N, F) and Y (…, M, F) and give (…, N, M) through one product, O(N M F) and no (N, M, F) array.
/// Differentiable as often as needed but for `distances`. @throws ShapeError; UsageError for two metrics.

/// ⟨x, y⟩.
at::Tensor linear_kernel(const at::Tensor& x, const at::Tensor& y, const Metric& metric = {});
/// ⟨x − y, x − y⟩. Rows are taken relative to the mean of X, which keeps the digits of far-off clouds. The sum of two
/// squared lengths times 8 ε and less is rounding: such rows count as coincident, 0 with gradient 0.
at::Tensor squared_distances(const at::Tensor& x, const at::Tensor& y, const Metric& metric = {});
/// The roots of those. Coincident rows: 0 with gradient 0.
at::Tensor distances(const at::Tensor& x, const at::Tensor& y, const Metric& metric = {});
/// (γ⟨x, y⟩ + offset)^degree. γ is as scikit-learn's; its default there is 1/F.
at::Tensor polynomial_kernel(const at::Tensor& x, const at::Tensor& y, double gamma, double degree = 3,
                             double offset = 1, const Metric& metric = {});
/// tanh(γ⟨x, y⟩ + offset).
at::Tensor sigmoid_kernel(const at::Tensor& x, const at::Tensor& y, double gamma, double offset = 1,
                          const Metric& metric = {});
/// exp(−γ d²).
at::Tensor rbf_kernel(const at::Tensor& x, const at::Tensor& y, double gamma, const Metric& metric = {});
/// exp(−d²/(2σ²)), σ the standard deviation. @throws UsageError unless σ > 0
at::Tensor gaussian_kernel(const at::Tensor& x, const at::Tensor& y, double sigma, const Metric& metric = {});
/// ⟨x, y⟩/(|x||y|). A row of norm 0 has 0 with all, and gradient 0.
at::Tensor cosine_kernel(const at::Tensor& x, const at::Tensor& y, const Metric& metric = {});

/// −log det(K + ψI) of a Gram matrix K, (…, N, N) to (…): large when rows resemble each other. Differentiable as often
/// as needed. O(N³). @throws ShapeError; NumericalError unless K + ψI is positive definite.
at::Tensor log_det_loss(const at::Tensor& gram, double psi = 0);
/// −det(K + ψI), by the same factor.
at::Tensor det_loss(const at::Tensor& gram, double psi = 0);

/// Mardia's multivariate kurtosis, mean_t ((x_t − x̄)ᵀ S⁻¹ (x_t − x̄))² with S divided by T, (…, C, T) to (…); divided by
/// its expectation C(C + 2) for normal series if `relative`. Does not change with offset and linear maps of the series.
/// Differentiable as often as needed. O(C²T). @throws ShapeError; NumericalError unless S is positive definite (T > C).
at::Tensor multivariate_kurtosis(const at::Tensor& series, bool relative = false);

}  // namespace noema
