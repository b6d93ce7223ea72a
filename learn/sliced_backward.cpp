#include "noema/learn/sliced_backward.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <vector>

#include "noema/core/cancel.h"
#include "noema/core/error.h"

namespace noema {

double backward_over_slices(std::int64_t frames, std::int64_t slice, const SliceBody& body,
                            const std::function<at::Tensor(const at::Tensor& values)>& loss) {
  if (frames < 1 || slice < 1) {
    throw UsageError(fmt::format("slices: found {} frames in slices of {}, expected both from 1 on", frames, slice));
  }
  const auto values_of = [&](std::int64_t begin) {
    check_cancelled();
    const std::int64_t end = std::min(begin + slice, frames);
    at::Tensor values = body(begin, end);
    if (!values.defined() || values.dim() == 0 || values.size(-1) != end - begin) {
      throw ShapeError(fmt::format("slices: found values of another length, expected (…, {}) for frames {} to {}",
                                   end - begin, begin, end - 1));
    }
    return values;
  };
  std::vector<at::Tensor> parts;
  {
    const at::NoGradGuard no_gradients;
    for (std::int64_t begin = 0; begin < frames; begin += slice) parts.push_back(values_of(begin));
  }
  const at::Tensor all = at::cat(parts, -1).detach().set_requires_grad(true);
  parts.clear();
  const at::Tensor total = loss(all);
  if (!total.defined() || total.dim() != 0) throw ShapeError("slices: found a loss of many numbers, expected a scalar");
  if (!total.requires_grad()) return total.item<double>();  // depends on nothing that is learned
  torch::autograd::backward({total});
  if (!all.grad().defined()) return total.item<double>();
  for (std::int64_t begin = 0; begin < frames; begin += slice) {
    const at::Tensor values = values_of(begin);
    if (values.requires_grad()) {
      torch::autograd::backward({values}, {all.grad().slice(-1, begin, begin + values.size(-1))});
    }
  }
  return total.item<double>();
}

}  // namespace noema
