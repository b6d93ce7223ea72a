#include "noema/connectomics/karcher.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_matrix_exp.h>
#include <ATen/ops/tensordot.h>
#include <ATen/ops/where.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "noema/connectomics/conjugate_gradients.h"
#include "noema/connectomics/karcher_start.h"
#include "noema/connectomics/shapes.h"
#include "noema/connectomics/spectral.h"
#include "noema/core/error.h"
#include "noema/learn/torch_settings.h"

namespace noema {
namespace {

double norm_of(const at::Tensor& x) { return std::sqrt(x.square().sum().item<double>()); }

/// Σ w x over the matrices: (N, P, P) to (P, P).
at::Tensor weighted_sum(const at::Tensor& weights, const at::Tensor& x) { return at::tensordot(weights, x, {0}, {0}); }

/// A reference R = U diag(s²) Uᵀ and its roots.
struct Frame {
  Eigensystem system;  // s, U
  at::Tensor root, inverse;
};

Frame frame_of(const at::Tensor& matrix) {
  Eigensystem system = eigensystem(matrix);
  require_positive(system.values, "mean");
  system.values = system.values.sqrt();
  return {system, rebuilt(system.vectors, system.values), rebuilt(system.vectors, system.values.reciprocal())};
}

/// The matrices seen from R: R^(−1/2) A R^(−1/2) = Q Λ Qᵀ.
struct Whitened {
  Frame frame;
  Eigensystem systems;  // (N, P), (N, P, P)
  at::Tensor logs;      // (N, P, P)
  at::Tensor residual;  // Σ w log, (P, P)
  double cost = 0;      // Σ w ‖log‖²
  double farthest = 0;  // the largest |log λ|
  double rounding = 0;  // what rounding leaves of the residual: ε times the mean condition
};

Whitened whitened(const at::Tensor& matrices, const at::Tensor& weights, const at::Tensor& reference) {
  Whitened result;
  result.frame = frame_of(reference);
  result.systems = {at::empty(matrices.sizes().slice(0, 2), matrices.options()), at::empty_like(matrices)};
  result.logs = at::empty_like(matrices);
  by_matrix(matrices, [&](std::int64_t begin, std::int64_t end) {
    const at::Tensor seen = symmetrised(congruence(result.frame.inverse, matrices.slice(0, begin, end)));
    const Eigensystem system = eigensystem(seen);
    result.systems.values.slice(0, begin, end).copy_(system.values);
    result.systems.vectors.slice(0, begin, end).copy_(system.vectors);
    result.logs.slice(0, begin, end).copy_(rebuilt(system.vectors, system.values.log()));
  });
  require_positive(result.systems.values, "matrices");
  result.residual = weighted_sum(weights, result.logs);
  const at::Tensor logs = result.systems.values.log();
  result.cost = (weights * logs.square().sum(-1)).sum().item<double>();
  result.farthest = logs.abs().max().item<double>();
  const double epsilon = matrices.scalar_type() == at::kFloat ? std::numeric_limits<float>::epsilon()
                                                              : std::numeric_limits<double>::epsilon();
  const at::Tensor &largest = result.systems.values.select(-1, -1), &smallest = result.systems.values.select(-1, 0);
  result.rounding = epsilon * (weights * largest / smallest).sum().item<double>();
  return result;
}

/// R^(1/2) exp(V) R^(1/2).
at::Tensor moved(const Frame& frame, const at::Tensor& v) {
  return symmetrised(congruence(frame.root, symmetrised(at::linalg_matrix_exp(v))));
}

/// The logarithms seen from R^(1/2) exp(V) R^(1/2), to first order in V and in float32: the matrices there are T X Tᵀ
/// with T = I + D, in the eigenbasis of R D_ij = −s_j V_ij/(s_i + s_j).
at::Tensor moved_logs(const Whitened& here, const at::Tensor& v) {
  const at::Tensor &s = here.frame.system.values, &u = here.frame.system.vectors;
  const at::Tensor turned = congruence(u.mT(), v) * s / (s.unsqueeze(-1) + s);
  const at::Tensor d = -congruence(u, turned).to(at::kFloat);
  at::Tensor result = at::empty_like(here.logs);
  by_matrix(result, [&](std::int64_t begin, std::int64_t end) {
    const at::Tensor q = here.systems.vectors.slice(0, begin, end).to(at::kFloat);
    const at::Tensor values = here.systems.values.slice(0, begin, end).to(at::kFloat);
    const at::Tensor seen = congruence(q.mT(), d) * values.unsqueeze(-2);
    const at::Tensor differences = divided_differences(SpectralFunction::log, 1, values);
    const at::Tensor change = congruence(q, differences * (seen + seen.mT()));
    result.slice(0, begin, end).copy_(here.logs.slice(0, begin, end) + change);
  });
  return result;
}

/// The Hessian of Σ w d²/2 at R, in coordinates where R = I: in each eigenbasis, entry (j, k) times (d/2) coth(d/2),
/// d = log λ_j − log λ_k. Its eigenvalues are 1 or more.
class KarcherHessian {
 public:
  KarcherHessian(const Eigensystem& systems, const at::Tensor& weights, at::ScalarType type)
      : vectors_(at::empty_like(systems.vectors, at::TensorOptions(type))),
        factors_(at::empty_like(vectors_)),
        images_(at::empty_like(vectors_)),
        weights_(weights.to(type)) {
    by_matrix(vectors_, [&](std::int64_t begin, std::int64_t end) {
      vectors_.slice(0, begin, end).copy_(systems.vectors.slice(0, begin, end));
      const at::Tensor logs = systems.values.slice(0, begin, end).log().to(vectors_.scalar_type());
      const at::Tensor half = (logs.unsqueeze(-1) - logs.unsqueeze(-2)) / 2;
      const at::Tensor small = half.abs() < 1e-4;
      const at::Tensor safe = at::where(small, at::full_like(half, 1), half);
      factors_.slice(0, begin, end).copy_(at::where(small, 1 + half.square() / 3, safe / safe.tanh()));
    });
  }

  at::Tensor operator()(const at::Tensor& v) {
    by_matrix(vectors_, [&](std::int64_t begin, std::int64_t end) {
      const at::Tensor q = vectors_.slice(0, begin, end);
      images_.slice(0, begin, end).copy_(congruence(q, factors_.slice(0, begin, end) * congruence(q.mT(), v)));
    });
    return symmetrised(weighted_sum(weights_, images_));
  }

 private:
  at::Tensor vectors_, factors_, images_, weights_;
};

/// The Newton step to a relative residual of `accuracy`, 1e-6 at best: in float32, for its error is that much smaller
/// than the step.
at::Tensor newton_step(const Whitened& here, const at::Tensor& weights, double accuracy) {
  const double norm = norm_of(here.residual);
  KarcherHessian hessian(here.systems, weights, at::kFloat);
  const at::Tensor step = conjugate_gradients([&](const at::Tensor& v) { return hessian(v); },
                                              (here.residual / norm).to(at::kFloat), accuracy, 200);
  return norm * step.to(here.residual.scalar_type());
}

[[noreturn]] void not_converged(double residual, double tolerance, int iterations) {
  throw NumericalError(
      fmt::format("Karcher mean: found a residual of {:.3g} after {} iterations, expected less than {:.3g}; "
                  "recondition the matrices or allow more iterations",
                  residual, iterations, tolerance));
}

}  // namespace

Karcher karcher_newton(const at::Tensor& matrices, const at::Tensor& weights, const KarcherOptions& options) {
  const OneTorchThread one;  // LibTorch's own would wait for work on the cores that by_matrix needs
  const double scale = std::sqrt(static_cast<double>(matrices.size(-1))), tolerance = options.tolerance;
  at::Tensor mean = karcher_start(matrices, weights);
  Whitened here = whitened(matrices, weights, mean);
  double norm = norm_of(here.residual) / scale, share = std::numeric_limits<double>::infinity();
  for (int i = 0; i < options.max_iterations && norm > tolerance; ++i) {
    const double accuracy = std::clamp(std::max(norm, tolerance / (4 * norm)), 1e-6, 0.1);
    const at::Tensor newton = newton_step(here, weights, accuracy);
    // Newton's method leaves a share of the residual's square, about that which the last whole step left.
    if (10 * share * norm * norm + 2 * accuracy * norm < tolerance) {
      return {moved(here.frame, newton), options.with_tangents ? moved_logs(here, newton) : at::Tensor()};
    }
    share = std::numeric_limits<double>::infinity();
    bool better = false;
    for (double step = 1; step > 1e-6 && !better; step /= 2) {
      const at::Tensor next = moved(here.frame, step * newton);
      Whitened there = whitened(matrices, weights, next);
      const double next_norm = norm_of(there.residual) / scale;
      // Near the solution the cost is flat to rounding, and the residual decides.
      better = there.cost < here.cost * (1 - 1e-8) || next_norm < norm;
      if (better) {
        if (step == 1) share = next_norm / (norm * norm);
        mean = next;
        here = std::move(there);
        norm = next_norm;
      } else if (norm <= here.rounding) {
        return {mean, here.logs};
      }
    }
    if (!better) break;
  }
  if (norm > std::max(tolerance, here.rounding)) not_converged(norm, tolerance, options.max_iterations);
  return {mean, here.logs};
}

at::Tensor karcher_published(const at::Tensor& matrices, const at::Tensor& weights) {
  const OneTorchThread one;  // LibTorch's own would wait for work on the cores that by_matrix needs
  // Unit steps, halved when the residual grows, until ‖residual‖/P² < 1e-7 or 30 of them.
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
  not_converged(norm / entries, 1e-7, 30);
}

std::pair<at::Tensor, at::Tensor> karcher_gradients(const at::Tensor& matrices, const at::Tensor& weights,
                                                    const at::Tensor& mean, const at::Tensor& gradient) {
  const OneTorchThread one;
  const Whitened here = whitened(matrices, weights, mean);
  const double tolerance = matrices.scalar_type() == at::kFloat ? 1e-6 : 1e-14;
  KarcherHessian hessian(here.systems, weights, matrices.scalar_type());
  const at::Tensor solved = conjugate_gradients([&](const at::Tensor& v) { return hessian(v); },
                                                congruence(here.frame.root, symmetrised(gradient)), tolerance, 500);
  const at::Tensor differences = divided_differences(SpectralFunction::log, 1, here.systems.values);
  const at::Tensor per_matrix = spectral_derivative(here.systems.vectors, differences, solved);
  return {weights.unsqueeze(-1).unsqueeze(-1) * congruence(here.frame.inverse, per_matrix),
          (here.logs * solved).sum({-2, -1})};
}

}  // namespace noema
