// Gradients against central differences, and small helpers on tensors of the tests.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

namespace noema {

/// Fixed numbers without pattern in (−1, 1) as float64: the fractional parts of multiples of the golden ratio's root.
inline at::Tensor made_up(at::IntArrayRef shape, double seed = 1) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  const at::Tensor index = at::arange(count, at::kDouble) + 1;
  return ((index * (12.9898 + seed)).sin() * 43758.5453).frac().reshape(shape);
}

/// N symmetric positive definite matrices of size P × P, well conditioned.
inline at::Tensor made_up_spd(std::int64_t n, std::int64_t p, double seed = 1) {
  const at::Tensor x = made_up({n, p, 3 * p}, seed);
  return x.matmul(x.mT()) / (3.0 * static_cast<double>(p));
}

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();  // NaN if there is one
}

using TensorFunction = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

/// The largest difference between gradient and central differences over all entries of all inputs, divided by the
/// largest entry of the gradient or 1, whichever is larger; NaN if a gradient is. The output is contracted with fixed
/// numbers, so that no entry of the Jacobian can hide. Inputs are float64.
inline double gradient_error(const TensorFunction& function, const std::vector<at::Tensor>& inputs,
                             double step = 1e-5) {
  const auto contracted = [&](const std::vector<at::Tensor>& at) {
    const at::Tensor output = function(at);
    return (output * made_up(output.sizes(), 7)).sum();
  };
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& input : inputs) leaves.push_back(input.detach().clone().set_requires_grad(true));
  const std::vector<at::Tensor> gradients = torch::autograd::grad({contracted(leaves)}, leaves);
  double worst = 0, scale = 1;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    scale = std::max(scale, gradients[k].abs().max().item<double>());
    std::vector<at::Tensor> moved;
    for (const at::Tensor& input : inputs) moved.push_back(input.detach().clone());
    at::Tensor flat = moved[k].view({-1});
    at::Tensor numeric = at::empty_like(flat);
    for (std::int64_t i = 0; i < flat.numel(); ++i) {
      const double value = flat[i].item<double>();
      flat[i] = value + step;
      const double up = contracted(moved).item<double>();
      flat[i] = value - step;
      const double down = contracted(moved).item<double>();
      flat[i] = value;
      numeric[i] = (up - down) / (2 * step);
    }
    const double error = largest_difference(numeric, gradients[k].reshape({-1}));
    if (!(error <= worst)) worst = error;  // also NaN, which then stays
    if (worst != worst) return worst;
  }
  return worst / scale;
}

/// The same for the gradient of the gradient: of all entries of the first gradients, contracted with fixed numbers.
inline double second_gradient_error(const TensorFunction& function, const std::vector<at::Tensor>& inputs,
                                    double step = 1e-5) {
  const auto first = [&](const std::vector<at::Tensor>& at) {
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& input : at) {
      leaves.push_back(input.requires_grad() ? input : input.detach().set_requires_grad(true));
    }
    const at::Tensor output = function(leaves);
    const at::Tensor contracted = (output * made_up(output.sizes(), 3)).sum();
    const std::vector<at::Tensor> gradients =
        torch::autograd::grad({contracted}, leaves, {}, std::nullopt, /*create_graph=*/true);
    std::vector<at::Tensor> flat;
    for (const at::Tensor& gradient : gradients) flat.push_back(gradient.flatten());
    return at::cat(flat);
  };
  return gradient_error(first, inputs, step);
}

}  // namespace noema
