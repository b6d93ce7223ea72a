#include "noema/mixers/butterfly.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/fft_ifft.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/real.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/view_as_complex.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "noema/core/error.h"
#include "noema/mixers/flops.h"
#include "noema/mixers/gated_output.h"
#include "noema/mixers/shared_options.h"

namespace noema {
namespace {

bool is_power_of_two(std::int64_t n) { return n >= 2 && std::has_single_bit(static_cast<std::uint64_t>(n)); }

/// (rows, columns) float64: angles −2π·row·column / turn.
at::Tensor angles(std::int64_t rows, std::int64_t columns, std::int64_t turn, at::Device device) {
  const auto options = at::TensorOptions(at::kDouble).device(device);
  const at::Tensor products = at::arange(rows, options).unsqueeze(1) * at::arange(columns, options);
  return products.remainder_(static_cast<double>(turn)) * (-2 * std::numbers::pi / static_cast<double>(turn));
}

at::Tensor fourier_matrix(std::int64_t size) {
  const at::Tensor angle = angles(size, size, size, at::kCPU);
  return at::stack({angle.cos(), angle.sin()}, -1).to(at::kFloat);
}

}  // namespace

ButterflyTransform::ButterflyTransform(std::int64_t size, std::int64_t radix) : size_(size) {
  if (!is_power_of_two(size) || !is_power_of_two(radix)) {
    throw UsageError(
        fmt::format("found a butterfly transform of {} values by factors of {}, expected powers of two", size, radix));
  }
  for (std::int64_t rest = size; rest > 1; rest /= factors_.back().size(0)) {
    factors_.push_back(
        register_parameter(fmt::format("factor{}", factors_.size()), fourier_matrix(std::min(radix, rest))));
  }
}

at::Tensor ButterflyTransform::forward(const at::Tensor& u) const {
  const std::int64_t channels = u.size(2);
  at::Tensor z = at::constant_pad_nd(u, {0, 0, 0, size_ - u.size(1)}).to(at::toComplexType(u.scalar_type()));
  std::int64_t groups = u.size(0), rest = size_;
  for (const at::Tensor& factor : factors_) {
    const std::int64_t m = factor.size(0), q = rest / m;
    z = at::matmul(at::view_as_complex(factor), z.reshape({groups, m, q * channels}));
    if (q > 1) {
      const at::Tensor angle = angles(m, q, rest, u.device());
      const at::Tensor twiddles = at::complex(angle.cos(), angle.sin()).to(z.scalar_type());
      z = z.view({groups, m, q, channels}) * twiddles.unsqueeze(-1);
    }
    groups *= m;
    rest = q;
  }
  // Of place k₁ + m₁·(k₂ + m₂·(…)) the digit k₁ is the slowest of z, and must be the fastest.
  const auto count = static_cast<std::int64_t>(factors_.size());
  std::vector<std::int64_t> digits{u.size(0)}, order{0};
  for (const at::Tensor& factor : factors_) digits.push_back(factor.size(0));
  digits.push_back(channels);
  for (std::int64_t axis = count; axis > 0; --axis) order.push_back(axis);
  order.push_back(count + 1);
  return z.view(digits).permute(order).reshape({u.size(0), size_, channels});
}

std::int64_t ButterflyTransform::flops() const {
  std::int64_t products = 0;  // of complex numbers and sums, 8 operations each
  for (const at::Tensor& factor : factors_) products += size_ * factor.size(0);
  return 8 * products + 6 * size_ * (static_cast<std::int64_t>(factors_.size()) - 1);
}

TrainingTag ButterflyTransform::training_tag(std::string_view, const at::Tensor&) const { return kDynamics; }

void ButterflyConvOptions::validate() const {
  LongConvOptions::validate();
  if (convention != LagConvention::causal)
    throw UsageError("a butterfly convolution starts with a causal kernel alone");
  if (precision != LongConvPrecision::float32)
    throw UsageError("a butterfly convolution has products of float32 alone");
  require_option(is_power_of_two(radix) && radix <= 16, "butterfly convolution", "radix", static_cast<double>(radix),
                 "2, 4, 8 or 16");
}

ButterflyConv::ButterflyConv(const ButterflyConvOptions& options, at::Generator& generator)
    : options_((options.validate(), options)),
      block_(static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(options.taps)))),
      kernel_(*this, "kernel", long_kernel_of(options), generator),
      skip_(register_parameter("skip", at::ones({options.channels}))),
      norm_(register_module("norm", std::make_shared<LayerNorm>(options.channels))),
      output_(register_module("output", std::make_shared<Linear>(options.channels, 2 * options.channels, generator))),
      of_series_(register_module("series_transform", std::make_shared<ButterflyTransform>(2 * block_, options.radix))),
      of_kernel_(register_module("kernel_transform", std::make_shared<ButterflyTransform>(2 * block_, options.radix))) {
}

at::Tensor ButterflyConv::convolved(const at::Tensor& v, const Draws& draws) const {
  const std::int64_t batch = v.size(0), volumes = v.size(1), channels = v.size(2);
  const std::int64_t blocks = (volumes + block_ - 1) / block_;
  const at::Tensor u = at::constant_pad_nd(v, {0, 0, 0, blocks * block_ - volumes});
  const at::Tensor kernel = kernel_.taps(block_, draws);  // (C, n)
  const at::Tensor spectrum =
      of_series_->forward(u.reshape({batch * blocks, block_, channels})) * of_kernel_->forward(kernel.t().unsqueeze(0));
  const at::Tensor y = at::real(at::fft_ifft(spectrum, std::nullopt, 1)).reshape({batch, blocks, 2 * block_, channels});
  const at::Tensor behind = y.narrow(2, block_, block_).narrow(1, 0, blocks - 1);
  const at::Tensor sum = y.narrow(2, 0, block_) + at::constant_pad_nd(behind, {0, 0, 0, 0, 1, 0});
  return sum.reshape({batch, blocks * block_, channels}).narrow(1, 0, volumes);
}

at::Tensor ButterflyConv::forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const {
  const at::Tensor v = norm_->forward(x) * mask;
  return x + gated_output(convolved(v, draws) + skip_ * v, *output_, options_.dropout, draws);
}

TrainingTag ButterflyConv::training_tag(std::string_view name, const at::Tensor& parameter) const {
  return name == "kernel" ? kFreeTaps : Mixer::training_tag(name, parameter);
}

std::int64_t ButterflyConv::flops(std::int64_t volumes) const {
  const std::int64_t channels = options_.channels, size = 2 * block_, blocks = (volumes + block_ - 1) / block_;
  const auto back = static_cast<std::int64_t>(std::countr_zero(static_cast<std::uint64_t>(size))) * 5 * size;
  const std::int64_t of_block = of_series_->flops() + 6 * size + back + block_;  // and the product, and the overlap
  std::int64_t made = 0;                                                         // the taps
  for (const auto& child : named_children()) {
    if (const auto* kernel = dynamic_cast<const KernelGenerator*>(child.value().get())) made += kernel->flops(block_);
  }
  return made + channels * (of_kernel_->flops() + blocks * of_block) + product_flops(volumes, channels, 2 * channels) +
         volumes * channels * (kNormFlops + 2 + 2 * kActivationFlops);
}

std::int64_t ButterflyConv::state_bytes() const {
  return 3 * block_ * options_.channels * static_cast<std::int64_t>(skip_.element_size());
}

}  // namespace noema
