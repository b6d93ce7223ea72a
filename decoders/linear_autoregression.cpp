#include "noema/decoders/linear_autoregression.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cholesky_solve.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/ones.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "noema/core/error.h"

namespace noema {
namespace {

/// (N, T, 1 + order·R) float64: 1, the frame itself, the one before, ….
at::Tensor regressors(const at::Tensor& series, std::int64_t order) {
  const at::Tensor x = series.to(at::kDouble);
  const std::int64_t frames = x.size(1);
  std::vector<at::Tensor> parts = {at::ones({x.size(0), frames, 1}, x.options())};
  for (std::int64_t i = 0; i < order; ++i) {
    const std::int64_t known = std::max<std::int64_t>(frames - i, 0);
    parts.push_back(at::constant_pad_nd(x.narrow(1, 0, known), {0, 0, frames - known, 0}));
  }
  return at::cat(parts, 2);
}

}  // namespace

LinearAutoregression::LinearAutoregression(const at::Tensor& series, std::int64_t order, double penalty)
    : order_(order) {
  const std::int64_t frames = series.size(1);
  const at::Tensor x = regressors(series.narrow(1, 0, frames - 1), order).flatten(0, 1);  // (M, P)
  const at::Tensor y = series.narrow(1, 1, frames - 1).to(at::kDouble).flatten(0, 1);     // (M, R)
  at::Tensor gram = x.t().matmul(x);
  at::Tensor diagonal = gram.diagonal().narrow(0, 1, gram.size(0) - 1);
  diagonal += penalty * diagonal.mean();
  const auto [factor, info] = at::linalg_cholesky_ex(gram);
  if (info.item<int>() != 0) {
    throw NumericalError(
        fmt::format("the {} regressors of an autoregression of order {} depend on one another in {} "
                    "frames; raise the penalty, {}",
                    x.size(1), order, x.size(0), penalty));
  }
  weights_ = at::cholesky_solve(x.t().matmul(y), factor);
}

at::Tensor LinearAutoregression::predict(const at::Tensor& series) const {
  return regressors(series, order_).matmul(weights_).to(series.scalar_type());
}

}  // namespace noema
