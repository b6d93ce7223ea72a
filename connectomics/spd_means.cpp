// Means of SPD matrices; the Karcher and Bures ones with gradients by the implicit function theorem.
#include "noema/connectomics/spd_means.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

#include "noema/connectomics/conjugate_gradients.h"
#include "noema/connectomics/karcher.h"
#include "noema/connectomics/shapes.h"
#include "noema/connectomics/spectral.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

double norm_of(const at::Tensor& x) { return std::sqrt(x.square().sum({-2, -1}).max().item<double>()); }

/// Σ w x over the matrices: (N, P, P) to (P, P).
at::Tensor weighted_sum(const at::Tensor& weights, const at::Tensor& x) {
  return (weights.unsqueeze(-1).unsqueeze(-1) * x).sum(-3);
}

[[noreturn]] void not_converged(double residual, double tolerance, int iterations) {
  throw NumericalError(
      fmt::format("Bures mean: found a residual of {:.3g} after {} iterations, expected less than {:.3g}; "
                  "recondition the matrices or allow more iterations",
                  residual, iterations, tolerance));
}

class KarcherMean : public torch::autograd::Function<KarcherMean> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& matrices, const at::Tensor& weights,
                            double tolerance, std::int64_t iterations, bool published) {
    const at::Tensor mean =
        published ? karcher_published(matrices, weights)
                  : karcher_newton(matrices, weights, {tolerance, static_cast<int>(iterations), false}).mean;
    context->save_for_backward({matrices, weights, mean});
    return mean;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_first_order("Karcher mean");
    const variable_list saved = context->get_saved_variables();
    const auto [of_matrices, of_weights] = karcher_gradients(saved[0], saved[1], saved[2], gradients[0]);
    return {of_matrices, of_weights, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

/// Σ w T with T = R^(−1/2) (R^(1/2) A R^(1/2))^(1/2) R^(−1/2), the identity at the barycentre; its negative derivative
/// in R is the Hessian of the cost, self-adjoint and positive definite.
at::Tensor bures_transport(const at::Tensor& matrices, const at::Tensor& weights, const at::Tensor& reference) {
  const at::Tensor inner = weighted_sum(weights, spd_sqrt(congruence(spd_sqrt(reference), matrices)));
  return congruence(spd_inverse_sqrt(reference), inner);
}

struct Roots {
  at::Tensor root, inverse;  // R^(1/2), R^(−1/2)
};

Roots roots_of(const at::Tensor& matrix) {
  const Eigensystem system = eigensystem(matrix);
  require_positive(system.values, "mean");
  const at::Tensor root = system.values.sqrt();
  return {rebuilt(system.vectors, root), rebuilt(system.vectors, root.reciprocal())};
}

at::Tensor bures_fixed_point(const at::Tensor& matrices, const at::Tensor& weights, double tolerance, int iterations) {
  at::Tensor mean = weighted_sum(weights, matrices);
  const double scale = std::sqrt(static_cast<double>(mean.size(-1)));
  double norm = 0;
  for (int i = 0; i <= iterations; ++i) {
    const Roots roots = roots_of(mean);
    const at::Tensor inner = weighted_sum(weights, spd_sqrt(congruence(roots.root, matrices)));
    norm = norm_of(inner - mean) / (scale * mean.diagonal(0, -2, -1).mean().item<double>());
    if (norm < tolerance) return mean;
    mean = symmetrised(congruence(roots.inverse, inner.matmul(inner)));
  }
  not_converged(norm, tolerance, iterations);
}

class BuresMean : public torch::autograd::Function<BuresMean> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& matrices, const at::Tensor& weights,
                            double tolerance, std::int64_t iterations) {
    const at::Tensor mean = bures_fixed_point(matrices, weights, tolerance, static_cast<int>(iterations));
    context->save_for_backward({matrices, weights, mean});
    return mean;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_first_order("Bures mean");
    const variable_list saved = context->get_saved_variables();
    const at::AutoGradMode recording(true);
    const auto leaf = [](const at::Tensor& x) { return x.detach().set_requires_grad(true); };
    const at::Tensor matrices = leaf(saved[0]), weights = leaf(saved[1]), mean = leaf(saved[2]);
    const at::Tensor transport = bures_transport(matrices, weights, mean);
    const auto pulled_back = [&](const at::Tensor& v, const variable_list& inputs) {
      return torch::autograd::grad({transport}, inputs, {v}, /*retain_graph=*/true);
    };
    const double tolerance = saved[0].scalar_type() == at::kFloat ? 1e-6 : 1e-14;
    const at::Tensor solved = conjugate_gradients([&](const at::Tensor& v) { return -pulled_back(v, {mean})[0]; },
                                                  symmetrised(gradients[0]), tolerance, 500);
    const variable_list result = pulled_back(solved, {matrices, weights});
    return {result[0], result[1], at::Tensor(), at::Tensor()};
  }
};

at::Tensor mean_of_one(const at::Tensor& matrices, const at::Tensor& weights, SpdMean mean,
                       const SpdMeanOptions& options, double tolerance) {
  switch (mean) {
    case SpdMean::euclidean:
      break;
    case SpdMean::log_euclidean:
      return spd_exp(weighted_sum(weights, spd_log(matrices)));
    case SpdMean::harmonic:
      return spd_power(weighted_sum(weights, spd_power(matrices, -1)), -1);
    case SpdMean::karcher:
      return KarcherMean::apply(symmetrised(matrices), weights, tolerance,
                                static_cast<std::int64_t>(options.max_iterations), options.published);
    case SpdMean::bures:
      return BuresMean::apply(symmetrised(matrices), weights, tolerance,
                              static_cast<std::int64_t>(options.max_iterations));
  }
  return weighted_sum(weights, symmetrised(matrices));
}

/// The options' weights with a sum of 1, of matrices that were checked.
at::Tensor shares_of(const at::Tensor& matrices, const SpdMeanOptions& options) {
  require_square(matrices, "matrices");
  require_dimensions(matrices, "matrices", 3, "(…, N, P, P)");
  const std::int64_t n = matrices.size(-3);
  if (n == 0)
    throw ShapeError(fmt::format("matrices: found none, shape {}, expected N ≥ 1", shape_text(matrices.sizes())));
  if (!options.weights.defined()) {
    return at::full({n}, 1.0 / static_cast<double>(n), matrices.options().requires_grad(false));
  }
  const at::Tensor& weights = options.weights;
  require_dimensions(weights, "weights of matrices", 1, "(…, N)");
  require_size(weights, "weights of matrices", -1, n);
  if (!(weights.min().item<double>() >= 0 && weights.sum(-1).min().item<double>() > 0)) {
    throw UsageError("weights of matrices: found negative ones or only zeros, expected ≥ 0 with a positive sum");
  }
  return weights / weights.sum(-1, true);
}

double tolerance_of(const at::Tensor& matrices, const SpdMeanOptions& options) {
  if (options.tolerance > 0) return options.tolerance;
  return matrices.scalar_type() == at::kFloat ? 1e-5 : 1e-12;
}

}  // namespace

at::Tensor spd_mean(const at::Tensor& matrices, SpdMean mean, const SpdMeanOptions& options) {
  const at::Tensor weights = shares_of(matrices, options);
  const double tolerance = tolerance_of(matrices, options);
  const std::int64_t n = matrices.size(-3), p = matrices.size(-1);
  std::vector<std::int64_t> batch = matrices.sizes().slice(0, static_cast<std::size_t>(matrices.dim() - 3)).vec();
  std::vector<std::int64_t> shape = batch;
  shape.push_back(n);
  const at::Tensor all = matrices.reshape({-1, n, p, p}), weight = weights.expand(shape).reshape({-1, n});
  variable_list means;
  for (std::int64_t i = 0; i < all.size(0); ++i)
    means.push_back(mean_of_one(all[i], weight[i], mean, options, tolerance));
  batch.insert(batch.end(), {p, p});
  return at::stack(means).reshape(batch);
}

TangentSpace tangent_space(const at::Tensor& matrices, SpdMean mean, const SpdMeanOptions& options) {
  const at::Tensor weights = shares_of(matrices, options);
  if (matrices.dim() != 3) {
    throw ShapeError(fmt::format("matrices: found {}, expected (N, P, P)", shape_text(matrices.sizes())));
  }
  const bool recorded = at::GradMode::is_enabled() && (matrices.requires_grad() || weights.requires_grad());
  if (!recorded) {
    at::Tensor symmetric = at::empty_like(matrices);
    by_matrix(matrices, [&](std::int64_t begin, std::int64_t end) {
      part_of(symmetric, begin, end).copy_(symmetrised(part_of(matrices, begin, end)));
    });
    if (mean != SpdMean::karcher || options.published) {
      const at::Tensor reference = spd_mean(symmetric, mean, options);
      return {reference, tangents_at(symmetric, reference)};
    }
    const Karcher found = karcher_newton(
        symmetric, weights, {tolerance_of(matrices, options), options.max_iterations, /*with_tangents=*/true});
    return {found.mean, found.tangents};
  }
  const at::Tensor reference = spd_mean(matrices, mean, options);
  return {reference, to_tangent(matrices, reference)};
}

at::Tensor to_tangent(const at::Tensor& matrices, const at::Tensor& reference) {
  require_square(matrices, "matrices");
  require_square(reference, "reference");
  require_size(reference, "reference", -1, matrices.size(-1));
  return spd_log(congruence(spd_inverse_sqrt(reference), matrices));
}

at::Tensor from_tangent(const at::Tensor& tangents, const at::Tensor& reference) {
  require_square(tangents, "tangents");
  require_square(reference, "reference");
  require_size(reference, "reference", -1, tangents.size(-1));
  return symmetrised(congruence(spd_sqrt(reference), spd_exp(tangents)));
}

}  // namespace noema
