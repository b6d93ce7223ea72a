// Second moments and homogeneity by matrix products.
#include "noema/connectomics/second_moment.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/connectomics/spectral.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kFrames = 64;
constexpr std::int64_t kVertices = 1024;

void require_parcels(const at::Tensor& weights, const at::Tensor& series) {
  require_dimensions(weights, "weights of parcels", 2, "(…, P, V)");
  require_dimensions(series, "series", 2, "(…, V, T)");
  require_size(series, "series", -2, weights.size(-1));
  if (weights.dim() != series.dim() ||
      weights.sizes().slice(0, weights.dim() - 2) != series.sizes().slice(0, series.dim() - 2)) {
    throw ShapeError(fmt::format("weights of parcels: found batch of {}, expected that of the series, {}",
                                 shape_text(weights.sizes()), shape_text(series.sizes())));
  }
}

double epsilon_of(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon();
}

/// 1/x, 0 where x is 0.
at::Tensor inverse_or_zero(const at::Tensor& x) {
  const at::Tensor zero = x == 0;
  return at::where(zero, at::zeros_like(x), at::where(zero, at::full_like(x, 1), x).reciprocal());
}

/// A block of frames about its mean over the vertices: (…, V, t).
at::Tensor block_of(const at::Tensor& series, std::int64_t first) {
  const at::Tensor block = series.slice(-1, first, std::min(first + kFrames, series.size(-1)));
  return block - block.mean(-2, true);
}

class SecondMoment : public torch::autograd::Function<SecondMoment> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& weights, const at::Tensor& series) {
    const at::Tensor w = weights.abs(), share = inverse_or_zero(w.sum(-1, true));
    std::vector<std::int64_t> shape = series.sizes().vec();
    shape[shape.size() - 2] = weights.size(-2);
    at::Tensor mean = at::empty(shape, series.options()), moment = at::empty(shape, series.options());
    for (std::int64_t first = 0; first < series.size(-1); first += kFrames) {
      const at::Tensor x = block_of(series, first);
      const at::Tensor mu = w.matmul(x) * share;
      const std::int64_t end = first + x.size(-1);
      mean.slice(-1, first, end).copy_(mu);
      moment.slice(-1, first, end).copy_((w.matmul(x.square()) * share - mu.square()).clamp_min(0));
    }
    context->save_for_backward({weights, series, mean, moment});
    return moment;
  }
  // With a = G/Σw: ∂/∂w_pv = Σ_t a (x² − 2 μ x + μ² − σ²), ∂/∂x_vt = 2 Σ_p w a (x − μ).
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_first_order("second moment");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &weights = saved[0], &series = saved[1], &mean = saved[2], &moment = saved[3];
    const at::Tensor w = weights.abs();
    const at::Tensor scaled = gradients[0] * inverse_or_zero(w.sum(-1, true));  // (…, P, T)
    at::Tensor weight_gradient = at::zeros_like(weights);
    const bool with_series = context->needs_input_grad(1);
    at::Tensor series_gradient = with_series ? at::empty(series.sizes(), series.options()) : at::Tensor();
    weight_gradient += (scaled * (mean.square() - moment)).sum(-1, true);
    for (std::int64_t first = 0; first < series.size(-1); first += kFrames) {
      const at::Tensor x = block_of(series, first);
      const std::int64_t end = first + x.size(-1);
      const at::Tensor a = scaled.slice(-1, first, end), mu = a * mean.slice(-1, first, end);
      weight_gradient += a.matmul(x.square().mT());
      weight_gradient.sub_(mu.matmul(x.mT()), 2);
      if (with_series) series_gradient.slice(-1, first, end).copy_(2 * (x * w.mT().matmul(a) - w.mT().matmul(mu)));
    }
    return {weight_gradient.mul_(weights.sign()), series_gradient};
  }
};

/// Vertices from `first`, at most kVertices of them.
struct UnitRows {
  at::Tensor z;        // (…, v, T): mean 0 and norm 1, or 0 without variance
  at::Tensor inverse;  // (…, v, 1): 1 by the norm of the series about its mean, or 0
};

at::Tensor vertices_from(const at::Tensor& x, std::int64_t dimension, std::int64_t first) {
  return x.slice(dimension, first, std::min(first + kVertices, x.size(dimension)));
}

UnitRows unit_rows(const at::Tensor& series, std::int64_t first) {
  const at::Tensor block = vertices_from(series, -2, first), x = block - block.mean(-1, true);
  const auto norm = [](const at::Tensor& y) {
    return at::linalg_vector_norm(y.detach(), 2, at::IntArrayRef{-1}, true);
  };
  const at::Tensor constant = norm(x) <= 16 * epsilon_of(series) * norm(block);
  const at::Tensor square = at::where(constant, at::full_like(x.narrow(-1, 0, 1), 1), x.square().sum(-1, true));
  const at::Tensor inverse = at::where(constant, at::zeros_like(square), square.rsqrt());
  return {x * inverse, inverse};
}

/// What the pairs inside of parcels add up to, and how many there are.
struct Pairs {
  at::Tensor sums;     // (…, P, T): y = Σ w z
  at::Tensor own;      // (…, P): Σ w²‖z‖², each member with itself
  at::Tensor total;    // (…, P): Σ w
  at::Tensor inverse;  // (…, P): 1 by (Σ w)² − Σ w², 0 for fewer than two members

  at::Tensor mean() const { return (sums.square().sum(-1) - own) * inverse; }
};

Pairs pairs_of(const at::Tensor& weights, const at::Tensor& series) {
  Pairs pairs;
  at::Tensor squares;
  for (std::int64_t first = 0; first < series.size(-2); first += kVertices) {
    const UnitRows rows = unit_rows(series, first);
    const at::Tensor w = vertices_from(weights, -1, first).abs(), square = w.square();
    const at::Tensor members = (rows.inverse != 0).to(w.scalar_type());
    const auto add = [first](at::Tensor& sum, const at::Tensor& part) { sum = first == 0 ? part : sum + part; };
    add(pairs.sums, w.matmul(rows.z));
    add(pairs.own, square.matmul(members).squeeze(-1));
    add(pairs.total, w.sum(-1));
    add(squares, square.sum(-1));
  }
  const at::Tensor count = pairs.total.square() - squares;
  const at::Tensor alone = count <= 16 * epsilon_of(weights) * pairs.total.square();
  pairs.inverse =
      at::where(alone, at::zeros_like(count), at::where(alone, at::full_like(count, 1), count).reciprocal());
  return pairs;
}

class Homogeneity : public torch::autograd::Function<Homogeneity> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& weights, const at::Tensor& series) {
    const Pairs pairs = pairs_of(weights, series);
    context->save_for_backward({weights, series, pairs.sums, pairs.own, pairs.total, pairs.inverse});
    return at::where(pairs.inverse == 0, at::full_like(pairs.own, 1), pairs.mean());
  }
  // With a = G/count: ∂/∂w_pv = 2 a (y·z_v − w‖z_v‖² − h (Σw − w)), ∂/∂z_v = 2 Σ_p a w y, of which the series sees what
  // is orthogonal to z and to constants. Tensor operations throughout: further derivatives follow from them.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &weights = saved[0], &series = saved[1];
    const Pairs pairs =
        at::GradMode::is_enabled() ? pairs_of(weights, series) : Pairs{saved[2], saved[3], saved[4], saved[5]};
    const at::Tensor a = (2 * gradients[0] * pairs.inverse).unsqueeze(-1), pulled = a * pairs.sums;
    const at::Tensor h = pairs.mean().unsqueeze(-1), total = pairs.total.unsqueeze(-1);
    at::Tensor of_weights = at::empty(weights.sizes(), weights.options()), of_series;
    const bool with_series = context->needs_input_grad(1);
    if (with_series) of_series = at::empty(series.sizes(), series.options());
    for (std::int64_t first = 0; first < series.size(-2); first += kVertices) {
      const UnitRows rows = unit_rows(series, first);
      const at::Tensor part = vertices_from(weights, -1, first), w = part.abs();
      const at::Tensor members = (rows.inverse != 0).to(w.scalar_type()).mT();
      const at::Tensor slope = pulled.matmul(rows.z.mT()) - a * (w * members + h * (total - w));
      vertices_from(of_weights, -1, first).copy_(slope * part.sign());
      if (!with_series) continue;
      const at::Tensor u = w.mT().matmul(pulled);
      const at::Tensor seen = u - u.mean(-1, true) - (u * rows.z).sum(-1, true) * rows.z;
      vertices_from(of_series, -2, first).copy_(seen * rows.inverse);
    }
    return {of_weights, of_series};
  }
};

}  // namespace

at::Tensor second_moment(const at::Tensor& weights, const at::Tensor& series) {
  require_parcels(weights, series);
  return SecondMoment::apply(weights, series);
}

at::Tensor relative_second_moment(const at::Tensor& weights, const at::Tensor& series) {
  const at::Tensor moment = second_moment(weights, series);
  const at::Tensor variance = series.var(-2, /*unbiased=*/false, /*keepdim=*/true);
  const double rounding = 16 * epsilon_of(series);
  const at::Tensor constant = variance <= series.detach().square().mean(-2, true) * (rounding * rounding);
  return moment * inverse_or_zero(at::where(constant, at::zeros_like(variance), variance));
}

at::Tensor homogeneity(const at::Tensor& weights, const at::Tensor& series) {
  require_parcels(weights, series);
  return Homogeneity::apply(weights, series);
}

}  // namespace noema
