#include "noema/learn/parameter_bank.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <utility>

#include "noema/core/error.h"

namespace noema {
namespace {

std::vector<at::Tensor> copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> all;
  for (const at::Tensor& tensor : tensors) all.push_back(tensor.clone());
  return all;
}

void copy_into(std::vector<at::Tensor>& to, const std::vector<at::Tensor>& from) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i].copy_(from[i]);
}

}  // namespace

ParameterBank::ParameterBank(std::vector<TrainedParameter> parameters, double weight_decay)
    : optimizer_(std::move(parameters), weight_decay) {
  if (optimizer_.parameters().empty()) {
    throw UsageError("parameter bank: found no parameters, expected one or more");
  }
  start_ = present();
}

ParameterBank::State ParameterBank::present() const {
  State state;
  for (const TrainedParameter& parameter : optimizer_.parameters()) {
    state.values.push_back(parameter.tensor.detach().clone());
  }
  state.first = copies(optimizer_.first_moments());
  state.second = copies(optimizer_.second_moments());
  state.steps = optimizer_.steps();
  return state;
}

void ParameterBank::use(const std::string& subject) {
  optimizer_.clear_gradients();
  if (on_ == subject) return;
  if (on_) states_[*on_] = present();
  const State& next = states_.try_emplace(subject, start_).first->second;
  const at::NoGradGuard no_gradients;
  for (std::size_t i = 0; i < next.values.size(); ++i) {
    at::Tensor tensor = optimizer_.parameters()[i].tensor;
    tensor.copy_(next.values[i]);
  }
  copy_into(optimizer_.first_moments(), next.first);
  copy_into(optimizer_.second_moments(), next.second);
  optimizer_.set_steps(next.steps);
  on_ = subject;
}

AdamW& ParameterBank::optimizer() {
  if (!on_) throw UsageError("parameter bank: found no subject in use, expected a call of use first");
  return optimizer_;
}

std::vector<std::string> ParameterBank::subjects() const {
  std::vector<std::string> all;
  for (const auto& [subject, state] : states_) all.push_back(subject);
  return all;
}

std::vector<at::Tensor> ParameterBank::values(const std::string& subject) const {
  if (on_ == subject) return present().values;
  const auto found = states_.find(subject);
  if (found == states_.end()) {
    throw UsageError(fmt::format("parameter bank: found no subject {}, expected one of the {} in use so far", subject,
                                 states_.size()));
  }
  return copies(found->second.values);
}

}  // namespace noema
