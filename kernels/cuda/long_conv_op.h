// kernels/cuda/long_conv_op: the operator's work on a GPU.
#pragma once

#include <ATen/core/Tensor.h>

#include "noema/kernels/op_arguments.h"

namespace noema::cuda {

/// On the current stream of u's device. @throws DeviceError
at::Tensor forward(const op::Arguments& arguments, LongConvPrecision precision);
op::Gradients backward(const at::Tensor& dy, const op::Arguments& arguments);

}  // namespace noema::cuda
