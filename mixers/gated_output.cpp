#include "noema/mixers/gated_output.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones_like.h>

#include <vector>

#include "noema/mixers/recompute.h"

namespace noema {

at::Tensor gated_output(const at::Tensor& x, const Linear& linear, double p, const Draws& draws) {
  std::vector<at::Tensor> inputs = linear.parameters();  // W and b
  inputs.insert(inputs.begin(), x);
  if (draws && p > 0) inputs.push_back(dropout(at::ones_like(x.detach()), p, draws).ne(0));  // which stay
  const auto body = [p](const std::vector<at::Tensor>& in) {
    at::Tensor active = at::gelu(in[0]);
    if (in.size() > 3) active = active * in[3].to(active.dtype()).div_(1 - p);
    return at::glu(at::linear(active, in[1], in[2]), -1);
  };
  return recomputed(body, inputs);
}

}  // namespace noema
