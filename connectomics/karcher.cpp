#include "noema/connectomics/karcher.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_matrix_exp.h>
#include <ATen/ops/matmul.h>
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
  double rounding = 0;  // what rounding leaves of the residual: ε times the mean condition
};

Whitened whitened(const at::Tensor& matrices, const at::Tensor& weights, const at::Tensor& reference) {
  Whitened result;
  result.frame = frame_of(reference);
  // Eigenvectors in columns, one after the other, as LAPACK leaves them.
  result.systems = {at::empty(matrices.sizes().slice(0, 2), matrices.options()), at::empty_like(matrices).mT()};
  result.logs = at::empty_like(matrices);
  by_matrix(matrices, [&](std::int64_t begin, std::int64_t end) {
    const Eigensystem system = eigensystem(congruence(result.frame.inverse, part_of(matrices, begin, end)));
    part_of(result.systems.values, begin, end).copy_(system.values);
    part_of(result.systems.vectors, begin, end).copy_(system.vectors);
    part_of(result.logs, begin, end).copy_(rebuilt(system.vectors, system.values.log()));
  });
  require_positive(result.systems.values, "matrices");
  result.residual = weighted_sum(weights, result.logs);
  result.cost = (weights * result.systems.values.log().square().sum(-1)).sum().item<double>();
  const double epsilon = matrices.scalar_type() == at::kFloat ? std::numeric_limits<float>::epsilon()
                                                              : std::numeric_limits<double>::epsilon();
  const at::Tensor &largest = result.systems.values.select(-1, -1), &smallest = result.systems.values.select(-1, 0);
  result.rounding = epsilon * (weights * largest / smallest).sum().item<double>();
  return result;
}

/// exp(V) of symmetric V: near 0 by its series, which takes two products and leaves out less than 1e-12.
at::Tensor exp_of(const at::Tensor& v) {
  if (!(norm_of(v) < 2e-3)) return symmetrised(at::linalg_matrix_exp(v));
  const at::Tensor square = v.matmul(v), series = v + square / 2 + v.matmul(square) / 6;
  return symmetrised(series) + at::eye(v.size(-1), v.options());
}

/// R^(1/2) exp(V) R^(1/2).
at::Tensor moved(const Frame& frame, const at::Tensor& v) { return symmetrised(congruence(frame.root, exp_of(v))); }

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
      part_of(vectors_, begin, end).copy_(part_of(systems.vectors, begin, end));
      const at::Tensor logs = part_of(systems.values, begin, end).log().to(vectors_.scalar_type());
      const at::Tensor half = (logs.unsqueeze(-1) - logs.unsqueeze(-2)) / 2;
      const at::Tensor small = half.abs() < 1e-4;
      const at::Tensor safe = at::where(small, at::full_like(half, 1), half);
      part_of(factors_, begin, end).copy_(at::where(small, 1 + half.square() / 3, safe / safe.tanh()));
    });
  }

  at::Tensor operator()(const at::Tensor& v) {
    by_matrix(vectors_, [&](std::int64_t begin, std::int64_t end) {
      const at::Tensor q = part_of(vectors_, begin, end);
      at::Tensor image = part_of(images_, begin, end);
      at::matmul_out(image, q.matmul(congruence(q.mT(), v).mul_(part_of(factors_, begin, end))), q.mT());
    });
    return symmetrised(weighted_sum(weights_, images_));
  }

  /// Of the last V each matrix' own term of the sum: by how much its logarithm is less seen from R^(1/2) exp(V)
  /// R^(1/2), to first order and up to a rotation.
  const at::Tensor& images() const { return images_; }

 private:
  at::Tensor vectors_, factors_, images_, weights_;
};

struct Newton {
  at::Tensor step;     // V, (P, P)
  at::Tensor changes;  // (N, P, P) in float32: `images` of V, where they were asked for
};

/// The Newton step to a relative residual of `accuracy`, 1e-6 at best: in float32, for its error is that much smaller
/// than the step.
Newton newton_step(const Whitened& here, const at::Tensor& weights, double accuracy, bool with_changes) {
  const double norm = norm_of(here.residual);
  KarcherHessian hessian(here.systems, weights, at::kFloat);
  Newton result;
  const auto add_changes = [&](double share) {
    const bool first = !result.changes.defined();
    if (first) result.changes = at::empty_like(hessian.images());
    by_matrix(result.changes, [&](std::int64_t begin, std::int64_t end) {
      at::Tensor change = part_of(result.changes, begin, end);
      if (first) change.zero_();
      change.add_(part_of(hessian.images(), begin, end), norm * share);
    });
  };
  const at::Tensor step =
      conjugate_gradients([&](const at::Tensor& v) { return hessian(v); }, (here.residual / norm).to(at::kFloat),
                          accuracy, 200, with_changes ? add_changes : std::function<void(double)>());
  result.step = norm * step.to(here.residual.scalar_type());
  return result;
}

/// Turns the logarithms of `here` into those seen from R^(1/2) exp(V) R^(1/2), to first order in V. That reference's
/// symmetric root is R^(1/2) exp(V/2) turned by I + W, in the eigenbasis of R W_ij = V_ij (s_i − s_j)/(2 (s_i + s_j)).
void move_logs(const Whitened& here, const Newton& newton) {
  const at::Tensor &s = here.frame.system.values, &u = here.frame.system.vectors;
  const at::Tensor column = s.unsqueeze(-1), turned = congruence(u.mT(), newton.step);
  const at::Tensor w = congruence(u, turned * (column - s) / (2 * (column + s))).to(at::kFloat);
  by_matrix(here.logs, [&](std::int64_t begin, std::int64_t end) {
    const at::Tensor logs = part_of(here.logs, begin, end), rotated = w.matmul(logs.to(at::kFloat));
    logs.add_(rotated + rotated.mT() - part_of(newton.changes, begin, end));
  });
}

/// What the logarithms seen from R^(1/2) exp(V) R^(1/2) lack to first order, relative to √P: terms like V² log. Half
/// of that product's norm is about twice what was seen; the mean of them, the next residual, is off by less.
double second_order(const Whitened& here, const at::Tensor& v) {
  const double entries = static_cast<double>(v.numel());
  return std::sqrt(here.cost / entries) * norm_of(v.matmul(v)) / 2;
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
  double norm = norm_of(here.residual) / scale;
  for (int i = 0; i < options.max_iterations && norm > tolerance; ++i) {
    const double accuracy = std::clamp(std::max(norm / 10, tolerance / (4 * norm)), 1e-6, 0.1);
    const Newton newton = newton_step(here, weights, accuracy, options.with_tangents);
    if (second_order(here, newton.step) + accuracy * norm < tolerance) {
      if (options.with_tangents) move_logs(here, newton);
      return {moved(here.frame, newton.step), here.logs};
    }
    bool better = false;
    for (double step = 1; step > 1e-6 && !better; step /= 2) {
      const at::Tensor next = moved(here.frame, step * newton.step);
      Whitened there = whitened(matrices, weights, next);
      const double next_norm = norm_of(there.residual) / scale;
      // Near the solution the cost is flat to rounding, and the residual decides.
      better = there.cost < here.cost * (1 - 1e-8) || next_norm < norm;
      if (better) {
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
    if (norm > last) {
      step /= 2;
    } else {
      last = norm;
    }
    if (norm / entries < 1e-7) return mean;
  }
  not_converged(norm / entries, 1e-7, 30);
}

at::Tensor tangents_at(const at::Tensor& matrices, const at::Tensor& reference) {
  const OneTorchThread one;
  const at::Tensor equal =
      at::full({matrices.size(0)}, 1.0 / static_cast<double>(matrices.size(0)), matrices.options());
  return whitened(matrices, equal, reference).logs;
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
