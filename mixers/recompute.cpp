#include "noema/mixers/recompute.h"

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace noema {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Body = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

/// What backward needs besides tensors.
struct Held : torch::CustomClassHolder {
  Body body;
  explicit Held(Body of) : body(std::move(of)) {}
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  static at::Tensor forward(AutogradContext* context, at::TensorList inputs, const c10::intrusive_ptr<Held>& held) {
    context->save_for_backward(inputs.vec());
    context->saved_data["held"] = c10::IValue::make_capsule(held);
    return held->body(inputs.vec());
  }

  static variable_list backward(AutogradContext* context, const variable_list& dy) {
    const bool differentiable = at::GradMode::is_enabled();
    const auto held = c10::static_intrusive_pointer_cast<Held>(context->saved_data["held"].toCapsule());
    const at::AutoGradMode gradients(true);
    variable_list inputs = context->get_saved_variables(), wanted;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].requires_grad()) continue;
      // Under a name of its own: where inputs follow from one another, the gradient in one is not that through another.
      inputs[i] = differentiable ? inputs[i].view_as(inputs[i]) : inputs[i].detach().requires_grad_(true);
      wanted.push_back(inputs[i]);
      places.push_back(i);
    }
    const variable_list found =
        torch::autograd::grad({held->body(inputs)}, wanted, {dy[0]}, /*retain_graph=*/std::nullopt,
                              /*create_graph=*/differentiable, /*allow_unused=*/true);
    variable_list all(inputs.size() + 1);  // what is held has none
    for (std::size_t i = 0; i < places.size(); ++i) all[places[i]] = found[i];
    return all;
  }
};

}  // namespace

at::Tensor recomputed(const Body& body, const std::vector<at::Tensor>& inputs) {
  if (!at::GradMode::is_enabled()) return body(inputs);
  return Recomputed::apply(at::TensorList(inputs), c10::make_intrusive<Held>(body));
}

}  // namespace noema
