// Means of SPD matrices; the Karcher and Bures ones with gradients by the implicit function theorem.
#include "noema/connectomics/spd_means.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_matrix_exp.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

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

/// Solves H V = G for a self-adjoint positive definite H on (P, P), to a relative residual `tolerance`.
at::Tensor conjugate_gradients(const std::function<at::Tensor(const at::Tensor&)>& apply, const at::Tensor& g,
                               double tolerance, int max_iterations) {
  at::Tensor solution = at::zeros_like(g), residual = g, direction = g;
  double square = g.square().sum().item<double>();
  const double goal = square * tolerance * tolerance;
  for (int i = 0; i < max_iterations && square > goal && square > 0; ++i) {
    const at::Tensor image = apply(direction);
    const double energy = (direction * image).sum().item<double>();
    if (!(energy > 0)) break;  // nothing left but rounding
    const double step = square / energy;
    solution = solution + step * direction;
    residual = residual - step * image;
    const double next = residual.square().sum().item<double>();
    direction = residual + (next / square) * direction;
    square = next;
  }
  return solution;
}

/// R = L Lᵀ and L⁻¹. Seen from L the matrices have the same logarithms as from R^(1/2) up to one rotation of all, which
/// changes neither norms nor the mean, and costs no eigenvectors.
struct Frame {
  at::Tensor factor, inverse;
};

Frame frame_of(const at::Tensor& matrix) {
  const auto [factor, failed] = at::linalg_cholesky_ex(matrix);
  if (failed.item<std::int64_t>() != 0) require_positive(eigensystem(matrix).values, "mean");
  const at::Tensor identity = at::eye(matrix.size(-1), matrix.options().requires_grad(false));
  return {factor, at::linalg_solve_triangular(factor, identity, /*upper=*/false)};
}

/// The matrices seen from R: L⁻¹ A L⁻ᵀ = Q Λ Qᵀ.
struct Whitened {
  Frame frame;
  Eigensystem systems;  // (N, P), (N, P, P)
  at::Tensor residual;  // Σ w log(L⁻¹ A L⁻ᵀ), (P, P)
  double cost = 0;      // Σ w ‖log(L⁻¹ A L⁻ᵀ)‖²
  double rounding = 0;  // what rounding leaves of the residual: ε times the mean condition
};

Whitened whitened(const at::Tensor& matrices, const at::Tensor& weights, const at::Tensor& reference) {
  Whitened result;
  result.frame = frame_of(reference);
  result.systems = eigensystem(symmetrised(congruence(result.frame.inverse, matrices)));
  require_positive(result.systems.values, "matrices");
  const at::Tensor logs = result.systems.values.log();
  result.residual = weighted_sum(weights, rebuilt(result.systems.vectors, logs));
  result.cost = (weights * logs.square().sum(-1)).sum().item<double>();
  const double epsilon = matrices.scalar_type() == at::kFloat ? std::numeric_limits<float>::epsilon()
                                                              : std::numeric_limits<double>::epsilon();
  const at::Tensor &largest = result.systems.values.select(-1, -1), &smallest = result.systems.values.select(-1, 0);
  result.rounding = epsilon * (weights * largest / smallest).sum().item<double>();
  return result;
}

/// L exp(V) Lᵀ.
at::Tensor moved(const Frame& frame, const at::Tensor& v) {
  return symmetrised(congruence(frame.factor, symmetrised(at::linalg_matrix_exp(v))));
}

/// The Hessian of Σ w d²/2 at R, in coordinates where R = I: in each eigenbasis, entry (j, k) times (d/2) coth(d/2),
/// d = log λ_j − log λ_k. Its eigenvalues are 1 or more.
struct KarcherHessian {
  at::Tensor vectors, factors, weights;
  KarcherHessian(const Eigensystem& systems, const at::Tensor& w) : vectors(systems.vectors), weights(w) {
    const at::Tensor logs = systems.values.log();
    const at::Tensor half = (logs.unsqueeze(-1) - logs.unsqueeze(-2)) / 2;
    const at::Tensor small = half.abs() < 1e-4;
    const at::Tensor safe = at::where(small, at::full_like(half, 1), half);
    factors = at::where(small, 1 + half.square() / 3, safe / safe.tanh());
  }
  at::Tensor operator()(const at::Tensor& v) const {
    return weighted_sum(weights, spectral_derivative(vectors, factors, v));
  }
};

[[noreturn]] void not_converged(const char* name, double residual, double tolerance, int iterations) {
  throw NumericalError(
      fmt::format("{} mean: found a residual of {:.3g} after {} iterations, expected less than {:.3g}; "
                  "recondition the matrices or allow more iterations",
                  name, residual, iterations, tolerance));
}

at::Tensor karcher_newton(const at::Tensor& matrices, const at::Tensor& weights, double tolerance, int iterations) {
  const double scale = std::sqrt(static_cast<double>(matrices.size(-1)));
  at::Tensor mean = weighted_sum(weights, matrices);
  Whitened here = whitened(matrices, weights, mean);
  double norm = norm_of(here.residual) / scale;
  for (int i = 0; i < iterations && norm > tolerance; ++i) {
    const at::Tensor newton =
        conjugate_gradients(KarcherHessian(here.systems, weights), here.residual, std::clamp(norm, 1e-6, 0.1), 200);
    bool better = false;
    for (double step = 1; step > 1e-6 && !better; step /= 2) {
      const at::Tensor next = moved(here.frame, step * newton);
      Whitened there = whitened(matrices, weights, next);
      const double next_norm = norm_of(there.residual) / scale;
      // Near the solution the cost is flat to rounding, and the residual decides.
      better = there.cost < here.cost * (1 - 1e-8) || next_norm < norm;
      if (better) {
        mean = next;
        here = std::move(there);
        norm = next_norm;
      } else if (norm <= here.rounding) {
        return mean;
      }
    }
    if (!better) break;
  }
  if (norm > std::max(tolerance, here.rounding)) not_converged("Karcher", norm, tolerance, iterations);
  return mean;
}

/// nilearn's steps: unit steps, halved when the residual grows, until ‖residual‖/P² < 1e-7 or 30 of them.
at::Tensor karcher_published(const at::Tensor& matrices, const at::Tensor& weights) {
  const double entries = static_cast<double>(matrices.size(-1) * matrices.size(-1));
  at::Tensor mean = weighted_sum(weights, matrices);
  double step = 1, last = std::numeric_limits<double>::infinity(), norm = 0;
  for (int i = 0; i < 30; ++i) {
    const Whitened here = whitened(matrices, weights, mean);
    norm = norm_of(here.residual);
    mean = moved(here.frame, step * here.residual);
    if (norm > last) step /= 2;
    last = norm;
    if (norm / entries < 1e-7) return mean;
  }
  not_converged("Karcher", norm / entries, 1e-7, 30);
}

class KarcherMean : public torch::autograd::Function<KarcherMean> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& matrices, const at::Tensor& weights,
                            double tolerance, std::int64_t iterations, bool published) {
    const at::Tensor mean = published ? karcher_published(matrices, weights)
                                      : karcher_newton(matrices, weights, tolerance, static_cast<int>(iterations));
    context->save_for_backward({matrices, weights, mean});
    return mean;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_first_order("Karcher mean");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &matrices = saved[0], &weights = saved[1];
    const Whitened here = whitened(matrices, weights, saved[2]);
    const at::Tensor whitened_gradient = congruence(here.frame.factor.mT(), symmetrised(gradients[0]));
    const double tolerance = matrices.scalar_type() == at::kFloat ? 1e-6 : 1e-14;
    const at::Tensor solved =
        conjugate_gradients(KarcherHessian(here.systems, weights), whitened_gradient, tolerance, 500);
    const at::Tensor differences = divided_differences(SpectralFunction::log, 1, here.systems.values);
    const at::Tensor per_matrix = spectral_derivative(here.systems.vectors, differences, solved);
    const at::Tensor logs = rebuilt(here.systems.vectors, here.systems.values.log());
    return {weights.unsqueeze(-1).unsqueeze(-1) * congruence(here.frame.inverse.mT(), per_matrix),
            (logs * solved).sum({-2, -1}), at::Tensor(), at::Tensor(), at::Tensor()};
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
  not_converged("Bures", norm, tolerance, iterations);
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

}  // namespace

at::Tensor spd_mean(const at::Tensor& matrices, SpdMean mean, const SpdMeanOptions& options) {
  require_square(matrices, "matrices");
  require_dimensions(matrices, "matrices", 3, "(…, N, P, P)");
  const std::int64_t n = matrices.size(-3), p = matrices.size(-1);
  if (n == 0)
    throw ShapeError(fmt::format("matrices: found none, shape {}, expected N ≥ 1", shape_text(matrices.sizes())));
  at::Tensor weights = options.weights;
  if (!weights.defined()) {
    weights = at::full({n}, 1.0 / static_cast<double>(n), matrices.options().requires_grad(false));
  } else {
    require_dimensions(weights, "weights of matrices", 1, "(…, N)");
    require_size(weights, "weights of matrices", -1, n);
    if (!(weights.min().item<double>() >= 0 && weights.sum(-1).min().item<double>() > 0)) {
      throw UsageError("weights of matrices: found negative ones or only zeros, expected ≥ 0 with a positive sum");
    }
    weights = weights / weights.sum(-1, true);
  }
  const double tolerance = options.tolerance > 0                  ? options.tolerance
                           : matrices.scalar_type() == at::kFloat ? 1e-5
                                                                  : 1e-12;
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
