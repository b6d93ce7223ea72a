// Gradients of the parameters of modules against central differences.
#pragma once

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include "gradient_check.h"

namespace noema {

/// As `gradient_error`, of all of a module's parameters, at their values with some made-up numbers added; there it
/// leaves them. Each must matter. Parameters are float64.
inline double parameter_error(torch::nn::Module& module, const std::function<at::Tensor()>& output,
                              double step = 1e-5) {
  const std::vector<at::Tensor> parameters = module.parameters();
  const auto set = [](at::Tensor parameter, const at::Tensor& value) {
    const at::NoGradGuard no_gradients;
    parameter.copy_(value);
  };
  const auto contracted = [&] {
    const at::Tensor found = output();
    return (found * made_up(found.sizes(), 7)).sum();
  };
  double seed = 9;
  for (const at::Tensor& parameter : parameters) {
    set(parameter, parameter.detach() + 0.3 * made_up(parameter.sizes(), seed++));
  }
  const std::vector<at::Tensor> gradients = torch::autograd::grad({contracted()}, parameters);
  double worst = 0, scale = 1;
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    const double largest = gradients[k].abs().max().item<double>();
    EXPECT_GT(largest, 0) << "parameter " << k;
    scale = std::max(scale, largest);
    const at::Tensor place = parameters[k].detach().clone(), gradient = gradients[k].flatten();
    for (std::int64_t i = 0; i < place.numel(); ++i) {
      const auto moved = [&](double by) {
        at::Tensor flat = place.flatten().clone();
        flat[i] += by;
        set(parameters[k], flat.reshape(place.sizes()));
        return contracted().item<double>();
      };
      const double error = std::abs((moved(step) - moved(-step)) / (2 * step) - gradient[i].item<double>());
      if (!(error <= worst)) worst = error;  // also NaN, which then stays
    }
    set(parameters[k], place);
  }
  return worst / scale;
}

}  // namespace noema
