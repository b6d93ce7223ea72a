#include "results.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "inputs.h"
#include "noema/kernels/long_conv_op.h"

namespace noema {
namespace {

at::Tensor ours(const Inputs& x, LongConvPrecision precision = LongConvPrecision::float32) {
  LongConvExtras extras{.skip = x.skip, .precision = precision};
  if (x.future.defined()) extras.future = x.future;
  if (x.gated()) {
    extras.pre = x.pre;
    extras.post = x.post;
  }
  return long_conv(x.u, x.past, extras);
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return ((found.to(at::kDouble) - expected).abs().max() / expected.square().mean().sqrt()).item<double>();
}

std::string text_of(const at::Tensor& u) {
  return std::to_string(u.size(0)) + "x" + std::to_string(u.size(2)) + "x" + std::to_string(u.size(1)) +
         (u.stride(1) == 1 ? "" : " with channels last");
}

bool within(const char* what, const at::Tensor& u, double error, double limit) {
  if (error <= limit) return true;
  std::printf("wrong: %s of %s, error %.2e above %.2e\n", what, text_of(u).c_str(), error, limit);
  return false;
}

void backward(const at::Tensor& y, const at::Tensor& weight) { (y * weight).sum().backward(); }

bool check(const Inputs& x) {
  const Inputs mine = copies(x, at::kFloat, true), theirs = copies(x, at::kFloat, true),
               exact = copies(x, at::kDouble, true);
  const at::Tensor weight = at::randn(x.u.sizes(), x.u.options());
  const at::Tensor y = ours(mine), y_theirs = composed(theirs), y_exact = composed(exact);
  for (const at::Tensor& result : {y, y_theirs, y_exact}) backward(result, weight);
  const auto right = [&](const char* what, const at::Tensor& a, const at::Tensor& b, const at::Tensor& truth) {
    return within(what, x.u, relative_error(a, truth), std::max(3e-6, 2 * relative_error(b, truth)));
  };
  bool all = right("result", y.detach(), y_theirs.detach(), y_exact.detach());
  const char* names[] = {"du", "dpast", "dfuture", "dskip", "dpre", "dpost"};
  for (std::size_t i = 0; i < 6; ++i) {
    const at::Tensor of = mine.all()[i];
    if (!of.defined() || (i == 2 && x.u.size(1) == 1)) continue;  // one value has no lag before the present
    all = right(names[i], of.grad(), theirs.all()[i].grad(), exact.all()[i].grad()) && all;
  }
  const at::NoGradGuard no_gradients;
  for (const auto& [precision, name, tolerance] :
       {std::tuple{LongConvPrecision::bf16x3, "bf16x3", 3e-5}, {LongConvPrecision::bf16, "bf16", 2e-2}}) {
    all = within(name, x.u, relative_error(ours(x, precision), y_exact.detach()), tolerance) && all;
  }
  return all;
}

/// With and without gates, in both layouts.
bool check(const Shape& shape) {
  bool all = true;
  for (const bool rows_contiguous : {false, true}) {
    const Inputs x = random_inputs(shape, rows_contiguous);
    all = check(x) && all;
    all = check(causal(x)) && all;
  }
  return all;
}

bool keeps_its_accuracy_with_an_offset(const Shape& shape) {
  Inputs x = causal(random_inputs(shape, true));
  x.u = x.u + 1e3;
  return check(x);
}

/// What values from the middle on change before, over the rms of the changed result.
bool looks_at_the_past_alone(const Shape& shape) {
  const at::NoGradGuard no_gradients;
  const Inputs x = causal(random_inputs(shape, true));
  const std::int64_t half = shape.length / 2;
  Inputs changed = x;
  changed.u = x.u.clone();
  changed.u.narrow(1, half, shape.length - half).mul_(-3);
  const at::Tensor y = ours(changed);
  const double reached = (ours(x) - y).narrow(1, 0, half).abs().max().item<double>();
  return within("causality", x.u, reached / y.square().mean().sqrt().item<double>(), 1e-6);
}

bool is_the_same_twice(const Shape& shape) {
  const Inputs x = random_inputs(shape, true);
  const at::Tensor weight = at::randn(x.u.sizes(), x.u.options());
  const Inputs first = copies(x, at::kFloat, true), second = copies(x, at::kFloat, true);
  backward(ours(first), weight);
  backward(ours(second), weight);
  for (std::size_t i = 0; i < 6; ++i) {
    if (at::equal(first.all()[i].grad(), second.all()[i].grad())) continue;
    std::printf("wrong: gradient %zu of %s varies\n", i, text_of(x.u).c_str());
    return false;
  }
  return true;
}

}  // namespace

bool results_are_right() {
  seed_the_gpu();
  bool all = true;
  for (const std::int64_t T : {1,   2,   3,   7,   8,   16,  63,   64,   65,   127,  128,  150,  200,  255,
                               256, 300, 372, 500, 512, 784, 1000, 1024, 1134, 1200, 2047, 2048, 4096, 8192}) {
    all = check({3, 5, T}) && all;
  }
  for (const std::int64_t T : {50, 128, 200, 256, 512, 1000, 1024}) {
    for (const std::int64_t B : {16, 33}) all = check({B, 5, T}) && all;
    for (const std::int64_t C : {6, 8, 12})
      all = check({16, C, T}) && all;  // blocks of channels read two and four at once
  }
  for (const std::int64_t T : {20000, 140000, 270000, 600000}) all = check({2, 3, T}) && all;
  for (const std::int64_t T : {128, 200, 1200, 20000}) {
    all = keeps_its_accuracy_with_an_offset({16, 3, T}) && all;
    all = looks_at_the_past_alone({16, 3, T}) && all;
    all = is_the_same_twice({33, 3, T}) && all;
  }
  return all;
}

}  // namespace noema
