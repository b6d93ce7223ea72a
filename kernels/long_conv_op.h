// kernels/long_conv_op: the long convolution of tensors, as the operator noema::long_conv with its gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "noema/kernels/long_conv.h"

namespace noema {

/// What a long convolution is given besides the series and the kernel of past lags; each may be left out. Less than
/// float32 is for forward alone and makes a difference on processors with AMX and on GPUs.
struct LongConvExtras {
  std::optional<at::Tensor> future;  ///< (C, F): tap i is lag −1 − i
  std::optional<at::Tensor> skip;    ///< (C): D
  std::optional<at::Tensor> pre;     ///< shaped as u
  std::optional<at::Tensor> post;    ///< shaped as u
  LongConvPrecision precision = LongConvPrecision::float32;
};

/// y = post ∘ (k ∗ v + D ∘ v) with v = pre ∘ u, over time; values outside of the series are zero.
///
/// @param u    (B, T, C) float32, with any strides: (B, C, T) seen through transpose(1, 2) is fastest. On the
/// processor,
///             or on a GPU in builds with CUDA; everything given is on the same device.
/// @param past (C, P) float32: tap i is lag i. Lags that T values cannot have are not used.
/// @return     (B, T, C) with the strides of u. Gradient: exact in all that is given, once; kept for it are the
/// arguments
///             alone. Deterministic whatever the threads. Cost O(B·C·T log T), or O(B·C·T·P) for few taps.
/// @throws c10::Error for other shapes, types and devices, and when a gradient of the gradient is asked for.
at::Tensor long_conv(const at::Tensor& u, const at::Tensor& past, const LongConvExtras& extras = {});

/// Is `long_conv` built for tensors on a GPU?
bool long_conv_has_cuda();

}  // namespace noema
