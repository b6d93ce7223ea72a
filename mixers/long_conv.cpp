#include "noema/mixers/long_conv.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/avg_pool1d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "noema/core/error.h"
#include "noema/kernels/long_conv_op.h"

namespace noema {
namespace {

/// The next length with prime factors 2, 3 and 5 alone.
std::int64_t fast_length(std::int64_t least) {
  for (std::int64_t n = least;; ++n) {
    std::int64_t rest = n;
    for (const std::int64_t factor : {2, 3, 5}) {
      while (rest % factor == 0) rest /= factor;
    }
    if (rest == 1) return n;
  }
}

/// A kernel as its two sides: lags 0, 1, … and lags −1, −2, …; `past` may be undefined.
struct Sides {
  at::Tensor past;    // (C, L)
  at::Tensor future;  // (C, L)
};

Sides sides_of(const at::Tensor& kernel, LagConvention convention) {
  switch (convention) {
    case LagConvention::causal:
      return {kernel, {}};
    case LagConvention::bidirectional:
      return {kernel.select(0, 0), kernel.select(0, 1)};
    case LagConvention::ring: {
      const std::int64_t taps = kernel.size(1) / 2;
      return {kernel.narrow(1, 0, taps), kernel.narrow(1, taps, taps).flip(1)};
    }
  }
  throw UsageError("unknown lag convention");
}

at::Tensor join(const Sides& sides, LagConvention convention) {
  switch (convention) {
    case LagConvention::causal:
      return sides.past;
    case LagConvention::bidirectional:
      return at::cat({sides.past.unsqueeze(0), sides.future.unsqueeze(0)}, 0);
    case LagConvention::ring:
      return at::cat({sides.past, sides.future.flip(1)}, 1);
  }
  throw UsageError("unknown lag convention");
}

void check_shapes(const at::Tensor& u, const at::Tensor& kernel, LagConvention convention) {
  const bool two = convention == LagConvention::bidirectional;
  const bool fits = u.dim() == 3 && u.size(1) > 0 && kernel.dim() == (two ? 3 : 2) && (!two || kernel.size(0) == 2) &&
                    kernel.size(-2) == u.size(2) && kernel.size(-1) > 0 &&
                    (convention != LagConvention::ring || kernel.size(1) % 2 == 0);
  if (fits) return;
  throw ShapeError(fmt::format(
      "found a series of shape [{}] and a kernel of shape [{}], expected (batch, time, channels) and {}",
      fmt::join(u.sizes(), ", "), fmt::join(kernel.sizes(), ", "),
      two ? "(2, channels, taps)"
          : (convention == LagConvention::ring ? "(channels, an even number of taps)" : "(channels, taps)")));
}

/// The mean over `width` taps along the last axis.
at::Tensor moving_mean(const at::Tensor& kernel, std::int64_t width, bool count_padding) {
  return at::avg_pool1d(kernel, {width}, {1}, {width / 2}, /*ceil_mode=*/false, count_padding);
}

void require(bool good, const char* name, double found, const char* expected) {
  if (!good) throw UsageError(fmt::format("long convolution option {} is {}, expected {}", name, found, expected));
}

}  // namespace

namespace {

/// By LibTorch's transforms: any dtype and device, and gradients of gradients.
at::Tensor convolved_by_libtorch(const at::Tensor& u, const Sides& sides) {
  const std::int64_t volumes = u.size(1);
  const std::int64_t past = std::min(volumes, sides.past.size(1));
  const std::int64_t future = sides.future.defined() ? std::min(volumes - 1, sides.future.size(1)) : 0;
  // Long enough that what wraps around falls outside of the volumes that are kept.
  const std::int64_t length = fast_length(volumes + std::max(past - 1, future));

  at::Tensor circular = sides.past.narrow(1, 0, past);
  if (future > 0) {
    // Lag −1 stands last on the circle. Both sides fit: past + future ≤ 2T − 1, and the gap between them may be empty.
    const std::int64_t circle = std::max(length, fast_length(past + future));
    circular = at::constant_pad_nd(circular, {0, circle - past - future});
    circular = at::cat({circular, sides.future.narrow(1, 0, future).flip(1)}, 1);
  }
  const std::int64_t circle = std::max(length, circular.size(1));
  const at::Tensor spectrum = at::fft_rfft(u, circle, 1) * at::fft_rfft(circular.t(), circle, 0);  // (B, circle/2+1, C)
  return at::fft_irfft(spectrum, circle, 1).narrow(1, 0, volumes);
}

}  // namespace

at::Tensor long_convolution(const at::Tensor& u, const at::Tensor& kernel, LagConvention convention,
                            const at::Tensor& skip, const ConvolutionGates& gates) {
  check_shapes(u, kernel, convention);
  const Sides sides = sides_of(kernel, convention);
  const auto for_loops = [](const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; };
  if (for_loops(u) && for_loops(kernel)) {
    LongConvExtras extras;
    if (sides.future.defined()) extras.future = sides.future;
    if (skip.defined()) extras.skip = skip;
    if (gates.before.defined()) extras.pre = gates.before;
    if (gates.behind.defined()) extras.post = gates.behind;
    return long_conv(u, sides.past, extras);
  }
  const at::Tensor v = gates.before.defined() ? gates.before * u : u;
  const at::Tensor convolved = convolved_by_libtorch(v, sides);
  const at::Tensor y = skip.defined() ? convolved + skip * v : convolved;
  return gates.behind.defined() ? gates.behind * y : y;
}

at::Tensor continued_convolution(const at::Tensor& u, const at::Tensor& kernel, at::Tensor& state) {
  const at::Tensor all = at::cat({state, u}, 1);  // (B, L − 1 + T, C)
  const std::int64_t before = state.size(1);
  state = all.narrow(1, u.size(1), before).clone();
  return long_convolution(all, kernel, LagConvention::causal).narrow(1, before, u.size(1));
}

std::int64_t convolution_flops(std::int64_t channels, std::int64_t volumes, std::int64_t taps) {
  const std::int64_t reach = std::min(volumes, taps);
  const auto length = static_cast<double>(fast_length(volumes + reach - 1));
  const double transform = 2.5 * length * std::log2(length);  // of one real series
  const double row = 3 * transform + 6 * (length / 2 + 1);    // series, kernel, and back
  return channels * std::min(static_cast<std::int64_t>(row), 2 * volumes * reach);
}

at::Tensor starting_kernel(std::int64_t channels, std::int64_t taps, LagConvention convention, KernelStart start,
                           at::Generator& generator) {
  const auto side = [&](double first_lag) {
    const at::Tensor noise = at::empty({channels, taps}).normal_(0, 1, generator);
    const at::Tensor lags = at::arange(taps, at::TensorOptions(at::kFloat)).add(first_lag).unsqueeze(0);  // (1, L)
    if (start == KernelStart::random) return noise * 0.002;
    if (start == KernelStart::decay) return noise * 0.02 + (lags * -0.5).exp() * 0.3;
    const at::Tensor channel = at::arange(channels, at::TensorOptions(at::kFloat)).unsqueeze(1);  // (C, 1)
    const double half = std::max<double>(1, std::floor(static_cast<double>(channels) / 2));
    const at::Tensor rates = at::pow(half, channel / static_cast<double>(channels));
    return noise * 0.02 * (lags / static_cast<double>(taps) * rates).neg().exp();
  };
  Sides sides{side(0), {}};
  if (convention != LagConvention::causal) sides.future = side(1);
  return join(sides, convention);
}

at::Tensor uniform_kernel(std::int64_t channels, std::int64_t taps, LagConvention convention,
                          at::Generator& generator) {
  const double bound = 1 / std::sqrt(static_cast<double>(taps));
  const auto side = [&] { return at::empty({channels, taps}).uniform_(-bound, bound, generator); };
  Sides sides{side(), {}};
  if (convention != LagConvention::causal) sides.future = side();
  return join(sides, convention);
}

at::Tensor squash(const at::Tensor& kernel, double threshold) {
  return kernel.sign() * (kernel.abs() - threshold).clamp_min(0);
}

at::Tensor smooth(const at::Tensor& kernel, LagConvention convention, std::int64_t width, bool published) {
  if (width == 1) return kernel;
  if (published || convention == LagConvention::causal) return moving_mean(kernel, width, published);
  const Sides sides = sides_of(kernel, convention);
  const std::int64_t taps = sides.past.size(1);
  const at::Tensor by_lag = moving_mean(at::cat({sides.future.flip(1), sides.past}, 1), width, false);
  return join({by_lag.narrow(1, taps, taps), by_lag.narrow(1, 0, taps).flip(1)}, convention);
}

void LongConvOptions::validate() const {
  require(channels >= 1, "channels", static_cast<double>(channels), "at least 1");
  require(taps >= 1, "taps", static_cast<double>(taps), "at least 1");
  require(squash_threshold >= 0, "squash_threshold", squash_threshold, "a number from 0 on");
  require(smooth_width >= 1 && smooth_width % 2 == 1, "smooth_width", static_cast<double>(smooth_width),
          "an odd number");
  require(kernel_dropout >= 0 && kernel_dropout < 1, "kernel_dropout", kernel_dropout, "a number from 0 to below 1");
  require(dropout >= 0 && dropout < 1, "dropout", dropout, "a number from 0 to below 1");
}

LongConv::LongConv(const LongConvOptions& options, at::Generator& generator) : options_((options.validate(), options)) {
  if (options.kernel.kind == KernelKind::taps) {
    free_taps_ = register_parameter(
        "kernel", starting_kernel(options.channels, options.taps, options.convention, options.start, generator));
  } else {
    past_ = register_module("kernel", make_kernel(options.kernel, options.channels, options.taps, generator));
    if (options.convention != LagConvention::causal) {
      future_ =
          register_module("future_kernel", make_kernel(options.kernel, options.channels, options.taps, generator));
    }
  }
  skip_ = register_parameter("skip", at::ones({options.channels}));
  norm_ = register_module("norm", std::make_shared<LayerNorm>(options.channels));
  output_ = register_module("output", std::make_shared<Linear>(options.channels, 2 * options.channels, generator));
}

at::Tensor LongConv::output_of(const at::Tensor& x, const at::Tensor& mixed, const Draws& draws) const {
  const at::Tensor active = noema::dropout(at::gelu(mixed), options_.dropout, draws);
  return x + at::glu(output_->forward(active), -1);
}

at::Tensor LongConv::forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const {
  const at::Tensor v = norm_->forward(x) * mask;
  const at::Tensor all = kernel_of(x.size(1));
  const at::Tensor taps = past_ ? all : noema::dropout(all, options_.kernel_dropout, draws);
  return output_of(x, long_convolution(v, taps, options_.convention, skip_), draws);
}

MixerState LongConv::initial_state(std::int64_t batch) const {
  if (!has_recurrence()) return Mixer::initial_state(batch);
  if (past_) return {past_->initial_state(batch)};
  return {at::zeros({batch, options_.taps - 1, options_.channels}, skip_.options().requires_grad(false))};
}

at::Tensor LongConv::advance(const at::Tensor& x, MixerState& state) const {
  if (!has_recurrence()) return Mixer::advance(x, state);
  const at::Tensor v = norm_->forward(x);
  const at::Tensor mixed = past_ ? past_->advance(v, state.at(0)) : continued_convolution(v, kernel(), state.at(0));
  return output_of(x, mixed + skip_ * v, {});
}

std::int64_t LongConv::flops(std::int64_t volumes) const {
  const std::int64_t channels = options_.channels;
  const std::int64_t reach = past_ ? volumes : options_.taps;
  const std::int64_t kernels = (past_ ? past_->flops(volumes) : 0) + (future_ ? future_->flops(volumes) : 0);
  const std::int64_t pointwise = volumes * (4 * channels + 30) * channels;  // linear; norm, GELU, GLU of a channel
  return convolution_flops(channels, volumes, reach) + kernels + pointwise;
}

std::int64_t LongConv::state_bytes() const {
  const bool causal = options_.convention == LagConvention::causal;
  if (causal && past_) return past_->state_bytes();
  const std::int64_t kept = causal ? options_.taps - 1 : 2 * options_.taps - 1;
  return kept * options_.channels * static_cast<std::int64_t>(skip_.element_size());
}

at::Tensor LongConv::kernel_of(std::int64_t volumes) const {
  if (past_) return join({past_->taps(volumes), future_ ? future_->taps(volumes) : at::Tensor()}, options_.convention);
  const at::Tensor smoothed =
      noema::smooth(free_taps_, options_.convention, options_.smooth_width, options_.published_smoothing);
  return options_.squash_threshold > 0 ? squash(smoothed, options_.squash_threshold) : smoothed;
}

double LongConv::alive_fraction() const {
  const at::NoGradGuard no_gradients;
  return kernel().ne(0).to(at::kDouble).mean().item<double>();
}

}  // namespace noema
