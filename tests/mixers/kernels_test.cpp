#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <complex>
#include <numbers>

#include "noema/core/error.h"
#include "noema/mixers/long_conv.h"
#include "written_out.h"

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

// Thousands of steps by powers, against an impulse that goes through the recurrence; and volume by volume.
TEST(StateSpaceKernel, HoldsOverThousandsOfVolumes) {
  KernelOptions options = small(KernelKind::state_space);
  options.state_space.least_step = 1e-3;
  options.state_space.largest_step = 2e-3;
  options.state_space.modes = 8;
  const at::NoGradGuard no_gradients;
  for (const auto discretisation : {Discretisation::bilinear, Discretisation::zero_hold}) {
    options.state_space.discretisation = discretisation;
    at::Generator generator = parameter_generator();
    const auto kernel = make_kernel(options, 1, 1, generator);
    at::Tensor impulse = at::zeros({1, 4096, 1});
    impulse[0][0][0] = 1.0;
    const at::Tensor single = kernel->taps(4096);
    at::Tensor state = kernel->initial_state(1);
    std::vector<at::Tensor> steps;
    for (std::int64_t t = 0; t < 4096; ++t) steps.push_back(kernel->advance(impulse.narrow(1, t, 1), state));
    kernel->to(at::kDouble);
    const at::Tensor expected = stepped_state_space(*kernel, options.state_space, impulse.to(at::kDouble))[0].t();
    expect_is(single, expected, 1e-5);
    expect_is(kernel->taps(4096), expected, 1e-9);
    expect_is(at::cat(steps, 1)[0].t(), expected, 1e-5);
  }
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
  options.sine.waves = 3;
  const auto kernel = make_double(options, 3, 9);
  const at::Tensor frequency = parameter(*kernel, "frequency");
  at::Tensor expected = at::zeros({3, 9}, frequency.options());
  for (std::int64_t i = 0; i < 9; ++i) {
    const double place = static_cast<double>(i) / 8, turn = 2 * std::numbers::pi * static_cast<double>(i) / 9;
    std::vector<double> values = {place};
    for (const double turns : {1e-4, (1e-4 + 2) / 2, 2.0}) values.push_back(std::cos(turns * turn));
    for (const double turns : {1e-4, (1e-4 + 2) / 2, 2.0}) values.push_back(-std::sin(turns * turn));
    for (int layer = 0; layer < 4 - 1; ++layer) {
      const at::Tensor weight = parameter(*kernel, "layer" + std::to_string(layer) + ".weight");
      const at::Tensor bias = layer == 2 ? at::zeros({3}, weight.options())  // the last has no offset
                                         : parameter(*kernel, "layer" + std::to_string(layer) + ".bias");
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

TEST(Kernels, StartAsDescribed) {
  at::Generator generator = parameter_generator();
  const ShiftKernel shift(300, 16, generator);
  EXPECT_EQ(parameter(shift, "b").select(1, 0).min().item<double>(), 1);
  EXPECT_EQ(parameter(shift, "b").abs().sum().item<double>(), 300);
  const auto expect_uniform = [](const at::Tensor& x, double bound) {
    EXPECT_LE(x.abs().max().item<double>(), bound);
    EXPECT_NEAR(x.std().item<double>(), bound / std::sqrt(3.0), 0.03 * bound);
  };
  expect_uniform(parameter(shift, "c"), 0.25);

  StateSpaceOptions options;
  options.real_part = RealPart::softplus;
  const StateSpaceKernel space(3, options, generator);
  EXPECT_EQ(parameter(space, "b").select(2, 0).min().item<double>(), 1);
  EXPECT_EQ(parameter(space, "b").select(2, 1).abs().max().item<double>(), 0);
  EXPECT_NEAR(parameter(space, "real_part").exp().log1p().min().item<double>(), 0.5, 1e-6);
  EXPECT_NEAR(parameter(space, "real_part").exp().log1p().max().item<double>(), 0.5, 1e-6);

  const SineKernel sines(300, 9, {}, generator);
  EXPECT_TRUE(parameter(sines, "frequency").eq(10).all().item<bool>());
  EXPECT_EQ(parameter(sines, "frequency").size(0), 64);
  EXPECT_EQ(parameter(sines, "layer0.weight").sizes(), at::IntArrayRef({64, 5}));
  expect_uniform(parameter(sines, "layer3.weight"), 1 / 8.0);

  const RationalKernel rational(300, 16, generator);
  expect_uniform(parameter(rational, "numerator"), 0.25);
  expect_uniform(parameter(rational, "feedback"), 0.25);
  const BandLimitedKernel band(300, 16, 9, generator);
  EXPECT_NEAR(parameter(band, "coefficients").std().item<double>(), 1 / 12.0, 0.003);
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

/// Of taps in float32.
double float_tolerance(KernelKind kind) {
  switch (kind) {
    case KernelKind::shift:
      return 1e-6;
    case KernelKind::sine:
      return 1e-4;  // sines of large numbers
    default:
      return 1e-5;
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
    expect_is(single, exact, float_tolerance(kind));
    // The convolution itself, with the taps as they are, is as good as any.
    expect_is(found, direct_causal(u, single), 3e-6);
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

TEST(LongConvWithKernel, IsTheFormulaToBothSides) {
  for (const KernelKind kind : kKinds) {
    for (const LagConvention convention : {LagConvention::causal, LagConvention::bidirectional, LagConvention::ring}) {
      SCOPED_TRACE(fmt::format("kind {}, convention {}", static_cast<int>(kind), static_cast<int>(convention)));
      LongConvOptions options;
      options.channels = 3;
      options.taps = 4;
      options.convention = convention;
      options.kernel = small(kind);
      const auto same = written_out::filled<LongConv>(options);
      const at::NoGradGuard no_gradients;
      written_out::expect_formula<LongConv>(options, 3, [&](const at::Tensor& x, written_out::Values& p) {
        const at::Tensor v = written_out::normed(x, p);
        const at::Tensor kernel = written_out::made_kernel(*same, "kernel", x.size(1));
        const at::Tensor mixed = written_out::convolved(v, kernel) + p["skip"] * v;
        return at::glu(written_out::mapped(written_out::gelu_of(mixed), p, "output"), -1);
      });
      const at::Tensor kernel = same->kernel();
      const at::Tensor past = convention == LagConvention::ring            ? kernel.narrow(1, 0, 4)
                              : convention == LagConvention::bidirectional ? kernel[0]
                                                                           : kernel;
      EXPECT_LT(largest_difference(past, written_out::made_kernel(*same, "kernel", 4).view({-1, 3, 4})[0]), 1e-12);
    }
  }
}

// How much is counted follows from where kernels end.
TEST(LongConvWithKernel, CountsItsReach) {
  const auto flops_less_kernels = [](KernelKind kind, LagConvention convention, std::int64_t volumes) {
    const LongConv mixer = make(kind, convention);
    std::int64_t kernels = 0;
    for (const auto& child : mixer.named_children()) {
      if (const auto* kernel = dynamic_cast<const KernelGenerator*>(child.value().get())) {
        kernels += kernel->flops(volumes);
      }
    }
    return mixer.flops(volumes) - kernels - volumes * 3 * (4 * 3 + 30);
  };
  for (const KernelKind kind : {KernelKind::sine, KernelKind::shift, KernelKind::band_limited}) {
    EXPECT_EQ(flops_less_kernels(kind, LagConvention::causal, 15), 3 * 2 * 15 * 12);
    EXPECT_EQ(flops_less_kernels(kind, LagConvention::causal, 6), 3 * 2 * 6 * 6);
    EXPECT_EQ(flops_less_kernels(kind, LagConvention::ring, 6), 3 * 2 * 6 * (6 + 5));
    EXPECT_EQ(flops_less_kernels(kind, LagConvention::ring, 15), 3 * 2 * 15 * (12 + 12));
    EXPECT_EQ(make(kind, LagConvention::bidirectional).state_bytes(), 3 * (23 + 12) * 4);
  }
  for (const KernelKind kind : {KernelKind::state_space, KernelKind::rational}) {
    EXPECT_EQ(flops_less_kernels(kind, LagConvention::causal, 15), 3 * 2 * 15 * 15);
    EXPECT_EQ(flops_less_kernels(kind, LagConvention::ring, 15), 3 * 2 * 15 * (15 + 14));
    EXPECT_EQ(make(kind, LagConvention::bidirectional).state_bytes(), 3 * (12 + 12) * 4);
  }
  // 300 volumes by transforms of 600 numbers.
  const double row = 3 * 2.5 * 600 * std::log2(600.0) + 6 * 301;
  EXPECT_EQ(flops_less_kernels(KernelKind::state_space, LagConvention::causal, 300), 3 * std::floor(row));
}

}  // namespace
}  // namespace noema
