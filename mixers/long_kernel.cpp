#include "noema/mixers/long_kernel.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/avg_pool1d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace noema {
namespace {

/// The mean over `width` taps along the last axis.
at::Tensor moving_mean(const at::Tensor& kernel, std::int64_t width, bool count_padding) {
  return at::avg_pool1d(kernel, {width}, {1}, {width / 2}, /*ceil_mode=*/false, count_padding);
}

}  // namespace

at::Tensor starting_kernel(std::int64_t channels, std::int64_t taps, LagConvention convention, KernelStart start,
                           at::Generator& generator) {
  const auto side = [&](double first_lag) {
    const at::Tensor noise = at::empty({channels, taps}).normal_(0, 1, generator);
    const at::Tensor places = at::arange(taps, at::TensorOptions(at::kFloat)).unsqueeze(0);  // (1, L)
    if (start == KernelStart::random) return noise * 0.002;
    if (start == KernelStart::decay) return noise * 0.02 + ((places + first_lag) * -0.5).exp() * 0.3;
    const at::Tensor channel = at::arange(channels, at::TensorOptions(at::kFloat)).unsqueeze(1);  // (C, 1)
    const double half = std::max<double>(1, std::floor(static_cast<double>(channels) / 2));
    const at::Tensor rates = at::pow(half, channel / static_cast<double>(channels));
    return noise * 0.02 * (places / static_cast<double>(taps) * rates).neg().exp();
  };
  KernelSides sides{side(0), {}};
  if (convention != LagConvention::causal) sides.future = side(1);
  return joined(sides, convention);
}

at::Tensor uniform_kernel(std::int64_t channels, std::int64_t taps, LagConvention convention,
                          at::Generator& generator) {
  const double bound = 1 / std::sqrt(static_cast<double>(taps));
  const auto side = [&] { return at::empty({channels, taps}).uniform_(-bound, bound, generator); };
  KernelSides sides{side(), {}};
  if (convention != LagConvention::causal) sides.future = side();
  return joined(sides, convention);
}

at::Tensor squash(const at::Tensor& kernel, double threshold) {
  return kernel.sign() * (kernel.abs() - threshold).clamp_min(0);
}

at::Tensor smooth(const at::Tensor& kernel, LagConvention convention, std::int64_t width, bool published) {
  if (width == 1) return kernel;
  if (published || convention == LagConvention::causal) return moving_mean(kernel, width, published);
  const KernelSides sides = sides_of(kernel, convention);
  const std::int64_t taps = sides.past.size(1);
  const at::Tensor by_lag = moving_mean(at::cat({sides.future.flip(1), sides.past}, 1), width, false);
  return joined({by_lag.narrow(1, taps, taps), by_lag.narrow(1, 0, taps).flip(1)}, convention);
}

LongKernel::LongKernel(torch::nn::Module& owner, const std::string& name, const LongKernelOptions& options,
                       at::Generator& generator)
    : options_(options) {
  if (options.kernel.kind == KernelKind::taps) {
    free_taps_ = owner.register_parameter(
        name, starting_kernel(options.channels, options.taps, options.convention, options.start, generator));
    return;
  }
  const auto side = [&](const std::string& module) {
    return owner.register_module(module, make_kernel(options.kernel, options.channels, options.taps, generator));
  };
  past_ = side(name);
  if (two_sided()) future_ = side("future_" + name);
}

at::Tensor LongKernel::taps(std::int64_t volumes, const Draws& draws) const {
  if (past_) {
    return joined({past_->taps(volumes), future_ ? future_->taps(volumes) : at::Tensor()}, options_.convention);
  }
  const at::Tensor smoothed =
      smooth(free_taps_, options_.convention, options_.smooth_width, options_.published_smoothing);
  const at::Tensor taps = options_.squash_threshold > 0 ? squash(smoothed, options_.squash_threshold) : smoothed;
  return noema::dropout(taps, options_.dropout, draws);
}

at::Tensor LongKernel::initial_state(std::int64_t batch) const {
  if (past_) return past_->initial_state(batch);
  return at::zeros({batch, options_.taps - 1, options_.channels}, free_taps_.options().requires_grad(false));
}

at::Tensor LongKernel::advance(const at::Tensor& u, at::Tensor& state) const {
  return past_ ? past_->advance(u, state) : continued_convolution(u, taps(options_.taps, {}), state);
}

std::int64_t LongKernel::state_bytes() const {
  if (past_) return past_->state_bytes();
  return (options_.taps - 1) * options_.channels * static_cast<std::int64_t>(free_taps_.element_size());
}

std::int64_t LongKernel::flops(std::int64_t volumes) const {
  const std::int64_t made = (past_ ? past_->flops(volumes) : 0) + (future_ ? future_->flops(volumes) : 0);
  return made + convolution_flops(options_.channels, volumes, ends() ? options_.taps : volumes, two_sided());
}

}  // namespace noema
