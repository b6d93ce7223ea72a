// connectomics/divergence: entropies and divergences of distributions along the last dimension, and balance of parcels.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace noema {

/// All take (…, K) and give (…), in nats; 0 log 0 = 0 with gradient 0 at p = 0 (its limit is infinite). Distributions
/// are not scaled: they sum to 1 or are positive measures. Differentiable as often as needed. O(K).
/// @throws ShapeError also for two shapes that do not broadcast.

/// −Σ p log p.
at::Tensor entropy(const at::Tensor& p);
/// Of softmax(z), without forming log 0: finite gradients for any logits.
at::Tensor entropy_of_logits(const at::Tensor& logits);

/// Σ p log(p/q): ∞ where q = 0 < p.
at::Tensor kl_divergence(const at::Tensor& p, const at::Tensor& q);
/// Of softmax(a) from softmax(b).
at::Tensor kl_divergence_of_logits(const at::Tensor& a, const at::Tensor& b);

/// ½ KL(p‖m) + ½ KL(q‖m), m = (p + q)/2: at most log 2; the square of scipy's jensenshannon.
at::Tensor js_divergence(const at::Tensor& p, const at::Tensor& q);
at::Tensor js_divergence_of_logits(const at::Tensor& a, const at::Tensor& b);

/// f(x) − f(y) − ⟨∇f(y), x − y⟩ of a convex f from (…, K) to (…), of tensor operations: ‖·‖² gives ‖x − y‖². ∇f by
/// automatic differentiation, so the result is differentiable in x and y as far as f is twice.
at::Tensor bregman_divergence(const std::function<at::Tensor(const at::Tensor&)>& f, const at::Tensor& x,
                              const at::Tensor& y);

/// Of softmax(a) from softmax(b): f = Σ p log p gives the Kullback–Leibler divergence.
at::Tensor bregman_divergence_of_logits(const std::function<at::Tensor(const at::Tensor&)>& f, const at::Tensor& a,
                                        const at::Tensor& b);

/// |mean_v W_pv − mean_pv W|, W (…, P, V) to (…, P): 0 when all parcels have the same weight. Gradient 0 at equality.
at::Tensor imbalance(const at::Tensor& weights);
/// Of parcels by the softmax over P of logits (…, P, V).
at::Tensor imbalance_of_logits(const at::Tensor& logits);

}  // namespace noema
