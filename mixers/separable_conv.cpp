#include "noema/mixers/separable_conv.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "noema/core/error.h"
#include "noema/mixers/flops.h"
#include "noema/mixers/gated_output.h"
#include "noema/mixers/shared_options.h"

namespace noema {
namespace {

/// Two-sided for space, causal for time; of all taps the sum is 1 for each channel.
at::Tensor starting_taps(std::int64_t channels, std::int64_t taps, bool two_sided, at::Generator& generator) {
  const auto side = [&](double first_lag) {
    const at::Tensor lags = at::arange(taps, at::TensorOptions(at::kFloat)).add(first_lag);
    return at::empty({channels, taps}).normal_(0, 0.02, generator) + lags.neg().exp();
  };
  const at::Tensor past = side(0);
  if (!two_sided) return past / past.sum(1, true);
  const at::Tensor both = at::cat({past.unsqueeze(0), side(1).unsqueeze(0)}, 0);
  return both / both.sum(at::IntArrayRef{0, 2}, true);
}

}  // namespace

at::Tensor separable_convolution(const at::Tensor& x, const std::vector<AxisKernel>& kernels) {
  at::Tensor y = x;
  for (const AxisKernel& kernel : kernels) {
    if (kernel.axis < 0 || kernel.axis >= x.dim() - 1) {
      throw ShapeError(fmt::format("found a kernel along axis {} of a tensor of shape [{}], expected one but the last",
                                   kernel.axis, fmt::join(x.sizes(), ", ")));
    }
    const at::Tensor turned = y.movedim(kernel.axis, -2);
    const at::Tensor lines = turned.reshape({-1, turned.size(-2), turned.size(-1)});
    y = long_convolution(lines, kernel.taps, kernel.convention).view(turned.sizes()).movedim(-2, kernel.axis);
  }
  return y;
}

void SeparableConvOptions::validate() const {
  const auto require = [](bool good, const char* name, std::int64_t found, const char* expected) {
    require_option(good, "separable convolution", name, static_cast<double>(found), expected);
  };
  for (const std::int64_t size : grid) require(size >= 1, "grid", size, "at least 1 along each axis");
  require(features >= 2, "features", features, "at least 2, of which the norm leaves something");
  for (const std::int64_t side : taps) require(side >= 0, "taps", side, "at least 1, or 0 for none, along each axis");
  require(time_taps >= 0, "time_taps", time_taps, "at least 1, or 0 for none");
  require_dropout("separable convolution", "dropout", dropout);
}

SeparableConv::SeparableConv(const SeparableConvOptions& options, at::Generator& generator)
    : options_((options.validate(), options)) {
  constexpr std::array kNames{"x_kernel", "y_kernel", "z_kernel"};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (options.taps[axis] == 0) continue;
    kernels_[axis] = register_parameter(
        kNames[axis], starting_taps(options.features, options.taps[axis], /*two_sided=*/true, generator));
  }
  if (options.time_taps > 0) {
    time_kernel_ = register_parameter(
        "time_kernel", starting_taps(options.features, options.time_taps, /*two_sided=*/false, generator));
  }
  skip_ = register_parameter("skip", at::ones({options.features}));
  norm_ = register_module("norm", std::make_shared<LayerNorm>(options.features));
  output_ = register_module("output", std::make_shared<Linear>(options.features, 2 * options.features, generator));
}

at::Tensor SeparableConv::on_grid(const at::Tensor& x) const {
  const auto& grid = options_.grid;
  if (x.dim() != 3 || x.size(2) != places() * options_.features) {
    throw ShapeError(fmt::format(
        "found series of shape [{}], expected (batch, volumes, {}) for a grid of {} × {} × {} "
        "places with {} features",
        fmt::join(x.sizes(), ", "), places() * options_.features, grid[0], grid[1], grid[2], options_.features));
  }
  return x.reshape({x.size(0), x.size(1), grid[0], grid[1], grid[2], options_.features});
}

std::vector<AxisKernel> SeparableConv::in_space() const {
  std::vector<AxisKernel> kernels;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (kernels_[axis].defined()) kernels.push_back({static_cast<std::int64_t>(axis) + 2, kernels_[axis]});
  }
  return kernels;
}

at::Tensor SeparableConv::behind_convolution(const at::Tensor& x, const at::Tensor& mixed, const Draws& draws) const {
  return x + gated_output(mixed, *output_, options_.dropout, draws).reshape(x.sizes());
}

at::Tensor SeparableConv::forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const {
  const at::Tensor v = norm_->forward(on_grid(x)) * mask.view({x.size(0), x.size(1), 1, 1, 1, 1});
  at::Tensor mixed = separable_convolution(v, in_space());
  if (time_kernel_.defined()) mixed = separable_convolution(mixed, {{1, time_kernel_, LagConvention::causal}});
  return behind_convolution(x, mixed + skip_ * v, draws);
}

MixerState SeparableConv::initial_state(std::int64_t batch) const {
  if (!time_kernel_.defined()) return {};
  return {
      at::zeros({batch * places(), options_.time_taps - 1, options_.features}, skip_.options().requires_grad(false))};
}

at::Tensor SeparableConv::advance(const at::Tensor& x, MixerState& state) const {
  const at::Tensor v = norm_->forward(on_grid(x));
  at::Tensor mixed = separable_convolution(v, in_space());
  if (time_kernel_.defined()) {
    const at::Tensor turned = mixed.movedim(1, -2);  // (B, X, Y, Z, T, C)
    const at::Tensor lines = turned.reshape({-1, turned.size(-2), turned.size(-1)});
    mixed = continued_convolution(lines, time_kernel_, state.at(0)).reshape(turned.sizes()).movedim(-2, 1);
  }
  return behind_convolution(x, mixed + skip_ * v, {});
}

TrainingTag SeparableConv::training_tag(std::string_view name, const at::Tensor& parameter) const {
  return name.ends_with("_kernel") ? kFreeTaps : Mixer::training_tag(name, parameter);
}

std::int64_t SeparableConv::flops(std::int64_t volumes) const {
  const std::int64_t values = volumes * places() * options_.features;
  std::int64_t convolutions = 0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (options_.taps[axis] == 0) continue;
    const std::int64_t size = options_.grid[axis];
    convolutions += convolution_flops(values / size, size, options_.taps[axis], /*two_sided=*/true);
  }
  if (options_.time_taps > 0) {
    convolutions += convolution_flops(values / volumes, volumes, options_.time_taps);
  }
  return convolutions + product_flops(volumes * places(), options_.features, 2 * options_.features) +
         values * (kNormFlops + 2 + 2 * kActivationFlops);
}

std::int64_t SeparableConv::state_bytes() const {
  if (!time_kernel_.defined()) return 0;
  return (options_.time_taps - 1) * places() * options_.features * static_cast<std::int64_t>(skip_.element_size());
}

}  // namespace noema
