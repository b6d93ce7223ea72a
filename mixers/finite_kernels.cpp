#include "noema/mixers/finite_kernels.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "noema/core/error.h"
#include "noema/mixers/long_convolution.h"

namespace noema {
namespace {

at::TensorOptions like(const at::Tensor& parameter) { return parameter.options().requires_grad(false); }

/// (n): 0, 1, …, n − 1.
at::Tensor lags(std::int64_t n, const at::Tensor& parameter) { return at::arange(n, like(parameter)); }

}  // namespace

SineKernel::SineKernel(std::int64_t channels, std::int64_t taps, const SineKernelOptions& options,
                       at::Generator& generator)
    : FiniteKernel(channels, taps),
      options_(options),
      frequency_(register_parameter("frequency", at::full({options.width}, options.frequency))) {
  if (options.width < 1 || options.layers < 0 || options.waves < 0 || !(options.slow_decay > 0) ||
      !(options.fast_decay > 0)) {
    throw UsageError(fmt::format(
        "a sine kernel of width {}, {} hidden layers, {} waves and decays {} and {}; expected a width from 1, the next "
        "two from 0, and positive decays",
        options.width, options.layers, options.waves, options.slow_decay, options.fast_decay));
  }
  for (std::int64_t layer = 0; layer < options.layers + 2; ++layer) {
    const std::int64_t in = layer == 0 ? 1 + 2 * options.waves : options.width;
    const std::int64_t out = layer == options.layers + 1 ? channels : options.width;
    const bool offset = layer <= options.layers;
    layers_.push_back(
        register_module(fmt::format("layer{}", layer), std::make_shared<Linear>(in, out, generator, offset)));
  }
}

at::Tensor SineKernel::taps(std::int64_t volumes) const {
  const std::int64_t n = std::min(volumes, length_);
  const at::Tensor lag = lags(n, frequency_).unsqueeze(1);                                     // (n, 1)
  const at::Tensor place = lag / static_cast<double>(std::max<std::int64_t>(length_ - 1, 1));  // 0 … 1
  const at::Tensor turns =
      at::linspace(1e-4, static_cast<double>(options_.waves - 1), options_.waves, like(frequency_));  // (waves)
  const at::Tensor phase = lag * turns * (2 * std::numbers::pi / static_cast<double>(length_));       // (n, waves)
  at::Tensor h = at::cat({place, phase.cos(), -phase.sin()}, 1);  // (n, 1 + 2·waves)
  for (std::size_t layer = 0; layer + 1 < layers_.size(); ++layer) h = (frequency_ * layers_[layer]->forward(h)).sin();
  const double target = std::log(100.0);
  const at::Tensor rates =
      at::linspace(target / options_.slow_decay, target / options_.fast_decay, channels_, like(frequency_));  // (C)
  return (layers_.back()->forward(h) * (place * rates).neg().exp()).t();                                      // (C, n)
}

TrainingTag SineKernel::training_tag(std::string_view, const at::Tensor& parameter) const {
  return {.decay = parameter.dim() > 1, .kernel = true, .largest_learning_rate = kLargestKernelRate};
}

std::int64_t SineKernel::flops(std::int64_t volumes) const {
  const std::int64_t inputs = 1 + 2 * options_.waves, w = options_.width;
  const std::int64_t products = w * (inputs + options_.layers * w + channels_);
  return std::min(volumes, length_) * (2 * products + 10 * (options_.layers + 1) * w + 11 * channels_);
}

BandLimitedKernel::BandLimitedKernel(std::int64_t channels, std::int64_t taps, std::int64_t coefficients,
                                     at::Generator& generator)
    : FiniteKernel(channels, taps) {
  if (coefficients < 1 || coefficients > taps) {
    throw UsageError(fmt::format("a band-limited kernel of {} coefficients and {} taps; expected 1 to {} coefficients",
                                 coefficients, taps, taps));
  }
  const double deviation = 1 / std::sqrt(static_cast<double>(taps * coefficients));
  coefficients_ =
      register_parameter("coefficients", at::empty({channels, coefficients}).normal_(0, deviation, generator));
}

at::Tensor BandLimitedKernel::taps(std::int64_t volumes) const {
  const at::Tensor places = (lags(std::min(volumes, length_), coefficients_) + 0.5) / static_cast<double>(length_);
  const at::Tensor waves = lags(coefficients_.size(1), coefficients_).unsqueeze(1) * std::numbers::pi;
  return coefficients_.matmul((waves * places).cos());  // (C, M) · (M, n)
}

TrainingTag BandLimitedKernel::training_tag(std::string_view, const at::Tensor&) const {
  return {.decay = false, .kernel = true};
}

std::int64_t BandLimitedKernel::flops(std::int64_t volumes) const {
  return std::min(volumes, length_) * coefficients_.size(1) * (2 * channels_ + 10);
}

ShiftKernel::ShiftKernel(std::int64_t channels, std::int64_t taps, at::Generator& generator)
    : FiniteKernel(channels, taps) {
  const double bound = 1 / std::sqrt(static_cast<double>(taps));
  at::Tensor newest = at::zeros({channels, taps});
  newest.select(1, 0).fill_(1);
  b_ = register_parameter("b", newest);
  c_ = register_parameter("c", at::empty({channels, taps}).uniform_(-bound, bound, generator));
}

at::Tensor ShiftKernel::taps(std::int64_t volumes) const {
  // Σ_n B[n]·C[n + i] is the convolution of B with C reversed, at L − 1 − i.
  const at::Tensor reversed = long_convolution(b_.t().unsqueeze(0), c_.flip(1), LagConvention::causal)[0].t();
  return reversed.flip(1).narrow(1, 0, std::min(volumes, length_));
}

TrainingTag ShiftKernel::training_tag(std::string_view name, const at::Tensor& parameter) const {
  return name == "c" ? usual_tag(parameter) : kDynamics;
}

std::int64_t ShiftKernel::flops(std::int64_t) const { return convolution_flops(channels_, length_, length_); }

}  // namespace noema
