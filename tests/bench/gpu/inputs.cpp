#include "inputs.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/rand_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace noema {

void seed_the_gpu() {
  at::Generator numbers = at::globalContext().defaultGenerator(at::Device(at::kCUDA, 0));
  numbers.set_current_seed(1);
}

Inputs random_inputs(const Shape& shape, bool rows_contiguous) {
  const auto on_gpu = at::TensorOptions(at::kFloat).device(at::kCUDA);
  const auto [B, C, T] = shape;
  const auto series = [&, B = B, C = C, T = T] {
    return rows_contiguous ? at::randn({B, C, T}, on_gpu).transpose(1, 2) : at::randn({B, T, C}, on_gpu);
  };
  // Gates of unit variance without the tails that products of normal numbers have for the same rms.
  const auto gate = [&] { return (at::rand_like(series()) * 2 - 1) * std::sqrt(3.0); };
  const double scale = 1 / std::sqrt(2.0 * static_cast<double>(T));
  return {
      series(), at::randn({C, T}, on_gpu) * scale, at::randn({C, T}, on_gpu) * scale, at::randn({C}, on_gpu), gate(),
      gate()};
}

Inputs causal(const Inputs& x) { return {x.u, x.past, {}, x.skip, {}, {}}; }

Inputs copies(const Inputs& x, at::ScalarType type, bool with_gradient) {
  const auto copy = [&](const at::Tensor& t) {
    return t.defined() ? t.detach().to(type).clone().requires_grad_(with_gradient) : t;
  };
  return {copy(x.u), copy(x.past), copy(x.future), copy(x.skip), copy(x.pre), copy(x.post)};
}

at::Tensor composed(const Inputs& x) {
  const std::int64_t T = x.u.size(1), n = 2 * T;
  const at::Tensor v = x.gated() ? x.pre * x.u : x.u;
  at::Tensor kernel = x.past;
  if (x.future.defined()) {
    // Lag −T is not used; its place on the circle is that of no other.
    const at::Tensor gap = at::zeros({x.past.size(0), 1}, x.past.options());
    kernel = at::cat({x.past, gap, x.future.narrow(1, 0, T - 1).flip(1)}, 1);
  }
  const at::Tensor spectrum = at::fft_rfft(v, n, 1) * at::fft_rfft(kernel, n, 1).t();
  const at::Tensor y = at::fft_irfft(spectrum, n, 1).narrow(1, 0, T) + x.skip * v;
  return x.gated() ? x.post * y : y;
}

}  // namespace noema
