#include "noema/mixers/recompute.h"

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>
#include <vector>

namespace noema {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What backward needs besides tensors.
struct Call : torch::CustomClassHolder {
  std::shared_ptr<const Mixer> mixer;
  Draws draws;  // as they were before forward

  Call(std::shared_ptr<const Mixer> of, const Draws& from) : mixer(std::move(of)) {
    if (from) draws = from->clone();
  }
};

variable_list trained(const Mixer& mixer) {
  variable_list parameters;
  for (const at::Tensor& parameter : mixer.parameters()) {
    if (parameter.requires_grad()) parameters.push_back(parameter);
  }
  return parameters;
}

/// `parameters` stand among the arguments because gradients go to arguments alone.
struct Recomputed : torch::autograd::Function<Recomputed> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, at::TensorList /*parameters*/,
                            const at::Tensor& mask, const c10::intrusive_ptr<Call>& call, const Draws& draws) {
    context->save_for_backward({x, mask});
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    return call->mixer->forward(x, mask, draws);
  }

  static variable_list backward(AutogradContext* context, const variable_list& dy) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "a recomputed mixer has no gradient of its gradient");
    const auto saved = context->get_saved_variables();
    const auto call = c10::static_intrusive_pointer_cast<Call>(context->saved_data["call"].toCapsule());
    const at::AutoGradMode gradients(true);
    const at::Tensor x = saved[0].detach().requires_grad_(true);
    const Draws draws = call->draws ? Draws(call->draws->clone()) : Draws();
    const at::Tensor y = call->mixer->forward(x, saved[1], draws);
    variable_list inputs = trained(*call->mixer);
    inputs.insert(inputs.begin(), x);
    variable_list found = torch::autograd::grad({y}, inputs, {dy[0]}, /*retain_graph=*/std::nullopt,
                                                /*create_graph=*/false, /*allow_unused=*/true);
    found.resize(found.size() + 3);  // the mask, the call and the draws have none
    return found;
  }
};

}  // namespace

at::Tensor recomputed(const std::shared_ptr<const Mixer>& mixer, const at::Tensor& x, const at::Tensor& mask,
                      const Draws& draws) {
  if (!at::GradMode::is_enabled()) return mixer->forward(x, mask, draws);
  const variable_list parameters = trained(*mixer);
  return Recomputed::apply(x, at::TensorList(parameters), mask, c10::make_intrusive<Call>(mixer, draws), draws);
}

}  // namespace noema
