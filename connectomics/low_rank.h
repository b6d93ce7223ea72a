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
  cosine,    ///< product / (norm·norm), 0 where one is 0
  minus_l1,  ///< −(crosshair norm of the difference, p = 1)
  minus_l2,  ///< the same, p = 2; gradient 0 where both are equal all along
};
/// How like every template each matrix is around every entry, summed over input channels:
/// (…, I, N, M) and templates (O, I, N, M) → (…, O, N, M). Cost O(B·O·I·N·M); no product of all pairs is held.
/// @throws ShapeError
at::Tensor crosshair_similarity(const at::Tensor& x, const at::Tensor& templates,
                                CrosshairSimilarity similarity = CrosshairSimilarity::product);

/// Mixtures of channels Σ_i M_oi·X_i: (…, I, N, M) and mixing (O, I), or (…, O, I) that broadcasts, to (…, O, N, M).
/// Differentiable. @throws ShapeError
at::Tensor recombine(const at::Tensor& matrices, const at::Tensor& mixing);
/// Mixing weights as attention: softmax over I of keys (…, O, K) times queries (…, K, I): (…, O, I), of sum 1 over I.
/// Differentiable. @throws ShapeError
at::Tensor attention_mixing(const at::Tensor& keys, const at::Tensor& queries);

/// Fewer rows and columns: (M∘W)·X·(M∘W)ᵀ, X (…, N, N) and W (n, N) to (…, n, n); symmetric and positive semidefinite
/// matrices stay so. With `keep_spread` times the ratio of the standard deviations over all entries (n) of X and of the
/// result, so that they are equal; a constant result is left as it is.
/// @param mask (n, N) bool, as from `bipartite_lattice`; undefined: all. Differentiable. @throws ShapeError
at::Tensor compress_matrix(const at::Tensor& matrices, const at::Tensor& weights, const at::Tensor& mask = {},
                           bool keep_spread = false);
/// The way back, (M∘W)ᵀ·Y·(M∘W), Y (…, n, n): (…, N, N). An inverse only where the rows of M∘W are orthonormal and X
/// lies in their span. Differentiable. @throws ShapeError
at::Tensor expand_matrix(const at::Tensor& compressed, const at::Tensor& weights, const at::Tensor& mask = {});

/// Starting values for templates L (O, I, N, r): normal numbers whose templates L·Lᵀ keep the variance of products with
/// matrices of unit variance: Var(L)² = 1 / (I·(2N − 1)·r·(1 + 1/N)).
at::Tensor symmetric_template_start(std::int64_t outputs, std::int64_t inputs, std::int64_t size, std::int64_t rank,
                                    std::uint64_t seed);

}  // namespace noema
