#include "noema/mixers/gated_long_conv.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "noema/mixers/flops.h"

namespace noema {

void GatedLongConvOptions::validate() const {
  const auto require = [](bool good, const char* name, double found, const char* expected) {
    require_option(good, "gated long convolution", name, found, expected);
  };
  require(channels >= 1, "channels", static_cast<double>(channels), "at least 1");
  require(taps >= 1, "taps", static_cast<double>(taps), "at least 1");
  require(short_taps >= 1, "short_taps", static_cast<double>(short_taps), "at least 1");
  require(squash_threshold >= 0, "squash_threshold", squash_threshold, "a number from 0 on");
  require(kernel_dropout >= 0 && kernel_dropout < 1, "kernel_dropout", kernel_dropout, "a number from 0 to below 1");
  require(dropout >= 0 && dropout < 1, "dropout", dropout, "a number from 0 to below 1");
}

GatedLongConv::GatedLongConv(const GatedLongConvOptions& options, at::Generator& generator)
    : options_((options.validate(), options)) {
  const std::int64_t channels = options.channels;
  const auto long_kernel = [&] {
    return starting_kernel(channels, options.taps, options.convention, options.start, generator);
  };
  kernel_ = register_parameter("kernel", long_kernel());
  if (options.residual) residual_kernel_ = register_parameter("residual_kernel", long_kernel());
  short_kernel_ = register_parameter(
      "short_kernel", uniform_kernel(3 * channels, options.short_taps, LagConvention::causal, generator));
  skip_ = register_parameter("skip", at::empty({channels}).normal_(0, 1, generator));
  norm_ = register_module("norm", std::make_shared<LayerNorm>(channels));
  input_ = register_module("input", std::make_shared<Linear>(channels, 3 * channels, generator));
  output_ = register_module("output", std::make_shared<Linear>(channels, channels, generator));
}

at::Tensor GatedLongConv::applied(const at::Tensor& kernel, const Draws& draws) const {
  const at::Tensor taps = options_.squash_threshold > 0 ? squash(kernel, options_.squash_threshold) : kernel;
  return noema::dropout(taps, options_.kernel_dropout, draws);
}

at::Tensor GatedLongConv::forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const {
  const at::Tensor u = norm_->forward(x) * mask;
  const at::Tensor projected = input_->forward(u) * mask;
  const auto parts = long_convolution(projected, short_kernel_, LagConvention::causal).chunk(3, -1);  // x₁, x₂, v
  at::Tensor y = long_convolution(parts[2], applied(kernel_, draws), options_.convention, skip_,
                                  {.before = parts[0] * mask, .behind = parts[1]});
  if (options_.residual) y = y + long_convolution(u, applied(residual_kernel_, draws), options_.convention);
  return x + dropout(output_->forward(y), options_.dropout, draws);
}

MixerState GatedLongConv::initial_state(std::int64_t batch) const {
  if (!has_recurrence()) return Mixer::initial_state(batch);
  const std::int64_t channels = options_.channels;
  const auto none = [&](std::int64_t volumes, std::int64_t width) {
    return at::zeros({batch, volumes, width}, skip_.options().requires_grad(false));
  };
  MixerState state{none(options_.short_taps - 1, 3 * channels), none(options_.taps - 1, channels)};
  if (options_.residual) state.push_back(none(options_.taps - 1, channels));
  return state;
}

at::Tensor GatedLongConv::advance(const at::Tensor& x, MixerState& state) const {
  if (!has_recurrence()) return Mixer::advance(x, state);
  const at::Tensor u = norm_->forward(x);
  const auto parts = continued_convolution(input_->forward(u), short_kernel_, state.at(0)).chunk(3, -1);
  const at::Tensor v = parts[0] * parts[2];
  at::Tensor y = parts[1] * (continued_convolution(v, applied(kernel_, {}), state.at(1)) + skip_ * v);
  if (options_.residual) y = y + continued_convolution(u, applied(residual_kernel_, {}), state.at(2));
  return x + output_->forward(y);
}

std::int64_t GatedLongConv::flops(std::int64_t volumes) const {
  const std::int64_t channels = options_.channels, convolutions = options_.residual ? 2 : 1;
  const std::int64_t pointwise = kNormFlops + 2 + 2 + convolutions;  // norm, gates, D, sums
  const std::int64_t taps = has_recurrence() ? options_.taps : 2 * options_.taps;
  return convolutions * convolution_flops(channels, volumes, taps) +
         convolution_flops(3 * channels, volumes, options_.short_taps) +
         product_flops(volumes, channels, 4 * channels) + volumes * channels * pointwise;
}

std::int64_t GatedLongConv::state_bytes() const {
  const std::int64_t series = options_.residual ? 2 : 1;
  const std::int64_t kept = has_recurrence() ? 3 * (options_.short_taps - 1) + series * (options_.taps - 1)
                                             : 3 * (options_.short_taps - 1) + (series + 1) * (2 * options_.taps - 1);
  return kept * options_.channels * static_cast<std::int64_t>(kernel_.element_size());
}

}  // namespace noema
