// Shrinkage, inverses and partial correlations as tensor operations.
#include "noema/connectomics/precision.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cholesky_inverse.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

struct Scatter {
  at::Tensor centred;     // (…, C, T)
  at::Tensor covariance;  // (…, C, C), divided by T
  at::Tensor scale;       // (…): μ
  double channels, frames;
};

Scatter scatter_of(const at::Tensor& series) {
  require_dimensions(series, "series", 2, "(…, C, T)");
  if (series.size(-1) == 0 || series.size(-2) == 0) {
    throw ShapeError(
        fmt::format("series: found shape {}, expected at least one channel and one frame", shape_text(series.sizes())));
  }
  Scatter result;
  result.channels = static_cast<double>(series.size(-2));
  result.frames = static_cast<double>(series.size(-1));
  result.centred = series - series.mean(-1, true);
  result.covariance = result.centred.matmul(result.centred.mT()) / result.frames;
  result.scale = result.covariance.diagonal(0, -2, -1).mean(-1);
  return result;
}

/// numerator/denominator in [0, 1]; `otherwise` with gradient 0 where the denominator is not positive.
at::Tensor share(const at::Tensor& numerator, const at::Tensor& denominator, double otherwise) {
  const at::Tensor good = denominator > 0;
  const at::Tensor ratio = numerator / at::where(good, denominator, at::full_like(denominator, 1));
  return at::where(good, ratio, at::full_like(ratio, otherwise)).clamp(0, 1);
}

Shrunk shrunk(const Scatter& scatter, const at::Tensor& intensity) {
  const at::Tensor identity = at::eye(scatter.covariance.size(-1), scatter.covariance.options().requires_grad(false));
  const at::Tensor share_of_identity = intensity.unsqueeze(-1).unsqueeze(-1);
  return {
      (1 - share_of_identity) * scatter.covariance + (intensity * scatter.scale).unsqueeze(-1).unsqueeze(-1) * identity,
      intensity};
}

at::Tensor with_diagonal(const at::Tensor& matrix, const at::Tensor& diagonal) {
  const at::Tensor on = at::eye(matrix.size(-1), matrix.options().dtype(at::kBool).requires_grad(false));
  return at::where(on, diagonal.unsqueeze(-1), matrix);
}

at::Tensor positive_diagonal(const at::Tensor& precision) {
  require_square(precision, "precision");
  const at::Tensor diagonal = precision.diagonal(0, -2, -1);
  const double smallest = diagonal.min().item<double>();
  if (!(smallest > 0)) {
    throw NumericalError(fmt::format("precision: found {:.4g} on the diagonal, expected it positive", smallest));
  }
  return diagonal;
}

}  // namespace

Shrunk ledoit_wolf(const at::Tensor& series) {
  const Scatter s = scatter_of(series);
  if (s.channels == 1) return shrunk(s, at::zeros_like(s.scale));
  const at::Tensor fourth = s.centred.square().sum(-2).square().sum(-1) / s.frames;  // Σ_ij mean x_i² x_j²
  const at::Tensor second = s.covariance.square().sum({-2, -1});
  const at::Tensor distance = (second - s.channels * s.scale.square()) / s.channels;
  // Identical frames make both zero, up to the sign of rounding.
  return shrunk(s, share((fourth - second) / (s.channels * s.frames), distance, 0));
}

Shrunk oracle_shrinkage(const at::Tensor& series) {
  const Scatter s = scatter_of(series);
  if (s.channels == 1) return shrunk(s, at::zeros_like(s.scale));
  const at::Tensor mean_square = s.covariance.square().mean(at::IntArrayRef{-2, -1});
  const at::Tensor square = s.scale.square();
  return shrunk(s, share(mean_square + square, (s.frames + 1) * (mean_square - square / s.channels), 1));
}

at::Tensor precision(const at::Tensor& covariance) {
  require_square(covariance, "covariance");
  const auto [factor, info] = at::linalg_cholesky_ex(symmetrised(covariance));
  const auto bad = (info != 0).sum().item<std::int64_t>();
  if (bad != 0 || !factor.isfinite().all().item<bool>()) {
    throw NumericalError(
        fmt::format("covariance: found {} of {} matrices not positive definite, expected all to be; "
                    "more frames than channels, a ridge or shrinkage makes them so",
                    std::max<std::int64_t>(bad, 1), info.numel()));
  }
  return symmetrised(at::cholesky_inverse(factor));
}

at::Tensor partial_correlation(const at::Tensor& precision) {
  const at::Tensor scale = positive_diagonal(precision).rsqrt();
  const at::Tensor result = -precision * scale.unsqueeze(-1) * scale.unsqueeze(-2);
  return with_diagonal(result, at::full_like(scale, 1));
}

at::Tensor partial_covariance(const at::Tensor& precision) {
  const at::Tensor diagonal = positive_diagonal(precision);
  const at::Tensor on = at::eye(precision.size(-1), precision.options().dtype(at::kBool).requires_grad(false));
  const at::Tensor off = at::where(on, at::zeros_like(precision), precision);
  return with_diagonal(-off / (diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2) - off.square()), diagonal.reciprocal());
}

}  // namespace noema
