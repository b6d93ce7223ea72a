// mixers/gated_output: the last layer of mixers that convolve each channel by itself.
#pragma once

#include <ATen/core/Tensor.h>

#include "noema/mixers/layers.h"

namespace noema {

/// GLU(W·dropout(GELU(x)) + b) over the last axis.
///
/// @param x      (…, C). @param linear W and b, C → 2C. @param p of the dropout, which is without `draws` none.
/// @return       (…, C). Gradient: exact, also of gradients. For it are kept x and a byte for each of its values that
///               may be dropped, where the operations one by one keep 20 bytes beside x; GELU, W and GLU are done once
///               more.
at::Tensor gated_output(const at::Tensor& x, const Linear& linear, double p, const Draws& draws);

}  // namespace noema
