#include "noema/mixers/kernel_generator.h"

#include <ATen/ops/zeros.h>

#include "noema/mixers/long_convolution.h"

namespace noema {

at::Tensor FiniteKernel::initial_state(std::int64_t batch) const {
  return at::zeros({batch, length_ - 1, channels_}, parameters().front().options().requires_grad(false));
}

at::Tensor FiniteKernel::advance(const at::Tensor& u, at::Tensor& state) const {
  return continued_convolution(u, taps(length_), state);
}

std::int64_t FiniteKernel::state_bytes() const {
  return (length_ - 1) * channels_ * static_cast<std::int64_t>(parameters().front().element_size());
}

}  // namespace noema
