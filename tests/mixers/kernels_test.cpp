#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <complex>
#include <numbers>

#include "mixer_checks.h"
#include "noema/core/error.h"
#include "noema/mixers/long_conv.h"

namespace noema {
namespace {

constexpr KernelKind kKinds[] = {KernelKind::sine, KernelKind::state_space, KernelKind::shift, KernelKind::rational,
                                 KernelKind::band_limited};

KernelOptions small(KernelKind kind) {
  KernelOptions options;
  options.kind = kind;
  options.sine.width = 6;
  options.sine.layers = 1;
  options.sine.frequency = 2;
  options.state_space.modes = 3;
  options.rational_order = 3;
  options.band_coefficients = 4;
  return options;
}

/// Of float64, with parameters away from where they start.
std::shared_ptr<KernelGenerator> make_double(const KernelOptions& options, std::int64_t channels, std::int64_t taps) {
  at::Generator generator = parameter_generator();
  auto kernel = make_kernel(options, channels, taps, generator);
  kernel->to(at::kDouble);
  const at::NoGradGuard no_gradients;
  for (const auto& item : kernel->named_parameters()) {
    item.value().add_(0.2 * normal(item.value().sizes(), item.key().c_str()));
  }
  return kernel;
}

at::Tensor parameter(const torch::nn::Module& module, const std::string& name) {
  return module.named_parameters()[name].detach().contiguous();
}

using Complex = std::complex<double>;

/// s ← Ā s + B̄ u, y = 2 Re(C s), written out.
at::Tensor stepped_state_space(const KernelGenerator& kernel, const StateSpaceOptions& options, const at::Tensor& u) {
  const at::Tensor step = parameter(kernel, "log_step").exp(), real = parameter(kernel, "real_part");
  const at::Tensor frequency = parameter(kernel, "frequency"), b = parameter(kernel, "b"), c = parameter(kernel, "c");
  at::Tensor y = at::zeros_like(u);
  for (std::int64_t channel = 0; channel < u.size(2); ++channel) {
    const auto dt = step[channel].item<double>();
    for (std::int64_t n = 0; n < options.modes; ++n) {
      const auto p = real[channel][n].item<double>();
      const double decay = options.real_part == RealPart::exponential ? std::exp(p) : std::log1p(std::exp(p));
      const Complex a(-decay, frequency[channel][n].item<double>());
      const auto number = [&](const at::Tensor& x) {
        return Complex(x[channel][n][0].item<double>(), x[channel][n][1].item<double>());
      };
      const bool hold = options.discretisation == Discretisation::zero_hold;
      const Complex factor = hold ? std::exp(dt * a) : (1.0 + dt * a / 2.0) / (1.0 - dt * a / 2.0);
      const Complex input = hold ? number(b) * (factor - 1.0) / a : dt * number(b) / (1.0 - dt * a / 2.0);
      EXPECT_LT(std::abs(factor), 1);
      for (std::int64_t item = 0; item < u.size(0); ++item) {
        Complex state = 0;
        for (std::int64_t t = 0; t < u.size(1); ++t) {
          state = factor * state + input * u[item][t][channel].item<double>();
          y[item][t][channel] += 2 * (number(c) * state).real();
        }
      }
    }
  }
  return y;
}

TEST(StateSpaceKernel, IsItsRecurrence) {
  const at::Tensor u = normal({1, 130, 2}, "u");
  for (const auto discretisation : {Discretisation::bilinear, Discretisation::zero_hold}) {
    for (const auto real_part : {RealPart::exponential, RealPart::softplus}) {
      KernelOptions options = small(KernelKind::state_space);
      options.state_space.discretisation = discretisation;
      options.state_space.real_part = real_part;
      const auto kernel = make_double(options, 2, 1);
      const at::Tensor expected = stepped_state_space(*kernel, options.state_space, u);
      const at::Tensor taps = kernel->taps(130).detach();
      expect_is(direct_causal(u, taps), expected, 1e-10);
      expect_is(long_convolution(u, taps, LagConvention::causal), expected, 1e-10);
    }
  }
}

// Thousands of steps by powers, against an impulse that goes through the recurrence.
TEST(StateSpaceKernel, HoldsOverThousandsOfVolumes) {
  KernelOptions options = small(KernelKind::state_space);
  options.state_space.least_step = 1e-3;
  options.state_space.largest_step = 2e-3;
  options.state_space.modes = 8;
  at::Generator generator = parameter_generator();
  const auto kernel = make_kernel(options, 1, 1, generator);
  const at::Tensor single = kernel->taps(4096).detach();
  kernel->to(at::kDouble);
  at::Tensor impulse = at::zeros({1, 4096, 1}, at::TensorOptions(at::kDouble));
  impulse[0][0][0] = 1.0;
  const at::Tensor expected = stepped_state_space(*kernel, options.state_space, impulse)[0].t();
  expect_is(single, expected, 1e-5);
  expect_is(kernel->taps(4096).detach(), expected, 1e-9);
}

TEST(StateSpaceKernel, StartsAsPublishedAndIsStable) {
  KernelOptions options;
  options.kind = KernelKind::state_space;
  at::Generator generator = parameter_generator();
  const StateSpaceKernel linear(500, options.state_space, generator);
  EXPECT_NEAR(parameter(linear, "frequency")[7][3].item<double>(), 3 * std::numbers::pi, 1e-5);
  EXPECT_NEAR(parameter(linear, "real_part").exp()[7][3].item<double>(), 0.5, 1e-6);
  const at::Tensor steps = parameter(linear, "log_step");
  EXPECT_NEAR(steps.mean().item<double>(), std::log(1e-2), 0.2);  // ± 3 SD of the mean of log-uniform ones
  EXPECT_GE(steps.min().item<double>(), std::log(1e-3) - 1e-5);
  EXPECT_LE(steps.max().item<double>(), std::log(1e-1) + 1e-5);
  EXPECT_NEAR(parameter(linear, "c").std().item<double>(), std::sqrt(0.5), 0.01);

  options.state_space.start = StateSpaceStart::inverse;
  const StateSpaceKernel inverse(3, options.state_space, generator);
  EXPECT_NEAR(parameter(inverse, "frequency")[1][2].item<double>(), 64 / std::numbers::pi * (64.0 / 5 - 1), 1e-4);

  // Whatever the parameters, down to where eᵖ vanishes.
  for (const auto real_part : {RealPart::exponential, RealPart::softplus}) {
    options.state_space.real_part = real_part;
    StateSpaceKernel any(50, options.state_space, generator);
    const at::NoGradGuard no_gradients;
    for (const at::Tensor& p : any.parameters()) p.mul_(10 * normal(p.sizes(), "any", at::kFloat));
    any.named_parameters()["log_step"].clamp_(-12, 3);
    EXPECT_LT(any.factors().abs().max().item<double>(), 1);
  }
  options.state_space.modes = 0;
  EXPECT_THROW(StateSpaceKernel(3, options.state_space, generator), UsageError);
}

TEST(ShiftKernel, IsItsStateSpace) {
  const auto kernel = make_double(small(KernelKind::shift), 3, 6);
  const at::Tensor b = parameter(*kernel, "b"), c = parameter(*kernel, "c"), u = normal({2, 17, 3}, "u");
  at::Tensor state = at::zeros({2, 3, 6}, u.options());
  std::vector<at::Tensor> outputs;
  for (std::int64_t t = 0; t < 17; ++t) {
    state = at::constant_pad_nd(state, {1, -1}) + b * u.select(1, t).unsqueeze(2);
    outputs.push_back((c * state).sum(2));
  }
  const at::Tensor expected = at::stack(outputs, 1);
  const at::Tensor taps = kernel->taps(17).detach();
  EXPECT_EQ(taps.sizes(), at::IntArrayRef({3, 6}));
  expect_is(direct_causal(u, taps), expected, 1e-10);
  EXPECT_EQ(kernel->taps(4).size(1), 4);
  EXPECT_LT(largest_difference(kernel->taps(4), kernel->taps(9).narrow(1, 0, 4)), 1e-12);
}

TEST(RationalKernel, IsItsRecurrence) {
  const auto kernel = make_double(small(KernelKind::rational), 3, 1);
  const at::Tensor b = parameter(*kernel, "numerator"), alpha = parameter(*kernel, "feedback");
  const at::Tensor u = normal({2, 45, 3}, "u");
  at::Tensor expected = at::zeros_like(u);
  for (std::int64_t item = 0; item < 2; ++item) {
    for (std::int64_t c = 0; c < 3; ++c) {
      const auto size = 1 + alpha[c].abs().sum().item<double>();
      for (std::int64_t t = 0; t < 45; ++t) {
        double y = 0;
        for (std::int64_t i = 0; i <= std::min<std::int64_t>(t, 3); ++i) {
          y += b[c][i].item<double>() * u[item][t - i][c].item<double>();
          if (i > 0) y -= alpha[c][i - 1].item<double>() / size * expected[item][t - i][c].item<double>();
        }
        expected[item][t][c] = y;
      }
    }
  }
  expect_is(direct_causal(u, kernel->taps(45).detach()), expected, 1e-10);
  at::Tensor state = kernel->initial_state(2);
  const at::NoGradGuard no_gradients;
  expect_is(kernel->advance(u, state), expected, 1e-10);
}

TEST(RationalKernel, IsStableWhateverItsParameters) {
  at::Generator generator = parameter_generator();
  RationalKernel kernel(20, 8, generator);
  const at::NoGradGuard no_gradients;
  for (const at::Tensor& p : kernel.parameters()) p.copy_(normal(p.sizes(), "any", at::kFloat) * 10);
  const at::Tensor taps = kernel.taps(20000).abs();
  EXPECT_GT(taps.narrow(1, 0, 100).max().item<double>(), 1);
  EXPECT_LT(taps.narrow(1, 19000, 1000).max().item<double>(), 1e-3 * taps.max().item<double>());
  EXPECT_THROW(RationalKernel(2, 0, generator), UsageError);
}

TEST(BandLimitedKernel, IsASumOfSlowCosines) {
  const auto kernel = make_double(small(KernelKind::band_limited), 2, 12);
  const at::Tensor theta = parameter(*kernel, "coefficients");
  at::Tensor expected = at::zeros({2, 12}, theta.options());
  for (std::int64_t c = 0; c < 2; ++c) {
    for (std::int64_t i = 0; i < 12; ++i) {
      for (std::int64_t m = 0; m < 4; ++m) {
        expected[c][i] += theta[c][m].item<double>() *
                          std::cos(std::numbers::pi * static_cast<double>(m) * (static_cast<double>(i) + 0.5) / 12);
      }
    }
  }
  expect_is(kernel->taps(30).detach(), expected, 1e-12);
  // Nothing faster: the cosines of a higher number are orthogonal to it.
  for (std::int64_t m = 4; m < 12; ++m) {
    double sum = 0;
    for (std::int64_t i = 0; i < 12; ++i) {
      sum += kernel->taps(12)[0][i].item<double>() *
             std::cos(std::numbers::pi * static_cast<double>(m) * (static_cast<double>(i) + 0.5) / 12);
    }
    EXPECT_NEAR(sum, 0, 1e-12) << m;
  }
  at::Generator generator = parameter_generator();
  EXPECT_THROW(BandLimitedKernel(2, 12, 13, generator), UsageError);
}

TEST(SineKernel, IsTheNetworkOfItsDescription) {
  KernelOptions options = small(KernelKind::sine);
  options.sine.waves = 2;
  const auto kernel = make_double(options, 3, 9);
  const at::Tensor frequency = parameter(*kernel, "frequency");
  at::Tensor expected = at::zeros({3, 9}, frequency.options());
  for (std::int64_t i = 0; i < 9; ++i) {
    const double place = static_cast<double>(i) / 8, turn = 2 * std::numbers::pi * static_cast<double>(i) / 9;
    std::vector<double> values = {place, std::cos(turn), std::cos(2 * turn), std::sin(turn), std::sin(2 * turn)};
    for (int layer = 0; layer < 4 - 1; ++layer) {
      const at::Tensor weight = parameter(*kernel, "layer" + std::to_string(layer) + ".weight");
      const at::Tensor bias = parameter(*kernel, "layer" + std::to_string(layer) + ".bias");
      std::vector<double> next;
      for (std::int64_t out = 0; out < weight.size(0); ++out) {
        auto sum = bias[out].item<double>();
        for (std::size_t in = 0; in < values.size(); ++in) {
          sum += weight[out][static_cast<std::int64_t>(in)].item<double>() * values[in];
        }
        next.push_back(layer == 2 ? sum : std::sin(frequency[out].item<double>() * sum));
      }
      values = next;
    }
    for (std::int64_t c = 0; c < 3; ++c) {
      const double slow = std::log(100.0) / 1.5, fast = std::log(100.0) / 0.3;
      const double rate = slow + (fast - slow) * static_cast<double>(c) / 2;
      expected[c][i] = values[static_cast<std::size_t>(c)] * std::exp(-place * rate);
    }
  }
  expect_is(kernel->taps(20).detach(), expected, 1e-10);
  EXPECT_LT(largest_difference(kernel->taps(5), kernel->taps(9).narrow(1, 0, 5)), 1e-12);
}

TEST(Kernels, GradientsMatchFiniteDifferences) {
  for (const KernelKind kind : kKinds) {
    const auto kernel = make_double(small(kind), 2, 7);
    const at::Tensor weight = normal({2, 7}, "weight");
    for (const auto& item : kernel->named_parameters()) {
      SCOPED_TRACE(item.key());
      expect_exact_gradient(item.value(), [&] { return (kernel->taps(7).tanh() * weight).sum(); });
    }
  }
}

TEST(Kernels, AreTheSameInBothPrecisions) {
  for (const KernelKind kind : kKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    KernelOptions options;
    options.kind = kind;
    at::Generator generator = parameter_generator();
    const auto kernel = make_kernel(options, 5, 300, generator);
    const at::Tensor u = normal({3, 300, 5}, "u", at::kFloat);
    const at::Tensor single = kernel->taps(300).detach();
    EXPECT_EQ(single.scalar_type(), at::kFloat);
    const at::Tensor found = long_convolution(u, single, LagConvention::causal);
    kernel->to(at::kDouble);
    const at::Tensor exact = kernel->taps(300).detach();
    expect_is(single, exact, 1e-4);
    expect_is(found, direct_causal(u, exact), 1e-4);
  }
}

LongConv make(KernelKind kind, LagConvention convention = LagConvention::causal) {
  LongConvOptions options;
  options.channels = 3;
  options.taps = 12;
  options.convention = convention;
  options.kernel = small(kind);
  options.kernel.state_space.modes = 16;
  at::Generator generator = parameter_generator();
  return LongConv(options, generator);
}

TEST(LongConvWithKernel, HoldsToWhatMixersPromise) {
  for (const KernelKind kind : kKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    LongConv mixer = make(kind);
    expect_causal(mixer, 3);
    expect_padding_without_influence(mixer, 3);
    for (const std::int64_t volumes : {1, 12, 300}) expect_goes_on(mixer, 3, volumes, 1e-5);
    EXPECT_GT(mixer.flops(64), 64 * 2 * 3 * 6);
    EXPECT_GT(mixer.flops(128), mixer.flops(64));
    EXPECT_EQ(mixer.alive_fraction(), 1);
    expect_padding_without_influence(make(kind, LagConvention::bidirectional), 3);
  }
  const LongConv free_taps = make(KernelKind::taps);
  expect_causal(free_taps, 3);
  for (const std::int64_t volumes : {1, 5, 12, 300}) expect_goes_on(free_taps, 3, volumes, 1e-5);
  EXPECT_FALSE(make(KernelKind::taps, LagConvention::ring).has_recurrence());
  EXPECT_THROW(make(KernelKind::sine, LagConvention::ring).initial_state(1), UsageError);
}

TEST(LongConvWithKernel, GradientsMatchFiniteDifferences) {
  for (const KernelKind kind : {KernelKind::state_space, KernelKind::rational}) {
    LongConvOptions options;
    options.channels = 3;
    options.kernel = small(kind);
    options.kernel.state_space.modes = 2;
    options.convention = kind == KernelKind::rational ? LagConvention::bidirectional : LagConvention::causal;
    at::Generator generator = parameter_generator();
    LongConv mixer(options, generator);
    expect_exact_gradients(mixer, 3);
  }
}

// The two sides of a kernel are the two kernels that were made.
TEST(LongConvWithKernel, LooksToBothSides) {
  for (const LagConvention convention : {LagConvention::bidirectional, LagConvention::ring}) {
    const LongConv mixer = make(KernelKind::band_limited, convention);
    const auto parameters = mixer.named_parameters();
    EXPECT_TRUE(parameters.contains("kernel.coefficients"));
    EXPECT_TRUE(parameters.contains("future_kernel.coefficients"));
    const at::Tensor kernel = mixer.kernel().detach();
    at::Tensor u = at::zeros({1, 25, 3});
    u.select(1, 12).fill_(1);
    const at::Tensor y = long_convolution(u, kernel, convention);
    const at::Tensor past = convention == LagConvention::ring ? kernel.narrow(1, 0, 12) : kernel[0];
    const at::Tensor future = convention == LagConvention::ring ? kernel.narrow(1, 12, 12).flip(1) : kernel[1];
    EXPECT_LT(largest_difference(y[0].narrow(0, 12, 12).t(), past), 1e-6);
    EXPECT_LT(largest_difference(y[0].narrow(0, 0, 12).flip(0).t(), future), 1e-6);
    EXPECT_GT(largest_difference(past, future), 0.01);
  }
}

}  // namespace
}  // namespace noema
