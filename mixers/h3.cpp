#include "noema/mixers/h3.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "noema/core/error.h"
#include "noema/mixers/long_convolution.h"

namespace noema {

void H3Options::validate() const {
  if (channels < 1 || head_size < 1 || channels % head_size != 0) {
    throw UsageError(fmt::format("H3 of {} channels and heads of {}; expected a multiple of the size of a head",
                                 channels, head_size));
  }
  if (shift_taps < 1) throw UsageError(fmt::format("H3 with a shift of {} taps, expected at least 1", shift_taps));
  if (!(dropout >= 0 && dropout < 1)) {
    throw UsageError(fmt::format("H3 with a dropout of {}, expected a number from 0 to below 1", dropout));
  }
  state_space.validate();
}

/// (B, T, C) each; keys and values are 0 where padded.
struct H3::Parts {
  at::Tensor query, key, value;
};

H3::H3(const H3Options& options, at::Generator& generator)
    : options_((options.validate(), options)),
      norm_(register_module("norm", std::make_shared<LayerNorm>(options.channels))),
      input_(register_module("input", std::make_shared<Linear>(options.channels, 3 * options.channels, generator))),
      output_(register_module("output", std::make_shared<Linear>(options.channels, options.channels, generator))),
      shift_(register_module("shift_kernel",
                             std::make_shared<ShiftKernel>(options.channels, options.shift_taps, generator))),
      memory_(register_module("memory_kernel", std::make_shared<StateSpaceKernel>(options.channels / options.head_size,
                                                                                  options.state_space, generator))),
      shift_skip_(register_parameter("shift_skip", at::empty({options.channels}).normal_(0, 1, generator))),
      memory_skip_(register_parameter("memory_skip",
                                      at::empty({options.channels / options.head_size}).normal_(0, 1, generator))) {}

H3::Parts H3::parts_of(const at::Tensor& x, const at::Tensor& mask) const {
  const auto parts = input_->forward(norm_->forward(x)).chunk(3, 2);
  if (!mask.defined()) return {parts[0], parts[1], parts[2]};
  return {parts[0], parts[1] * mask, parts[2] * mask};
}

/// k'[i]·val[j] of each head, as windows of a channel for each head: (B·d·d, T, C/d).
at::Tensor H3::products(const at::Tensor& key, const at::Tensor& value) const {
  const std::int64_t d = options_.head_size;
  if (d == 1) return key * value;
  const std::int64_t batch = key.size(0), volumes = key.size(1), heads = key.size(2) / d;
  const at::Tensor outer = key.reshape({batch, volumes, heads, d, 1}) * value.reshape({batch, volumes, heads, 1, d});
  return outer.permute({0, 3, 4, 1, 2}).reshape({batch * d * d, volumes, heads});
}

at::Tensor H3::output_of(const at::Tensor& x, const at::Tensor& query, const at::Tensor& memory,
                         const Draws& draws) const {
  const std::int64_t d = options_.head_size;
  at::Tensor read = query;
  if (d == 1) {
    read = query * memory;
  } else {
    const std::int64_t batch = query.size(0), volumes = query.size(1), heads = query.size(2) / d;
    const at::Tensor y = memory.reshape({batch, d, d, volumes, heads}).permute({0, 3, 4, 1, 2});  // (B, T, H, i, j)
    read = (query.reshape({batch, volumes, heads, d, 1}) * y).sum(3).reshape(query.sizes());
  }
  return x + noema::dropout(output_->forward(read), options_.dropout, draws);
}

at::Tensor H3::forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const {
  const Parts parts = parts_of(x, mask);
  const std::int64_t volumes = x.size(1);
  const ConvolutionExtras extras{.precision = options_.precision};
  const at::Tensor key = long_convolution(parts.key, shift_->taps(volumes), LagConvention::causal, shift_skip_, extras);
  const at::Tensor kv = products(key, parts.value);
  const at::Tensor memory = long_convolution(kv, memory_->taps(volumes), LagConvention::causal, memory_skip_, extras);
  return output_of(x, parts.query, memory, draws);
}

MixerState H3::initial_state(std::int64_t batch) const {
  return {shift_->initial_state(batch), memory_->initial_state(batch * options_.head_size * options_.head_size)};
}

at::Tensor H3::advance(const at::Tensor& x, MixerState& state) const {
  const Parts parts = parts_of(x, {});
  const at::Tensor key = shift_->advance(parts.key, state.at(0)) + shift_skip_ * parts.key;
  const at::Tensor kv = products(key, parts.value);
  const at::Tensor memory = memory_->advance(kv, state.at(1)) + memory_skip_ * kv;
  return output_of(x, parts.query, memory, {});
}

std::int64_t H3::flops(std::int64_t volumes) const {
  const std::int64_t channels = options_.channels, d = options_.head_size;
  const std::int64_t pointwise = volumes * channels * (8 * channels + 16 + 5 * d);  // linear maps; norm; products
  return pointwise + shift_->flops(volumes) + memory_->flops(volumes) +
         convolution_flops(channels, volumes, options_.shift_taps) + convolution_flops(channels * d, volumes, volumes);
}

std::int64_t H3::state_bytes() const {
  return shift_->state_bytes() + options_.head_size * options_.head_size * memory_->state_bytes();
}

}  // namespace noema
