// connectomics/low_rank: symmetric matrices of low rank as templates of connectomes, and the crosshair products that
// compare both (layers of symmetric low-rank networks).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace noema {

enum class OuterSymmetry {
  none,   ///< L·C·Rᵀ
  cross,  ///< (A + Aᵀ)/2 of it
  skew,   ///< (A − Aᵀ)/2 of it
};
/// L·C·Rᵀ, (…, N, r) and (…, M, r): (…, N, M). With R undefined R = L: symmetric, and positive semidefinite where C is.
/// @param coupling (…, r): diagonal, or undefined: 1. Differentiable. @throws ShapeError
at::Tensor expand_outer(const at::Tensor& left, const at::Tensor& right = {}, const at::Tensor& coupling = {},
                        OuterSymmetry symmetry = OuterSymmetry::none);

/// Σ over the row and the column through (i, j), that entry once: Σ_k A_kj·B_kj + Σ_k A_ik·B_ik − A_ij·B_ij, for all
/// (i, j): (…, N, M). Differentiable. @throws ShapeError
at::Tensor crosshair_product(const at::Tensor& a, const at::Tensor& b);
/// √ of the crosshair product with itself (p = 2; gradient 0 at 0), or the sum of magnitudes (p = 1).
/// @throws UsageError for another p
at::Tensor crosshair_norm(const at::Tensor& a, int p = 2);

enum class CrosshairSimilarity {
  product,
  cosine,  ///< product / (norm·norm), 0 where one is 0
};
/// How like every template each matrix is around every entry, summed over input channels:
/// (…, I, N, M) and templates (O, I, N, M) → (…, O, N, M). Cost O(B·O·I·N·M); no product of all pairs is held.
/// @throws ShapeError
at::Tensor crosshair_similarity(const at::Tensor& x, const at::Tensor& templates,
                                CrosshairSimilarity similarity = CrosshairSimilarity::product);

/// Starting values for templates L (O, I, N, r): normal numbers whose templates L·Lᵀ keep the variance of products with
/// matrices of unit variance: Var(L)² = 1 / (I·(2N − 1)·r·(1 + 1/N)).
at::Tensor symmetric_template_start(std::int64_t outputs, std::int64_t inputs, std::int64_t size, std::int64_t rank,
                                    std::uint64_t seed);

}  // namespace noema
