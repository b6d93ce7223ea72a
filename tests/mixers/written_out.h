// Mixers with parameters that matter, and their parts as they are written, in float64.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "mixer_checks.h"
#include "noema/mixers/kernel_generator.h"

namespace noema::written_out {

/// Parameters by their names.
using Values = std::map<std::string, at::Tensor>;

/// A mixer with parameters from N(0, 0.7²), so that none is without effect.
template <class Module, class Options>
std::shared_ptr<Module> filled(const Options& options, at::ScalarType type = at::kDouble) {
  at::Generator generator = parameter_generator();
  auto module = std::make_shared<Module>(options, generator);
  module->to(at::kDouble);
  const at::NoGradGuard no_gradients;
  for (const auto& item : module->named_parameters()) {
    item.value().copy_(normal(item.value().sizes(), item.key().c_str()) * 0.7);
  }
  module->to(type);
  return module;
}

inline Values values_of(const torch::nn::Module& module) {
  Values values;
  for (const auto& item : module.named_parameters()) values[item.key()] = item.value().detach().to(at::kDouble);
  return values;
}

inline at::Tensor all_volumes(const at::Tensor& x) { return at::ones({x.size(0), x.size(1), 1}, x.options()); }

/// A mixer is x + `expected`(x, parameters), for windows of some numbers of volumes, in both precisions.
template <class Module, class Options>
void expect_formula(const Options& options, std::int64_t width,
                    const std::function<at::Tensor(const at::Tensor&, Values&)>& expected) {
  const auto exact = filled<Module>(options), single = filled<Module>(options, at::kFloat);
  Values values = values_of(*exact);
  const at::NoGradGuard no_gradients;
  for (const std::int64_t volumes : {1, 2, 7, 16}) {
    SCOPED_TRACE(std::to_string(volumes) + " volumes");
    const at::Tensor x = normal({3, volumes, width}, "x"), rounded = x.to(at::kFloat);
    const at::Tensor reference = expected(x, values);
    expect_is(exact->forward(x, all_volumes(x), {}) - x, reference, 1e-10);
    expect_is(single->forward(rounded, all_volumes(rounded), {}).to(at::kDouble) - rounded, reference, 2e-5);
  }
}

/// What every mixer with a state must hold to, in both precisions.
template <class Module, class Options>
void expect_recurrence(const Options& options, std::int64_t width, std::int64_t volumes = 17) {
  expect_goes_on(*filled<Module>(options), width, volumes, 1e-10);
  expect_goes_on(*filled<Module>(options, at::kFloat), width, volumes, 1e-5);
  expect_causal(*filled<Module>(options, at::kFloat), width);
}

/// LayerNorm and linear maps, as the mixers have them.
inline at::Tensor normed(const at::Tensor& x, Values& p) {
  const at::Tensor centred = x - x.mean(-1, true);
  return centred / (centred.square().mean(-1, true) + 1e-5).sqrt() * p["norm.weight"] + p["norm.bias"];
}
inline at::Tensor mapped(const at::Tensor& x, Values& p, const std::string& name) {
  return x.matmul(p[name + ".weight"].t()) + p[name + ".bias"];
}
inline at::Tensor gelu_of(const at::Tensor& x) { return x * 0.5 * (1 + (x / std::sqrt(2.0)).erf()); }

/// A ring kernel (C, 2L) as two sides (2, C, L).
inline at::Tensor unrolled(const at::Tensor& ring) {
  const std::int64_t taps = ring.size(1) / 2;
  return at::stack({ring.narrow(1, 0, taps), ring.narrow(1, taps, taps).flip(1)});
}

/// The taps of a mixer's kernel of any kind but free taps: (C, n), or (2, C, n) where it has two.
inline at::Tensor made_kernel(const torch::nn::Module& module, const std::string& name, std::int64_t volumes) {
  const auto children = module.named_children();
  const auto taps = [&](const std::string& child) {
    return std::dynamic_pointer_cast<KernelGenerator>(children[child])->taps(volumes).detach();
  };
  if (!children.contains("future_" + name)) return taps(name);
  return at::stack({taps(name), taps("future_" + name)});
}

/// With a kernel of one side (C, L) or of two (2, C, L), of which the second is of lags −1 ….
inline at::Tensor convolved(const at::Tensor& u, const at::Tensor& kernel) {
  if (kernel.dim() == 2) return direct_causal(u, kernel);
  at::Tensor y = direct_causal(u, kernel[0]);
  for (std::int64_t t = 0; t < u.size(1); ++t) {
    for (std::int64_t i = 0; i < kernel.size(2) && t + 1 + i < u.size(1); ++i) {
      y.select(1, t) += u.select(1, t + 1 + i) * kernel[1].select(1, i);
    }
  }
  return y;
}

}  // namespace noema::written_out
