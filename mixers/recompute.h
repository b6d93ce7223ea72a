// mixers/recompute: less memory in training, for one more forward pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "noema/mixers/mixer.h"

namespace noema {

/// mixer.forward(x, mask, draws), for whose gradient nothing but `x` is kept: backward computes what is between once
/// more, with the same draws.
///
/// @return Values and gradients are those of `forward`, once; they depend on parameters as they are at backward. Cost:
/// of
///         two forward passes and one backward.
/// @throws c10::Error when a gradient of the gradient is asked for.
at::Tensor recomputed(const std::shared_ptr<const Mixer>& mixer, const at::Tensor& x, const at::Tensor& mask,
                      const Draws& draws);

}  // namespace noema
