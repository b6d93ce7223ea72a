#include "noema/mixers/short_conv.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "noema/mixers/flops.h"

namespace noema {

void ShortConvOptions::validate() const {
  const auto require = [](bool good, const char* name, double found, const char* expected) {
    require_option(good, "short convolution", name, found, expected);
  };
  require(channels >= 1, "channels", static_cast<double>(channels), "at least 1");
  require(taps >= 1, "taps", static_cast<double>(taps), "at least 1");
  require(dropout >= 0 && dropout < 1, "dropout", dropout, "a number from 0 to below 1");
}

ShortConv::ShortConv(const ShortConvOptions& options, at::Generator& generator)
    : options_((options.validate(), options)),
      kernel_(
          register_parameter("kernel", uniform_kernel(options.channels, options.taps, options.convention, generator))),
      norm_(register_module("norm", std::make_shared<LayerNorm>(options.channels))),
      input_(register_module("input", std::make_shared<Linear>(options.channels, 3 * options.channels, generator))),
      output_(register_module("output", std::make_shared<Linear>(options.channels, options.channels, generator))) {}

at::Tensor ShortConv::forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const {
  const auto parts = input_->forward(norm_->forward(x)).chunk(3, -1);  // b, c, v
  const at::Tensor mixed =
      long_convolution(parts[2], kernel_, options_.convention, {}, {.before = parts[0] * mask, .behind = parts[1]});
  return x + dropout(output_->forward(mixed), options_.dropout, draws);
}

MixerState ShortConv::initial_state(std::int64_t batch) const {
  if (!has_recurrence()) return Mixer::initial_state(batch);
  return {at::zeros({batch, options_.taps - 1, options_.channels}, kernel_.options().requires_grad(false))};
}

at::Tensor ShortConv::advance(const at::Tensor& x, MixerState& state) const {
  if (!has_recurrence()) return Mixer::advance(x, state);
  const auto parts = input_->forward(norm_->forward(x)).chunk(3, -1);
  return x + output_->forward(parts[1] * continued_convolution(parts[0] * parts[2], kernel_, state.at(0)));
}

std::int64_t ShortConv::flops(std::int64_t volumes) const {
  const std::int64_t channels = options_.channels;
  return convolution_flops(channels, volumes, options_.taps, !has_recurrence()) +
         product_flops(volumes, channels, 4 * channels) + volumes * channels * (kNormFlops + 3);  // gates, sum
}

std::int64_t ShortConv::state_bytes() const {
  const std::int64_t taps = options_.taps;
  const std::int64_t kept = has_recurrence() ? taps - 1 : (2 * taps - 1) + 2 * taps;
  return kept * options_.channels * static_cast<std::int64_t>(kernel_.element_size());
}

}  // namespace noema
