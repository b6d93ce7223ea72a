#include "noema/mixers/rational_kernel.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/mixers/long_convolution.h"

namespace noema {
namespace {

/// The first `length` coefficients of x·y; (C, n) each.
at::Tensor series_product(const at::Tensor& x, const at::Tensor& y, std::int64_t length) {
  const std::int64_t missing = std::max<std::int64_t>(length - x.size(1), 0);
  const at::Tensor padded = at::constant_pad_nd(x, {0, missing}).narrow(1, 0, length);
  return long_convolution(padded.t().unsqueeze(0), y, LagConvention::causal)[0].t();
}

}  // namespace

RationalKernel::RationalKernel(std::int64_t channels, std::int64_t order, at::Generator& generator) {
  if (order < 1) throw UsageError(fmt::format("a rational kernel of order {}, expected at least 1", order));
  const double bound = 1 / std::sqrt(static_cast<double>(order));
  numerator_ = register_parameter("numerator", at::empty({channels, order + 1}).uniform_(-bound, bound, generator));
  feedback_ = register_parameter("feedback", at::empty({channels, order}).uniform_(-bound, bound, generator));
}

at::Tensor RationalKernel::denominator() const {
  const at::Tensor alpha = feedback_.to(at::kDouble);
  return alpha / (1 + alpha.abs().sum(1, /*keepdim=*/true));
}

at::Tensor RationalKernel::taps(std::int64_t volumes) const {
  const at::Tensor feedback = denominator();
  const at::Tensor a = at::cat({at::ones({feedback.size(0), 1}, feedback.options()), feedback}, 1);
  at::Tensor inverse = at::ones({feedback.size(0), 1}, feedback.options());
  while (inverse.size(1) < volumes) {
    // 1/a = g mod zᵐ gives 1/a = g·(2 − a·g) mod z²ᵐ.
    const std::int64_t length = std::min(2 * inverse.size(1), volumes);
    const at::Tensor product = series_product(a, inverse, length);
    const at::Tensor correction = at::cat({2 - product.narrow(1, 0, 1), -product.narrow(1, 1, length - 1)}, 1);
    inverse = series_product(inverse, correction, length);
  }
  return series_product(inverse, numerator_.to(at::kDouble), volumes).to(numerator_.scalar_type());
}

std::int64_t RationalKernel::flops(std::int64_t volumes) const {
  // Two convolutions for the last step of Newton's, for all before it together as much again, and one with b.
  return 5 * convolution_flops(feedback_.size(0), volumes, volumes);
}

at::Tensor RationalKernel::initial_state(std::int64_t batch) const {
  return at::zeros({batch, feedback_.size(0), feedback_.size(1)},
                   feedback_.options().requires_grad(false).dtype(at::kDouble));
}

at::Tensor RationalKernel::advance(const at::Tensor& u, at::Tensor& state) const {
  const std::int64_t order = feedback_.size(1);
  const at::Tensor a = denominator(), b = numerator_.to(at::kDouble), input = u.to(at::kDouble);
  std::vector<at::Tensor> outputs;
  for (std::int64_t t = 0; t < u.size(1); ++t) {
    const at::Tensor newest = input.select(1, t) - (a * state).sum(2);     // (B, C)
    const at::Tensor extended = at::cat({newest.unsqueeze(2), state}, 2);  // (B, C, N + 1)
    outputs.push_back((b * extended).sum(2));
    state = extended.narrow(2, 0, order);
  }
  return at::stack(outputs, 1).to(u.scalar_type());
}

TrainingTag RationalKernel::training_tag(std::string_view name, const at::Tensor& parameter) const {
  return name == "numerator" ? usual_tag(parameter) : kDynamics;
}

std::int64_t RationalKernel::state_bytes() const {
  return feedback_.numel() * static_cast<std::int64_t>(sizeof(double));
}

}  // namespace noema
