// Least squares whose gradient comes from the normal equations: one exact correction step of a solution that is itself
// kept out of the graph.
#include "noema/connectomics/regression.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/diag_embed.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/connectomics/spectral.h"
#include "noema/core/error.h"

namespace noema {
namespace {

void require_weights(const at::Tensor& weights) {
  if ((weights < 0).logical_or(weights.isfinite().logical_not()).any().item<bool>()) {
    throw DataError("weights of frames: found one that is negative or not finite, expected numbers from 0 on");
  }
  if ((weights == 0).all(-1).any().item<bool>()) {
    throw DataError("weights of frames: found all frames censored, expected at least one of weight above 0");
  }
}

/// Values that are not finite at frames of weight 0 must not reach sums, not even times 0.
at::Tensor readable(const at::Tensor& values, const at::Tensor& weights) {
  const at::Tensor unusable = (weights == 0).unsqueeze(-2).logical_and(values.isfinite().logical_not());
  return at::where(unusable, at::zeros_like(values), values);
}

/// The same values; asking for the gradient of a gradient through them is an error.
class DifferentiableOnce : public torch::autograd::Function<DifferentiableOnce> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& x) { return x.view_as(x); }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 const torch::autograd::variable_list& gradients) {
    require_first_order("regression");
    return gradients;
  }
};

struct Design {
  at::Tensor rows;     // (…, K + 1 + degree, T)
  at::Tensor penalty;  // of each row
};

Design make_design(const at::Tensor& series, const at::Tensor& confounds, const RegressionOptions& options) {
  const std::int64_t frames = series.size(-1);
  std::vector<at::Tensor> fixed;
  if (options.intercept) fixed.push_back(at::ones({1, frames}, series.options()));
  if (options.trend_degree > 0) fixed.push_back(trend_basis(options.trend_degree, frames, series.options()));
  std::int64_t given = 0;
  std::vector<at::Tensor> rows;
  if (confounds.defined() && confounds.size(-2) > 0) {
    given = confounds.size(-2);
    rows.push_back(confounds.to(series.scalar_type()));
    for (at::Tensor& row : fixed) {
      std::vector<std::int64_t> shape = confounds.sizes().vec();
      shape[shape.size() - 2] = row.size(0);
      row = row.expand(shape);
    }
  }
  rows.insert(rows.end(), fixed.begin(), fixed.end());
  if (rows.empty()) return {};
  Design design{at::cat(rows, -2), {}};
  design.penalty = at::zeros({design.rows.size(-2)}, series.options());
  design.penalty.slice(0, 0, given).fill_(options.ridge);
  return design;
}

/// (…, K, K): the pseudo-inverse of X·W·Xᵀ + Λ, and (…, K, T): that times X·W; both without gradient.
struct Inverse {
  at::Tensor normal, solution;
};

Inverse invert(const Design& design, const at::Tensor& weights) {
  const at::Tensor root = weights.detach().sqrt().unsqueeze(-2);
  const at::Tensor weighted = design.rows.detach() * root;
  const at::Tensor length = weighted.norm(2, {-1}, true);
  const at::Tensor scale = at::where(length > 0, length, at::ones_like(length));  // (…, K, 1)
  const std::int64_t frames = weighted.size(-1);
  at::Tensor tall = (weighted / scale).mT();  // (…, T, K)
  if ((design.penalty > 0).any().item<bool>()) {
    const at::Tensor penalty = design.penalty.sqrt().unsqueeze(-1) / scale;
    tall = at::cat({tall, at::diag_embed(penalty.squeeze(-1))}, -2);
  }
  const double tiny = tall.scalar_type() == at::kFloat ? 1e-6 : 1e-13 * static_cast<double>(tall.size(-2));
  const at::Tensor inverse = at::linalg_pinv(tall, tiny) / scale;  // (…, K, T …)
  return {inverse.matmul(inverse.mT()), inverse.slice(-1, 0, frames) * root};
}

}  // namespace

at::Tensor trend_basis(std::int64_t degree, std::int64_t frames, const at::TensorOptions& options) {
  if (degree < 1 || frames < 1) {
    throw UsageError(fmt::format("trends: found degree {} of {} frames, expected both from 1 on", degree, frames));
  }
  const at::Tensor time = frames == 1 ? at::zeros({1}, options) : at::linspace(-1, 1, frames, options);
  std::vector<at::Tensor> rows{at::ones_like(time), time};
  for (std::int64_t n = 1; n < degree; ++n) {
    const auto k = static_cast<double>(n);
    rows.push_back(
        ((2 * k + 1) * time * rows[static_cast<std::size_t>(n)] - k * rows[static_cast<std::size_t>(n - 1)]) / (k + 1));
  }
  rows.erase(rows.begin());
  return at::stack(rows);
}

Regression regress(const at::Tensor& series, const at::Tensor& confounds, const at::Tensor& weights,
                   const RegressionOptions& options) {
  require_dimensions(series, "series", 2, "(…, F, T)");
  const std::int64_t frames = series.size(-1);
  if (frames == 0) throw ShapeError("series: found no frames, expected (…, F, T) with T ≥ 1");
  if (!(options.ridge >= 0) || options.trend_degree < 0) {
    throw UsageError(fmt::format("regression: found ridge {} and trend degree {}, expected both from 0 on",
                                 options.ridge, options.trend_degree));
  }
  if (confounds.defined()) {
    require_dimensions(confounds, "confounds", 2, "(…, K, T)");
    require_size(confounds, "confounds", -1, frames);
  }
  if (weights.defined()) {
    require_dimensions(weights, "weights of frames", 1, "(…, T)");
    require_size(weights, "weights of frames", -1, frames);
    require_weights(weights);
  }
  Design design = make_design(series, confounds, options);
  if (!design.rows.defined()) return {series, at::zeros_like(series), series.slice(-1, 0, 0)};
  const at::Tensor values = DifferentiableOnce::apply(series);
  design.rows = DifferentiableOnce::apply(design.rows);
  at::Tensor w = at::ones({frames}, series.options()), y = values;
  if (weights.defined()) {
    w = DifferentiableOnce::apply(weights.to(series.scalar_type()));
    y = readable(values, w);
  }
  const at::Tensor rows = weights.defined() ? readable(design.rows, w) : design.rows;
  const Inverse inverse = invert({rows, design.penalty}, w);
  const at::Tensor start = y.detach().matmul(inverse.solution.mT());  // (…, F, K)
  const at::Tensor missing = ((y - start.matmul(rows)) * w.unsqueeze(-2)).matmul(rows.mT()) - start * design.penalty;
  const at::Tensor coefficients = start + missing.matmul(inverse.normal);
  const at::Tensor fitted = coefficients.matmul(design.rows);
  return {values - fitted, fitted, coefficients};
}

at::Tensor regress_out(const at::Tensor& series, const at::Tensor& confounds, const at::Tensor& weights,
                       const RegressionOptions& options) {
  return regress(series, confounds, weights, options).residual;
}

}  // namespace noema
