#include "noema/mixers/long_conv.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>

#include <memory>

#include "noema/mixers/flops.h"
#include "noema/mixers/free_taps_options.h"
#include "noema/mixers/gated_output.h"
#include "noema/mixers/shared_options.h"

namespace noema {

void LongConvOptions::validate() const {
  require_long_kernel("long convolution", long_kernel_of(*this));
  require_free_taps("long convolution", *this);
  require_dropout("long convolution", "dropout", dropout);
}

LongConv::LongConv(const LongConvOptions& options, at::Generator& generator)
    : options_((options.validate(), options)),
      kernel_(*this, "kernel", long_kernel_of(options), generator),
      skip_(register_parameter("skip", at::ones({options.channels}))),
      norm_(register_module("norm", std::make_shared<LayerNorm>(options.channels))),
      output_(register_module("output", std::make_shared<Linear>(options.channels, 2 * options.channels, generator))) {}

at::Tensor LongConv::output_of(const at::Tensor& x, const at::Tensor& mixed, const Draws& draws) const {
  return x + gated_output(mixed, *output_, options_.dropout, draws);
}

at::Tensor LongConv::forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const {
  const at::Tensor v = norm_->forward(x) * mask;
  return output_of(x,
                   long_convolution(v, kernel_.taps(x.size(1), draws), options_.convention, skip_,
                                    {.precision = options_.precision}),
                   draws);
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
  return kernel_.flops(volumes) + product_flops(volumes, channels, 2 * channels) +
         volumes * channels * (kNormFlops + 2 + 2 * kActivationFlops);  // norm, D and sum, GELU and GLU
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
