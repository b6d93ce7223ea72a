// Distances and kernels through Gram matrices.
#include "noema/connectomics/similarity.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <limits>
#include <tuple>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

/// Θ x.
at::Tensor weighed(const at::Tensor& x, const Metric& metric) {
  if (metric.weights.defined()) return x * metric.weights;
  if (metric.matrix.defined()) return x.matmul(symmetrised(metric.matrix));
  return x;
}

void require_rows(const at::Tensor& x, const at::Tensor& y, const Metric& metric) {
  require_dimensions(x, "rows", 2, "(…, N, F)");
  require_dimensions(y, "second rows", 2, "(…, M, F)");
  require_size(y, "second rows", -1, x.size(-1));
  if (metric.weights.defined() && metric.matrix.defined()) {
    throw UsageError("metric: found weights and a matrix, expected at most one");
  }
  if (metric.weights.defined()) {
    require_dimensions(metric.weights, "weights of coordinates", 1, "(F)");
    require_size(metric.weights, "weights of coordinates", -1, x.size(-1));
  }
  if (metric.matrix.defined()) {
    require_square(metric.matrix, "matrix of the metric");
    require_size(metric.matrix, "matrix of the metric", -1, x.size(-1));
  }
}

/// ⟨x, x⟩ of each row, (…, N, 1).
at::Tensor squares(const at::Tensor& x, const Metric& metric) { return (weighed(x, metric) * x).sum(-1, true); }

/// 1/|x|, 0 with gradient 0 for a row of norm 0: (…, N, 1).
at::Tensor inverse_norms(const at::Tensor& x, const Metric& metric) {
  const at::Tensor square = squares(x, metric), zero = square <= 0;
  return at::where(zero, at::zeros_like(square), at::where(zero, at::full_like(square, 1), square).rsqrt());
}

at::Tensor cholesky(const at::Tensor& matrix, const char* name) {
  const auto [factor, info] = at::linalg_cholesky_ex(symmetrised(matrix));
  if ((info != 0).any().item<bool>() || !factor.isfinite().all().item<bool>()) {
    throw NumericalError(fmt::format("{}: found a matrix that is not positive definite, expected all to be", name));
  }
  return factor;
}

at::Tensor log_det(const at::Tensor& gram, double psi) {
  require_square(gram, "Gram matrix");
  const at::Tensor shifted = gram + psi * at::eye(gram.size(-1), gram.options().requires_grad(false));
  return 2 * cholesky(shifted, "Gram matrix").diagonal(0, -2, -1).log().sum(-1);
}

}  // namespace

at::Tensor linear_kernel(const at::Tensor& x, const at::Tensor& y, const Metric& metric) {
  require_rows(x, y, metric);
  return weighed(x, metric).matmul(y.mT());
}

at::Tensor squared_distances(const at::Tensor& x, const at::Tensor& y, const Metric& metric) {
  require_rows(x, y, metric);
  const at::Tensor centre = x.mean(-2, true).detach(), a = x - centre, b = y - centre;
  const at::Tensor lengths = squares(a, metric) + squares(b, metric).mT();
  const at::Tensor result = lengths - 2 * weighed(a, metric).matmul(b.mT());
  const double epsilon =
      x.scalar_type() == at::kFloat ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon();
  return at::where(result <= 8 * epsilon * lengths, at::zeros_like(result), result);
}

at::Tensor distances(const at::Tensor& x, const at::Tensor& y, const Metric& metric) {
  const at::Tensor square = squared_distances(x, y, metric), zero = square == 0;
  return at::where(zero, at::zeros_like(square), at::where(zero, at::full_like(square, 1), square).sqrt());
}

at::Tensor polynomial_kernel(const at::Tensor& x, const at::Tensor& y, double gamma, double degree, double offset,
                             const Metric& metric) {
  return (gamma * linear_kernel(x, y, metric) + offset).pow(degree);
}

at::Tensor sigmoid_kernel(const at::Tensor& x, const at::Tensor& y, double gamma, double offset, const Metric& metric) {
  return (gamma * linear_kernel(x, y, metric) + offset).tanh();
}

at::Tensor rbf_kernel(const at::Tensor& x, const at::Tensor& y, double gamma, const Metric& metric) {
  return (-gamma * squared_distances(x, y, metric)).exp();
}

at::Tensor gaussian_kernel(const at::Tensor& x, const at::Tensor& y, double sigma, const Metric& metric) {
  if (!(sigma > 0)) throw UsageError(fmt::format("Gaussian kernel: found σ = {}, expected it positive", sigma));
  return rbf_kernel(x, y, 1 / (2 * sigma * sigma), metric);
}

at::Tensor cosine_kernel(const at::Tensor& x, const at::Tensor& y, const Metric& metric) {
  return linear_kernel(x, y, metric) * inverse_norms(x, metric) * inverse_norms(y, metric).mT();
}

at::Tensor log_det_loss(const at::Tensor& gram, double psi) { return -log_det(gram, psi); }

at::Tensor det_loss(const at::Tensor& gram, double psi) { return -log_det(gram, psi).exp(); }

at::Tensor multivariate_kurtosis(const at::Tensor& series, bool relative) {
  require_dimensions(series, "series", 2, "(…, C, T)");
  const double channels = static_cast<double>(series.size(-2)), frames = static_cast<double>(series.size(-1));
  const at::Tensor x = series - series.mean(-1, true);
  const at::Tensor factor = cholesky(x.matmul(x.mT()) / frames, "covariance of the series");
  const at::Tensor white = at::linalg_solve_triangular(factor, x, /*upper=*/false);
  const at::Tensor kurtosis = white.square().sum(-2).square().mean(-1);
  return relative ? kurtosis / (channels * (channels + 2)) : kurtosis;
}

}  // namespace noema
