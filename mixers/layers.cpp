#include "noema/mixers/layers.h"

#include <ATen/ops/conv3d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace noema {
namespace {

at::Tensor uniform(at::IntArrayRef shape, std::int64_t inputs, at::Generator& generator) {
  const double bound = 1 / std::sqrt(static_cast<double>(inputs));
  return at::empty(shape, at::TensorOptions(at::kFloat)).uniform_(-bound, bound, generator);
}

}  // namespace

at::Tensor dropout(const at::Tensor& x, double p, const Draws& draws) {
  if (!draws || p == 0) return x;
  // Of x's sizes alone: what is dropped must not depend on its strides.
  return x * at::empty(x.sizes(), x.options().requires_grad(false)).bernoulli_(1 - p, draws).div_(1 - p);
}

Linear::Linear(std::int64_t in, std::int64_t out, at::Generator& generator, bool offset)
    : weight_(register_parameter("weight", uniform({out, in}, in, generator))) {
  if (offset) bias_ = register_parameter("bias", uniform({out}, in, generator));
}

at::Tensor Linear::forward(const at::Tensor& x) const { return at::linear(x, weight_, bias_); }

LayerNorm::LayerNorm(std::int64_t channels)
    : weight_(register_parameter("weight", at::ones({channels}))),
      bias_(register_parameter("bias", at::zeros({channels}))) {}

at::Tensor LayerNorm::forward(const at::Tensor& x) const {
  return at::layer_norm(x, weight_.sizes(), weight_, bias_, 1e-5);
}

VolumeConvolution::VolumeConvolution(std::int64_t in, std::int64_t out, std::array<std::int64_t, 3> stride,
                                     at::Generator& generator)
    : stride_(stride),
      weight_(register_parameter("weight", uniform({out, in, 3, 3, 3}, in * 27, generator))),
      bias_(register_parameter("bias", uniform({out}, in * 27, generator))),
      norm_weight_(register_parameter("norm_weight", at::ones({out}))),
      norm_bias_(register_parameter("norm_bias", at::zeros({out}))) {}

at::Tensor VolumeConvolution::forward(const at::Tensor& x) const {
  const at::Tensor y = at::conv3d(x, weight_, bias_, stride_, at::IntArrayRef{1, 1, 1});
  return at::gelu(at::group_norm(y, 1, norm_weight_, norm_bias_, 1e-5));
}

}  // namespace noema
