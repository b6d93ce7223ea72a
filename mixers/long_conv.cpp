#include "noema/mixers/long_conv.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/ones.h>

#include <memory>

namespace noema {

void LongConvOptions::validate() const {
  const auto require = [](bool good, const char* name, double found, const char* expected) {
    require_option(good, "long convolution", name, found, expected);
  };
  require(channels >= 1, "channels", static_cast<double>(channels), "at least 1");
  require(taps >= 1, "taps", static_cast<double>(taps), "at least 1");
  require(squash_threshold >= 0, "squash_threshold", squash_threshold, "a number from 0 on");
  require(smooth_width >= 1 && smooth_width % 2 == 1, "smooth_width", static_cast<double>(smooth_width),
          "an odd number");
  require(kernel_dropout >= 0 && kernel_dropout < 1, "kernel_dropout", kernel_dropout, "a number from 0 to below 1");
  require(dropout >= 0 && dropout < 1, "dropout", dropout, "a number from 0 to below 1");
}

LongConv::LongConv(const LongConvOptions& options, at::Generator& generator)
    : options_((options.validate(), options)),
      kernel_(*this, "kernel",
              {.channels = options.channels,
               .taps = options.taps,
               .kernel = options.kernel,
               .convention = options.convention,
               .start = options.start,
               .squash_threshold = options.squash_threshold,
               .smooth_width = options.smooth_width,
               .published_smoothing = options.published_smoothing,
               .dropout = options.kernel_dropout},
              generator),
      skip_(register_parameter("skip", at::ones({options.channels}))),
      norm_(register_module("norm", std::make_shared<LayerNorm>(options.channels))),
      output_(register_module("output", std::make_shared<Linear>(options.channels, 2 * options.channels, generator))) {}

at::Tensor LongConv::output_of(const at::Tensor& x, const at::Tensor& mixed, const Draws& draws) const {
  const at::Tensor active = noema::dropout(at::gelu(mixed), options_.dropout, draws);
  return x + at::glu(output_->forward(active), -1);
}

at::Tensor LongConv::forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const {
  const at::Tensor v = norm_->forward(x) * mask;
  return output_of(x, long_convolution(v, kernel_.taps(x.size(1), draws), options_.convention, skip_), draws);
}

MixerState LongConv::initial_state(std::int64_t batch) const {
  if (!has_recurrence()) return Mixer::initial_state(batch);
  return {kernel_.initial_state(batch)};
}

at::Tensor LongConv::advance(const at::Tensor& x, MixerState& state) const {
  if (!has_recurrence()) return Mixer::advance(x, state);
  const at::Tensor v = norm_->forward(x);
  return output_of(x, kernel_.advance(v, state.at(0)) + skip_ * v, {});
}

TrainingTag LongConv::training_tag(std::string_view name, const at::Tensor& parameter) const {
  return name == "kernel" ? kFreeTaps : Mixer::training_tag(name, parameter);
}

std::int64_t LongConv::flops(std::int64_t volumes) const {
  const std::int64_t channels = options_.channels;
  return kernel_.flops(volumes) + volumes * (4 * channels + 30) * channels;  // linear; norm, GELU, GLU of a channel
}

std::int64_t LongConv::state_bytes() const {
  if (has_recurrence()) return kernel_.state_bytes();
  const std::int64_t kept = kernel_.volumes_at_hand() + kernel_.volumes_waiting();
  return kept * options_.channels * static_cast<std::int64_t>(skip_.element_size());
}

double LongConv::alive_fraction() const {
  const at::NoGradGuard no_gradients;
  return kernel().ne(0).to(at::kDouble).mean().item<double>();
}

}  // namespace noema
