#include "noema/learn/adamw.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <map>
#include <utility>

namespace noema {

AdamW::AdamW(std::vector<TrainedParameter> parameters, double weight_decay)
    : parameters_(std::move(parameters)), weight_decay_(weight_decay) {
  for (const TrainedParameter& parameter : parameters_) {
    first_.push_back(at::zeros_like(parameter.tensor.detach()));
    second_.push_back(at::zeros_like(parameter.tensor.detach()));
  }
}

void AdamW::step(double learning_rate) {
  const at::NoGradGuard no_gradients;
  ++steps_;
  // The fused step wants one rate and one decay for all it gets, so parameters go by equal treatment.
  std::map<std::pair<double, bool>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_[i].tensor.grad().defined()) continue;
    const double rate = learning_rate * parameters_[i].learning_rate_scale;
    groups[{std::min(rate, parameters_[i].largest_learning_rate), parameters_[i].decay}].push_back(i);
  }
  for (const auto& [treatment, members] : groups) {
    std::vector<at::Tensor> values, gradients, first, second;
    for (const std::size_t i : members) {
      values.push_back(parameters_[i].tensor);
      gradients.push_back(parameters_[i].tensor.grad());
      first.push_back(first_[i]);
      second.push_back(second_[i]);
    }
    // One count for all, which the step only reads: on a GPU each costs a launch.
    const auto like = values.front().options().dtype(at::kFloat).requires_grad(false);
    const std::vector<at::Tensor> counts(values.size(), at::full({}, static_cast<double>(steps_), like));
    at::_fused_adamw_(values, gradients, first, second, {}, counts, treatment.first, 0.9, 0.999,
                      treatment.second ? weight_decay_ : 0.0, 1e-8, /*amsgrad=*/false, /*maximize=*/false);
  }
}

void AdamW::clear_gradients() {
  for (TrainedParameter& parameter : parameters_) parameter.tensor.mutable_grad().reset();
}

double AdamW::clip_gradients(double limit) {
  const at::NoGradGuard no_gradients;
  std::vector<at::Tensor> gradients;
  for (const TrainedParameter& parameter : parameters_) {
    if (parameter.tensor.grad().defined()) gradients.push_back(parameter.tensor.grad());
  }
  if (gradients.empty()) return 0;
  const auto norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients))).item<double>();
  if (norm > limit) at::_foreach_mul_(gradients, limit / norm);
  return norm;
}

}  // namespace noema
