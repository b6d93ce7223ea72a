// Entropies and divergences.
#include "noema/connectomics/divergence.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <numbers>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

void require_two(const at::Tensor& p, const at::Tensor& q) {
  require_dimensions(p, "distribution", 1, "(…, K)");
  require_dimensions(q, "second distribution", 1, "(…, K)");
  require_size(q, "second distribution", -1, p.size(-1));
}

/// p log(p/q), 0 with gradient 0 at p = 0.
at::Tensor terms(const at::Tensor& p, const at::Tensor& q) {
  const at::Tensor zero = p == 0;
  const at::Tensor ratio = at::where(zero, at::full_like(p, 1), p) / at::where(zero, at::full_like(q, 1), q);
  return at::where(zero, at::zeros_like(p), p * ratio.log());
}

}  // namespace

at::Tensor entropy(const at::Tensor& p) {
  require_dimensions(p, "distribution", 1, "(…, K)");
  return -terms(p, at::full_like(p, 1)).sum(-1);
}

at::Tensor entropy_of_logits(const at::Tensor& logits) {
  require_dimensions(logits, "logits", 1, "(…, K)");
  const at::Tensor log_p = at::log_softmax(logits, -1);
  return -(log_p.exp() * log_p).sum(-1);
}

at::Tensor kl_divergence(const at::Tensor& p, const at::Tensor& q) {
  require_two(p, q);
  return terms(p, q).sum(-1);
}

at::Tensor kl_divergence_of_logits(const at::Tensor& a, const at::Tensor& b) {
  require_two(a, b);
  const at::Tensor log_p = at::log_softmax(a, -1);
  return (log_p.exp() * (log_p - at::log_softmax(b, -1))).sum(-1);
}

at::Tensor js_divergence(const at::Tensor& p, const at::Tensor& q) {
  require_two(p, q);
  const at::Tensor middle = (p + q) / 2;
  return (terms(p, middle).sum(-1) + terms(q, middle).sum(-1)) / 2;
}

at::Tensor js_divergence_of_logits(const at::Tensor& a, const at::Tensor& b) {
  require_two(a, b);
  const at::Tensor log_p = at::log_softmax(a, -1), log_q = at::log_softmax(b, -1);
  const at::Tensor middle = at::logaddexp(log_p, log_q) - std::numbers::ln2;
  return ((log_p.exp() * (log_p - middle)).sum(-1) + (log_q.exp() * (log_q - middle)).sum(-1)) / 2;
}

at::Tensor bregman_divergence(const std::function<at::Tensor(const at::Tensor&)>& f, const at::Tensor& x,
                              const at::Tensor& y) {
  require_two(x, y);
  const at::AutoGradMode recording(true);
  const at::Tensor at_y = y.requires_grad() ? y : y.detach().set_requires_grad(true);
  const at::Tensor value = f(at_y);
  const at::Tensor slope = torch::autograd::grad({value.sum()}, {at_y}, {}, std::nullopt, /*create_graph=*/true)[0];
  const at::Tensor result = f(x) - value - (slope * (x - at_y)).sum(-1);
  return x.requires_grad() || y.requires_grad() ? result : result.detach();
}

at::Tensor imbalance(const at::Tensor& weights) {
  require_dimensions(weights, "weights of parcels", 2, "(…, P, V)");
  const at::Tensor mean = weights.mean(-1);
  return (mean - mean.mean(-1, true)).abs();
}

at::Tensor bregman_divergence_of_logits(const std::function<at::Tensor(const at::Tensor&)>& f, const at::Tensor& a,
                                        const at::Tensor& b) {
  require_dimensions(a, "logits", 1, "(…, K)");
  require_dimensions(b, "logits", 1, "(…, K)");
  return bregman_divergence(f, a.softmax(-1), b.softmax(-1));
}

at::Tensor imbalance_of_logits(const at::Tensor& logits) {
  require_dimensions(logits, "logits", 2, "(…, P, V)");
  return imbalance(logits.softmax(-2));
}

}  // namespace noema
