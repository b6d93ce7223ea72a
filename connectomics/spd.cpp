// Spectral functions of symmetric matrices as autograd functions.
#include "noema/connectomics/spd.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "noema/connectomics/shapes.h"
#include "noema/connectomics/spectral.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/learn/torch_settings.h"

namespace noema {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

double relative_tolerance(const at::Tensor& values) {
  const double epsilon = values.scalar_type() == at::kFloat ? std::numeric_limits<float>::epsilon()
                                                            : std::numeric_limits<double>::epsilon();
  return epsilon * static_cast<double>(values.size(-1));
}

/// (e^a − e^b)/(a − b) from the larger one, so that nothing overflows whose values do not: e^a·(1 − e^−g)/g, g = |a −
/// b|.
at::Tensor exp_differences(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor swapped = a < b;
  const at::Tensor larger = at::where(swapped, b, a), gap = larger - at::where(swapped, a, b);
  const at::Tensor small = gap < 1e-5;
  const at::Tensor safe = at::where(small, at::full_like(gap, 0.5), gap);
  return larger.exp() * at::where(small, 1 - gap / 2 + gap.square() / 6, -(-safe).expm1() / safe);
}

/// atanh(x)/x.
at::Tensor atanh_over_argument(const at::Tensor& x) {
  const at::Tensor small = x.abs() < 1e-5;
  const at::Tensor safe = at::where(small, at::full_like(x, 0.5), x);
  return at::where(small, 1 + x.square() / 3, safe.atanh() / safe);
}

at::Tensor log_differences(const at::Tensor& a, const at::Tensor& b) {
  // log(a/b) = 2 atanh((a − b)/(a + b)); far apart the argument nears 1 and the plain quotient is the exact one.
  const at::Tensor x = (a - b) / (a + b);
  const at::Tensor far = x.abs() > 0.5;
  const at::Tensor near_value = atanh_over_argument(at::where(far, at::full_like(x, 0.5), x)) * 2 / (a + b);
  const at::Tensor gap = at::where(far, a - b, at::full_like(x, 1));
  return at::where(far, (a.log() - b.log()) / gap, near_value);
}

/// For derivatives of derivatives, which need the eigenvectors' own: these exist where eigenvalues are apart.
Eigensystem differentiable_eigensystem(const at::Tensor& matrix) {
  const auto [values, vectors] = at::linalg_eigh(matrix);
  if (values.size(-1) > 1) {
    const at::Tensor known = values.detach();
    const double tolerance = std::sqrt(relative_tolerance(known));
    const at::Tensor equal = known.diff(1, -1).amin(-1) <= known.abs().amax(-1) * tolerance;
    if (equal.any().item<bool>()) {
      throw NumericalError(fmt::format(
          "matrix function: found {} matrices with eigenvalues that (nearly) repeat, expected all apart for "
          "second derivatives",
          equal.sum().item<std::int64_t>()));
    }
  }
  return {values, vectors};
}

class MatrixFunction : public torch::autograd::Function<MatrixFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& matrix, int function, double exponent) {
    const auto kind = static_cast<SpectralFunction>(function);
    const Eigensystem system = eigensystem(matrix);
    if (kind != SpectralFunction::exp) require_positive(system.values, "matrix");
    context->save_for_backward({matrix, system.values, system.vectors});
    context->saved_data["function"] = function;
    context->saved_data["exponent"] = exponent;
    return rebuilt(system.vectors, apply_spectral(kind, exponent, system.values));
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto function = static_cast<SpectralFunction>(context->saved_data["function"].toInt());
    const Eigensystem system =
        at::GradMode::is_enabled() ? differentiable_eigensystem(saved[0]) : Eigensystem{saved[1], saved[2]};
    const at::Tensor differences =
        divided_differences(function, context->saved_data["exponent"].toDouble(), system.values);
    return {spectral_derivative(system.vectors, differences, symmetrised(gradients[0])), at::Tensor(), at::Tensor()};
  }
};

class SafeEigh : public torch::autograd::Function<SafeEigh> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& matrix) {
    const Eigensystem system = eigensystem(matrix);
    context->save_for_backward({system.values, system.vectors});
    return {system.values, system.vectors};
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_first_order("eigendecomposition");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &values = saved[0], &vectors = saved[1];
    at::Tensor inner = at::zeros_like(vectors);
    if (gradients[0].defined()) inner = inner + gradients[0].diag_embed();
    if (gradients[1].defined()) {
      const at::Tensor gap = values.unsqueeze(-2) - values.unsqueeze(-1);  // (i, j): λ_j − λ_i
      const at::Tensor tolerance = values.abs().amax(-1, true).unsqueeze(-1) * relative_tolerance(values);
      const at::Tensor equal = gap.abs() <= tolerance;
      const at::Tensor inverse =
          at::where(equal, at::zeros_like(gap), at::where(equal, at::full_like(gap, 1), gap).reciprocal());
      inner = inner + inverse * vectors.mT().matmul(gradients[1]);
    }
    return {symmetrised(congruence(vectors, inner))};
  }
};

at::Tensor matrix_function(const at::Tensor& matrix, SpectralFunction function, double exponent = 1) {
  require_square(matrix, "matrix");
  return MatrixFunction::apply(symmetrised(matrix), static_cast<int>(function), exponent);
}

}  // namespace

void require_first_order(const char* name) {
  if (at::GradMode::is_enabled()) {
    throw NumericalError(fmt::format("{}: found a request for second derivatives, expected first ones only", name));
  }
}

void by_matrix(const at::Tensor& matrices, const std::function<void(std::int64_t, std::int64_t)>& body) {
  const auto plain = [&](std::int64_t begin, std::int64_t end) {
    const at::AutoGradMode off(false);
    body(begin, end);
  };
  if (!matrices.is_cpu()) return plain(0, matrices.size(0));
  parallel_tasks(matrices.size(0), [&](std::int64_t i) {
    const OneTorchThread one;
    plain(i, i + 1);
  });
}

at::Tensor part_of(const at::Tensor& matrices, std::int64_t begin, std::int64_t end) {
  return end - begin == 1 ? matrices.select(0, begin) : matrices.slice(0, begin, end);
}

Eigensystem eigensystem(const at::Tensor& matrix) {
  // A sum that is finite tells it at a tenth of the time.
  if (!std::isfinite(matrix.sum().item<double>()) && !matrix.isfinite().all().item<bool>()) {
    throw NumericalError("matrix: found numbers that are not finite, expected a symmetric matrix of finite ones");
  }
  const at::Tensor all = matrix.detach();
  if (all.dim() == 2) {
    const auto [values, vectors] = at::linalg_eigh(all, "U");  // LAPACK is faster from this triangle
    return {values, vectors};
  }
  const std::int64_t n = all.size(-1);
  const at::Tensor flat = all.reshape({-1, n, n});
  at::Tensor values = at::empty({flat.size(0), n}, all.options()), vectors = at::empty_like(flat);
  by_matrix(flat, [&](std::int64_t begin, std::int64_t end) {
    const auto [value, vector] = at::linalg_eigh(flat.slice(0, begin, end), "U");
    values.slice(0, begin, end).copy_(value);
    vectors.slice(0, begin, end).copy_(vector);
  });
  return {values.reshape(all.sizes().slice(0, static_cast<std::size_t>(all.dim() - 1))), vectors.reshape(all.sizes())};
}

void require_positive(const at::Tensor& eigenvalues, const char* name) {
  const at::Tensor smallest = eigenvalues.select(-1, 0);
  const at::Tensor bound = eigenvalues.select(-1, -1) * relative_tolerance(eigenvalues);
  const at::Tensor bad = (smallest <= bound).logical_or(smallest <= 0);
  const auto count = bad.sum().item<std::int64_t>();
  if (count == 0) return;
  throw NumericalError(fmt::format(
      "{}: found {} of {} not positive definite (smallest eigenvalue {:.4g}), expected all to be; more frames than "
      "regions, a shrinkage estimate or reconditioning makes them so",
      name, count, bad.numel(), smallest.min().item<double>()));
}

at::Tensor apply_spectral(SpectralFunction function, double exponent, const at::Tensor& values) {
  switch (function) {
    case SpectralFunction::exp:
      return values.exp();
    case SpectralFunction::log:
      return values.log();
    case SpectralFunction::power:
      break;
  }
  return values.pow(exponent);
}

at::Tensor divided_differences(SpectralFunction function, double exponent, const at::Tensor& values) {
  const at::Tensor a = values.unsqueeze(-1), b = values.unsqueeze(-2);
  switch (function) {
    case SpectralFunction::exp:
      return exp_differences(a, b);
    case SpectralFunction::log:
      return log_differences(a, b);
    case SpectralFunction::power:
      break;
  }
  // λ^p = exp(p log λ), and the chain rule holds for divided differences.
  return exponent * exp_differences(exponent * a.log(), exponent * b.log()) * log_differences(a, b);
}

at::Tensor congruence(const at::Tensor& q, const at::Tensor& m) { return q.matmul(m).matmul(q.mT()); }

at::Tensor rebuilt(const at::Tensor& vectors, const at::Tensor& values) {
  return symmetrised((vectors * values.unsqueeze(-2)).matmul(vectors.mT()));
}

at::Tensor spectral_derivative(const at::Tensor& vectors, const at::Tensor& differences, const at::Tensor& direction) {
  return symmetrised(congruence(vectors, differences * congruence(vectors.mT(), direction)));
}

Eigensystem safe_eigh(const at::Tensor& matrix) {
  require_square(matrix, "matrix");
  const variable_list system = SafeEigh::apply(symmetrised(matrix));
  return {system[0], system[1]};
}

at::Tensor spd_log(const at::Tensor& matrix) { return matrix_function(matrix, SpectralFunction::log); }
at::Tensor spd_exp(const at::Tensor& matrix) { return matrix_function(matrix, SpectralFunction::exp); }
at::Tensor spd_sqrt(const at::Tensor& matrix) { return spd_power(matrix, 0.5); }
at::Tensor spd_inverse_sqrt(const at::Tensor& matrix) { return spd_power(matrix, -0.5); }
at::Tensor spd_power(const at::Tensor& matrix, double exponent) {
  return matrix_function(matrix, SpectralFunction::power, exponent);
}

at::Tensor recondition(const at::Tensor& matrix, double psi) {
  require_square(matrix, "matrix");
  if (!(psi >= 0 && psi <= 1)) throw UsageError(fmt::format("reconditioning: found ψ = {}, expected 0 to 1", psi));
  return (1 - psi) * matrix + psi * at::eye(matrix.size(-1), matrix.options().requires_grad(false));
}

}  // namespace noema
