#include "noema/mixers/gated_long_conv.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "noema/mixers/flops.h"
#include "noema/mixers/free_taps_options.h"
#include "noema/mixers/shared_options.h"

namespace noema {

void GatedLongConvOptions::validate() const {
  require_long_kernel("gated long convolution", long_kernel_of(*this));
  require_free_taps("gated long convolution", *this);
  require_option(short_taps >= 1, "gated long convolution", "short_taps", static_cast<double>(short_taps),
                 "at least 1");
  require_dropout("gated long convolution", "dropout", dropout);
}

GatedLongConv::GatedLongConv(const GatedLongConvOptions& options, at::Generator& generator)
    : options_((options.validate(), options)), kernel_(*this, "kernel", long_kernel_of(options), generator) {
  const std::int64_t channels = options.channels;
  const auto normal = [&] { return at::empty({channels}).normal_(0, 1, generator); };
  if (options.residual) residual_kernel_ = LongKernel(*this, "residual_kernel", long_kernel_of(options), generator);
  short_kernel_ = register_parameter(
      "short_kernel", uniform_kernel(3 * channels, options.short_taps, LagConvention::causal, generator));
  const double bound = 1 / std::sqrt(static_cast<double>(options.short_taps));
  short_bias_ = register_parameter("short_bias", at::empty({3 * channels}).uniform_(-bound, bound, generator));
  skip_ = register_parameter("skip", normal());
  if (options.residual) residual_skip_ = register_parameter("residual_skip", normal());
  norm_ = register_module("norm", std::make_shared<LayerNorm>(channels));
  input_ = register_module("input", std::make_shared<Linear>(channels, 3 * channels, generator));
  output_ = register_module("output", std::make_shared<Linear>(channels, channels, generator));
}

at::Tensor GatedLongConv::forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const {
  const LagConvention convention = options_.convention;
  const std::int64_t volumes = x.size(1);
  const at::Tensor u = norm_->forward(x) * mask;
  const at::Tensor projected = input_->forward(u) * mask;
  const at::Tensor near = long_convolution(projected, short_kernel_, LagConvention::causal) + short_bias_;
  const auto parts = near.chunk(3, -1);  // x₁, x₂, v
  at::Tensor y = long_convolution(parts[2], kernel_.taps(volumes, draws), convention, skip_,
                                  {.before = parts[0] * mask, .behind = parts[1], .precision = options_.precision});
  if (options_.residual) {
    y = y + long_convolution(u, residual_kernel_.taps(volumes, draws), convention, residual_skip_,
                             {.precision = options_.precision});
  }
  return x + dropout(output_->forward(y), options_.dropout, draws);
}

MixerState GatedLongConv::initial_state(std::int64_t batch) const {
  if (!has_recurrence()) return Mixer::initial_state(batch);
  const auto like = skip_.options().requires_grad(false);
  MixerState state{at::zeros({batch, options_.short_taps - 1, 3 * options_.channels}, like),
                   kernel_.initial_state(batch)};
  if (options_.residual) state.push_back(residual_kernel_.initial_state(batch));
  return state;
}

at::Tensor GatedLongConv::advance(const at::Tensor& x, MixerState& state) const {
  if (!has_recurrence()) return Mixer::advance(x, state);
  const at::Tensor u = norm_->forward(x);
  const at::Tensor near = continued_convolution(input_->forward(u), short_kernel_, state.at(0)) + short_bias_;
  const auto parts = near.chunk(3, -1);
  const at::Tensor v = parts[0] * parts[2];
  at::Tensor y = parts[1] * (kernel_.advance(v, state.at(1)) + skip_ * v);
  if (options_.residual) y = y + residual_kernel_.advance(u, state.at(2)) + residual_skip_ * u;
  return x + output_->forward(y);
}

TrainingTag GatedLongConv::training_tag(std::string_view name, const at::Tensor& parameter) const {
  return name == "kernel" || name == "residual_kernel" ? kFreeTaps : Mixer::training_tag(name, parameter);
}

std::int64_t GatedLongConv::flops(std::int64_t volumes) const {
  const std::int64_t channels = options_.channels;
  const std::int64_t residual = options_.residual ? residual_kernel_.flops(volumes) + 3 * volumes * channels : 0;
  const std::int64_t pointwise = kNormFlops + 3 + 2 + 3;  // norm, offsets o, gates, D and sums
  return kernel_.flops(volumes) + residual + convolution_flops(3 * channels, volumes, options_.short_taps) +
         product_flops(volumes, channels, 4 * channels) + volumes * channels * pointwise;
}

std::int64_t GatedLongConv::state_bytes() const {
  const std::int64_t value = options_.channels * static_cast<std::int64_t>(skip_.element_size());
  const std::int64_t near = 3 * (options_.short_taps - 1) * value;
  if (has_recurrence()) {
    return near + kernel_.state_bytes() + (options_.residual ? residual_kernel_.state_bytes() : 0);
  }
  const std::int64_t convolved = options_.residual ? 2 : 1;
  return near + (convolved * kernel_.volumes_at_hand() + 2 * kernel_.volumes_waiting()) * value;
}

}  // namespace noema
