// What the checks of the GPU convolve, and the same by LibTorch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace noema {

struct Inputs {
  at::Tensor u, past, future, skip, pre, post;

  std::vector<at::Tensor> all() const { return {u, past, future, skip, pre, post}; }
  bool gated() const { return pre.defined(); }
};

struct Shape {
  std::int64_t batch, channels, length;
};

/// On the GPU, gated and with taps on both sides; kernels have a norm of about 1.
/// @param rows_contiguous memory in the order (B, C, T), else (B, T, C)
Inputs random_inputs(const Shape& shape, bool rows_contiguous);
/// Of the past alone, with skip term.
Inputs causal(const Inputs& inputs);
/// Leaves of that type, or copies without gradient.
Inputs copies(const Inputs& inputs, at::ScalarType type, bool with_gradient);

/// The same numbers in each run.
void seed_the_gpu();

/// The convolution by LibTorch's transforms, in the precision of what it is given.
at::Tensor composed(const Inputs& inputs);

}  // namespace noema
