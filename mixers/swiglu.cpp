#include "noema/mixers/swiglu.h"

#include <ATen/ops/silu.h>

#include "noema/mixers/flops.h"
#include "noema/mixers/shared_options.h"

namespace noema {

void SwiGluOptions::validate() const {
  require_option(channels >= 1, "SwiGLU", "channels", static_cast<double>(channels), "at least 1");
  require_option(hidden >= 0, "SwiGLU", "hidden", static_cast<double>(hidden), "at least 1, or 0 for 8·channels / 3");
  require_dropout("SwiGLU", "dropout", dropout);
}

SwiGlu::SwiGlu(const SwiGluOptions& options, at::Generator& generator)
    : options_((options.validate(), options)),
      hidden_(options.hidden > 0 ? options.hidden : (8 * options.channels + 2) / 3),
      norm_(register_module("norm", std::make_shared<LayerNorm>(options.channels))),
      input_(register_module("input", std::make_shared<Linear>(options.channels, 2 * hidden_, generator))),
      output_(register_module("output", std::make_shared<Linear>(hidden_, options.channels, generator))) {}

at::Tensor SwiGlu::forward(const at::Tensor& x, const at::Tensor& /*mask*/, const Draws& draws) const {
  const auto parts = input_->forward(norm_->forward(x)).chunk(2, -1);  // g, v
  return x + dropout(output_->forward(at::silu(parts[0]) * parts[1]), options_.dropout, draws);
}

std::int64_t SwiGlu::flops(std::int64_t volumes) const {
  const std::int64_t channels = options_.channels;
  return product_flops(volumes, channels, 3 * hidden_) +
         volumes * (channels * (kNormFlops + 1) + hidden_ * (kActivationFlops + 1));
}

}  // namespace noema
