#include "noema/mixers/long_conv.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <array>
#include <cmath>
#include <functional>

#include "noema/core/error.h"
#include "noema/kernels/long_conv_op.h"
#include "noema/learn/training.h"
#include "written_out.h"

namespace noema {
namespace {

constexpr LagConvention kConventions[] = {LagConvention::causal, LagConvention::bidirectional, LagConvention::ring};

at::Tensor kernel_of(LagConvention convention, std::int64_t channels, std::int64_t taps) {
  if (convention == LagConvention::causal) return normal({channels, taps}, "kernel");
  if (convention == LagConvention::ring) return normal({channels, 2 * taps}, "kernel");
  return normal({2, channels, taps}, "kernel");
}

/// The tap of a lag, 0 where the kernel has none.
double tap(const at::Tensor& kernel, LagConvention convention, std::int64_t channel, std::int64_t lag) {
  if (convention == LagConvention::causal) {
    return lag >= 0 && lag < kernel.size(1) ? kernel[channel][lag].item<double>() : 0;
  }
  if (convention == LagConvention::bidirectional) {
    const std::int64_t taps = kernel.size(2);
    if (lag >= taps || lag < -taps) return 0;
    return (lag >= 0 ? kernel[0][channel][lag] : kernel[1][channel][-1 - lag]).item<double>();
  }
  const std::int64_t taps = kernel.size(1) / 2;
  if (lag >= taps || lag < -taps) return 0;
  return kernel[channel][lag >= 0 ? lag : lag + 2 * taps].item<double>();
}

at::Tensor direct_convolution(const at::Tensor& u, const at::Tensor& kernel, LagConvention convention) {
  at::Tensor y = at::zeros_like(u);
  const std::int64_t volumes = u.size(1);
  for (std::int64_t b = 0; b < u.size(0); ++b) {
    for (std::int64_t c = 0; c < u.size(2); ++c) {
      for (std::int64_t t = 0; t < volumes; ++t) {
        double sum = 0;
        for (std::int64_t s = 0; s < volumes; ++s) sum += tap(kernel, convention, c, t - s) * u[b][s][c].item<double>();
        y[b][t][c] = sum;
      }
    }
  }
  return y;
}

TEST(LongConvolution, IsTheDirectSumForAllConventionsAndLengths) {
  for (const LagConvention convention : kConventions) {
    for (const std::int64_t volumes : {1, 2, 3, 7, 16, 23}) {
      for (const std::int64_t taps : {1, 2, 5, 16, 31}) {
        const at::Tensor u = normal({2, volumes, 3}, "u");
        const at::Tensor kernel = kernel_of(convention, 3, taps);
        EXPECT_LT(
            largest_difference(long_convolution(u, kernel, convention), direct_convolution(u, kernel, convention)),
            1e-12)
            << "convention " << static_cast<int>(convention) << ", " << volumes << " volumes, " << taps << " taps";
      }
    }
  }
}

TEST(LongConvolution, IsTheSameInBothPrecisions) {
  for (const LagConvention convention : kConventions) {
    const at::Tensor u = normal({3, 40, 5}, "u"), kernel = kernel_of(convention, 5, 40), skip = normal({5}, "skip");
    const at::Tensor expected = direct_convolution(u, kernel, convention) + skip * u;
    const auto as_float = [](const at::Tensor& x) { return x.to(at::kFloat); };
    const at::Tensor found = long_convolution(as_float(u), as_float(kernel), convention, as_float(skip));
    EXPECT_LT(largest_difference(long_convolution(u, kernel, convention, skip), expected), 1e-11);
    expect_is(found.to(at::kDouble), expected, 3e-6);
  }
}

TEST(LongConvolution, IsTheSameOnAGpu) {
  if (!long_conv_has_cuda() || !torch::cuda::is_available()) GTEST_SKIP() << "no GPU, or a build without CUDA";
  for (const LagConvention convention : kConventions) {
    const at::Tensor u = normal({3, 40, 5}, "u"), kernel = kernel_of(convention, 5, 40), skip = normal({5}, "skip");
    const at::Tensor expected = direct_convolution(u, kernel, convention) + skip * u;
    const auto there = [](const at::Tensor& x) { return x.to(at::kCUDA, at::kFloat); };
    const at::Tensor found = long_convolution(there(u), there(kernel), convention, there(skip));
    EXPECT_TRUE(found.is_cuda());
    expect_is(found.to(at::kCPU, at::kDouble), expected, 3e-6);
  }
}

TEST(LongConvolution, PinsEachLagToItsTap) {
  at::Tensor u = at::zeros({1, 9, 1}, at::TensorOptions(at::kDouble));
  u[0][4][0] = 1.0;
  const auto place_of = [&](const at::Tensor& kernel, LagConvention convention) {
    const at::Tensor y = long_convolution(u, kernel, convention).view({-1});
    EXPECT_NEAR(y.sum().item<double>(), 1, 1e-12);
    return y.argmax().item<std::int64_t>();
  };
  const auto options = at::TensorOptions(at::kDouble);
  for (std::int64_t i = 0; i < 4; ++i) {
    at::Tensor causal = at::zeros({1, 4}, options), past = at::zeros({2, 1, 4}, options);
    at::Tensor future = at::zeros({2, 1, 4}, options), ring = at::zeros({1, 8}, options),
               end = at::zeros({1, 8}, options);
    causal[0][i] = 1.0;
    past[0][0][i] = 1.0;
    future[1][0][i] = 1.0;
    ring[0][i] = 1.0;
    end[0][7 - i] = 1.0;
    EXPECT_EQ(place_of(causal, LagConvention::causal), 4 + i);
    EXPECT_EQ(place_of(past, LagConvention::bidirectional), 4 + i);
    EXPECT_EQ(place_of(future, LagConvention::bidirectional), 3 - i);
    EXPECT_EQ(place_of(ring, LagConvention::ring), 4 + i);
    EXPECT_EQ(place_of(end, LagConvention::ring), 3 - i);
  }
}

TEST(LongConvolution, CausalDoesNotSeeTheFuture) {
  const at::Tensor kernel = kernel_of(LagConvention::causal, 2, 8);
  at::Tensor u = normal({1, 8, 2}, "u");
  const at::Tensor before = long_convolution(u, kernel, LagConvention::causal);
  u.narrow(1, 5, 3).fill_(100);
  const at::Tensor after = long_convolution(u, kernel, LagConvention::causal);
  EXPECT_LT(largest_difference(before.narrow(1, 0, 5), after.narrow(1, 0, 5)), 1e-11);
  EXPECT_GT(largest_difference(before.narrow(1, 5, 3), after.narrow(1, 5, 3)), 1);
}

TEST(LongConvolution, GradientsMatchFiniteDifferences) {
  for (const LagConvention convention : kConventions) {
    at::Tensor u = normal({2, 7, 2}, "u"), kernel = kernel_of(convention, 2, 5);
    const at::Tensor weight = normal({2, 7, 2}, "weight");
    const auto loss = [&] { return (long_convolution(u, kernel, convention).tanh() * weight).sum(); };
    expect_exact_gradient(u, loss);
    u.requires_grad_(false);
    expect_exact_gradient(kernel, loss);
  }
}

// The gradient of a sum of y with fixed weights does not depend on y, so it is that of float32 whatever the precision.
TEST(LongConvolution, GradientsAreFloat32InAnyPrecision) {
  for (const LagConvention convention : kConventions) {
    const at::Tensor u = normal({16, 128, 16}, "u", at::kFloat), weight = normal({16, 128, 16}, "weight", at::kFloat);
    const at::Tensor taps = kernel_of(convention, 16, 128).to(at::kFloat);
    const auto of = [&](LongConvPrecision precision) {
      at::Tensor in = u.detach().clone().requires_grad_(true), kernel = taps.detach().clone().requires_grad_(true);
      const at::Tensor y = long_convolution(in, kernel, convention, {}, {.precision = precision});
      (y * weight).sum().backward();
      return std::array<at::Tensor, 3>{y.detach(), in.grad(), kernel.grad()};
    };
    const auto exact = of(LongConvPrecision::float32), coarse = of(LongConvPrecision::bf16);
    EXPECT_EQ(exact[0].equal(coarse[0]), simd_level() != SimdLevel::amx);
    EXPECT_TRUE(exact[1].equal(coarse[1]));
    EXPECT_TRUE(exact[2].equal(coarse[2]));
  }
}

TEST(LongConvolution, RefusesShapesThatDoNotFit) {
  const at::Tensor u = normal({2, 7, 3}, "u");
  EXPECT_THROW(long_convolution(u, kernel_of(LagConvention::causal, 2, 5), LagConvention::causal), ShapeError);
  EXPECT_THROW(long_convolution(u, kernel_of(LagConvention::causal, 3, 5), LagConvention::bidirectional), ShapeError);
  EXPECT_THROW(long_convolution(u, kernel_of(LagConvention::causal, 3, 5), LagConvention::ring), ShapeError);
  EXPECT_THROW(long_convolution(u[0], kernel_of(LagConvention::causal, 3, 5), LagConvention::causal), ShapeError);
}

TEST(Squash, ShrinksTowardsZero) {
  const auto options = at::TensorOptions(at::kDouble);
  at::Tensor kernel = at::arange(-2, 3, options) * 0.1;  // −0.2 … 0.2
  const at::Tensor squashed = squash(kernel, 0.15);
  const double expected[] = {-0.05, 0, 0, 0, 0.05};
  for (int i = 0; i < 5; ++i) EXPECT_NEAR(squashed[i].item<double>(), expected[i], 1e-15);
  kernel = kernel.detach().requires_grad_(true);
  (squash(kernel, 0.15) * 3).sum().backward();
  const double gradient[] = {3, 0, 0, 0, 3};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(kernel.grad()[i].item<double>(), gradient[i]);
}

TEST(Smooth, AveragesNeighboursInTheOrderOfLags) {
  const auto options = at::TensorOptions(at::kDouble);
  const at::Tensor causal = at::arange(6, options).square().view({1, 6});  // 0 1 4 9 16 25
  const at::Tensor smoothed = smooth(causal, LagConvention::causal, 3)[0];
  EXPECT_NEAR(smoothed[0].item<double>(), 0.5, 1e-12);
  EXPECT_NEAR(smoothed[2].item<double>(), 14.0 / 3, 1e-12);
  EXPECT_NEAR(smoothed[5].item<double>(), 20.5, 1e-12);
  EXPECT_NEAR(smooth(causal, LagConvention::causal, 3, true)[0][0].item<double>(), 1.0 / 3, 1e-12);
  EXPECT_NEAR(smooth(causal, LagConvention::causal, 3, true)[0][5].item<double>(), 41.0 / 3, 1e-12);

  // Lags −3 … 2 with values 10 … 15, in both two-sided orders.
  const at::Tensor ring = at::cat({at::arange(13, 16, options), at::arange(10, 13, options)}, 0).view({1, 6});
  const at::Tensor sides =
      at::cat({at::arange(13, 16, options), at::arange(10, 13, options).flip(0)}, 0).view({2, 1, 3});
  const double by_lag[] = {10.5, 11, 12, 13, 14, 14.5};
  const at::Tensor of_ring = smooth(ring, LagConvention::ring, 3);
  const at::Tensor of_sides = smooth(sides, LagConvention::bidirectional, 3);
  for (int lag = -3; lag < 3; ++lag) {
    EXPECT_NEAR(tap(of_ring, LagConvention::ring, 0, lag), by_lag[lag + 3], 1e-12) << lag;
    EXPECT_NEAR(tap(of_sides, LagConvention::bidirectional, 0, lag), by_lag[lag + 3], 1e-12) << lag;
  }
  // As published: rows by themselves. Of a ring, lag 2 is beside lag −3, and lag 0 (first) and −1 (last) are at ends.
  const at::Tensor published_ring = smooth(ring, LagConvention::ring, 3, true);
  EXPECT_NEAR(tap(published_ring, LagConvention::ring, 0, 0), (13 + 14) / 3.0, 1e-12);
  EXPECT_NEAR(tap(published_ring, LagConvention::ring, 0, 2), (14 + 15 + 10) / 3.0, 1e-12);
  EXPECT_NEAR(tap(published_ring, LagConvention::ring, 0, -3), (15 + 10 + 11) / 3.0, 1e-12);
  EXPECT_NEAR(tap(published_ring, LagConvention::ring, 0, -2), (10 + 11 + 12) / 3.0, 1e-12);
  EXPECT_NEAR(tap(published_ring, LagConvention::ring, 0, -1), (11 + 12) / 3.0, 1e-12);
  const at::Tensor published_sides = smooth(sides, LagConvention::bidirectional, 3, true);
  EXPECT_NEAR(tap(published_sides, LagConvention::bidirectional, 0, 0), (13 + 14) / 3.0, 1e-12);
  EXPECT_NEAR(tap(published_sides, LagConvention::bidirectional, 0, 2), (14 + 15) / 3.0, 1e-12);
  EXPECT_NEAR(tap(published_sides, LagConvention::bidirectional, 0, -1), (12 + 11) / 3.0, 1e-12);
  EXPECT_NEAR(tap(published_sides, LagConvention::bidirectional, 0, -3), (10 + 11) / 3.0, 1e-12);
  EXPECT_TRUE(smooth(ring, LagConvention::ring, 1).equal(ring));
}

LongConv make(LongConvOptions options) {
  at::Generator generator = parameter_generator();
  return LongConv(options, generator);
}

/// What is added, with the dropouts of these draws: of the kernel's taps and of the values before the last layer.
at::Tensor formula(const at::Tensor& x, written_out::Values& p, const LongConvOptions& options,
                   const Draws& draws = {}) {
  const at::Tensor v = written_out::normed(x, p);
  const at::Tensor taps = squash(smooth(p["kernel"], options.convention, 3), options.squash_threshold);
  const at::Tensor kernel = dropout(taps, options.kernel_dropout, draws);
  const at::Tensor mixed = direct_convolution(v, kernel, options.convention) + p["skip"] * v;
  const at::Tensor active = dropout(written_out::gelu_of(mixed), options.dropout, draws);
  return at::glu(written_out::mapped(active, p, "output"), -1);
}

LongConvOptions smoothed(LagConvention convention) {
  LongConvOptions options;
  options.channels = 3;
  options.taps = 5;
  options.convention = convention;
  options.smooth_width = 3;
  options.squash_threshold = 0.01;
  return options;
}

TEST(LongConv, IsTheFormulaOfItsDescription) {
  for (const LagConvention convention : kConventions) {
    SCOPED_TRACE(static_cast<int>(convention));
    const LongConvOptions options = smoothed(convention);
    written_out::expect_formula<LongConv>(
        options, 3, [&](const at::Tensor& x, written_out::Values& p) { return formula(x, p, options); });
  }
}

TEST(LongConv, GradientsMatchFiniteDifferences) {
  for (const LagConvention convention : kConventions) {
    LongConvOptions options;
    options.channels = 3;
    options.taps = 4;
    options.convention = convention;
    options.smooth_width = 3;
    LongConv module = make(options);
    module.to(at::kDouble);
    at::Tensor x = normal({2, 6, 3}, "x");
    const at::Tensor mask = at::ones({2, 6, 1}, at::TensorOptions(at::kDouble));
    const at::Tensor weight = normal({2, 6, 3}, "weight");
    const auto loss = [&] { return (module.forward(x, mask, {}) * weight).sum(); };
    expect_exact_gradient(x, loss);
    x.requires_grad_(false);
    for (const at::Tensor& parameter : module.parameters()) expect_exact_gradient(parameter, loss);
  }
}

TEST(LongConv, PaddingHasNoInfluence) {
  for (const LagConvention convention : kConventions) {
    LongConvOptions options;
    options.channels = 4;
    options.taps = 12;
    options.convention = convention;
    const LongConv module = make(options);
    const at::Tensor x = normal({2, 6, 4}, "x", at::kFloat);
    const at::Tensor junk = normal({2, 5, 4}, "junk", at::kFloat) * 100;
    const at::Tensor mask = at::ones({2, 6, 1});
    const at::Tensor alone = module.forward(x, mask, {});
    const at::Tensor padded = module.forward(at::cat({x, junk}, 1), at::cat({mask, at::zeros({2, 5, 1})}, 1), {});
    EXPECT_LT(largest_difference(alone, padded.narrow(1, 0, 6)), 1e-5);
  }
}

TEST(Dropout, ZeroesSomeAndKeepsTheMean) {
  const at::Tensor ones = at::ones({100000}), dropped = dropout(ones, 0.2, same_draws());
  EXPECT_NEAR(dropped.eq(0).to(at::kDouble).mean().item<double>(), 0.2, 3 * std::sqrt(0.2 * 0.8 / 100000));
  EXPECT_NEAR(dropped.max().item<double>(), 1.25, 1e-6);
  EXPECT_NEAR(dropped.mean().item<double>(), 1, 3 * 1.25 * std::sqrt(0.2 * 0.8 / 100000));
  EXPECT_TRUE(dropout(ones, 0.2, {}).equal(ones));
}

// A tap that is dropped is dropped at every volume of every window, the others are enlarged.
TEST(LongConv, DropsWholeTapsAndValuesOnlyWithDraws) {
  const at::NoGradGuard no_gradients;
  for (const auto& [of_kernel, of_values] : {std::pair(0.4, 0.0), std::pair(0.0, 0.5), std::pair(0.4, 0.5)}) {
    LongConvOptions options = smoothed(LagConvention::bidirectional);
    options.kernel_dropout = of_kernel;
    options.dropout = of_values;
    const auto module = written_out::filled<LongConv>(options);
    auto p = written_out::values_of(*module);
    const at::Tensor x = normal({4, 9, 3}, "x"), mask = written_out::all_volumes(x);
    const at::Tensor dropped = formula(x, p, options, same_draws());
    EXPECT_LT(largest_difference(module->forward(x, mask, same_draws()) - x, dropped), 1e-11);
    EXPECT_LT(largest_difference(module->forward(x, mask, {}) - x, formula(x, p, options)), 1e-11);
    EXPECT_GT(largest_difference(dropped, formula(x, p, options)), 0.1);
  }
}

TEST(LongConv, StartsWithTheKernelAskedFor) {
  LongConvOptions options;
  options.channels = 400;
  options.taps = 30;
  options.squash_threshold = 0;
  const at::Tensor decay = make(options).kernel();
  for (const int lag : {0, 1, 4}) {
    EXPECT_NEAR(decay.select(1, lag).mean().item<double>(), 0.3 * std::exp(-lag / 2.0), 0.005);
    EXPECT_NEAR(decay.select(1, lag).std().item<double>(), 0.02, 0.003);
  }
  options.start = KernelStart::random;
  EXPECT_NEAR(make(options).kernel().std().item<double>(), 0.002, 1e-4);
  options.start = KernelStart::double_exp;
  const at::Tensor both = make(options).kernel();
  EXPECT_NEAR(both.select(1, 0).std().item<double>(), 0.02, 0.002);
  // The last channels decay by ⌊C/2⌋ = 200 e-folds over the kernel, the first by one.
  EXPECT_LT(both.narrow(0, 300, 100).select(1, 15).abs().max().item<double>(), 1e-10);
  EXPECT_NEAR(both.narrow(0, 0, 20).select(1, 15).std().item<double>(), 0.02 * std::exp(-0.5 * 1.15), 0.004);
  // The future side too starts at tap 0, not weaker by a lag.
  options.taps = 3;
  options.convention = LagConvention::bidirectional;
  const at::Tensor future = make(options).kernel()[1];
  EXPECT_NEAR(future.select(1, 0).std().item<double>(), 0.02, 0.002);
  EXPECT_NEAR(future.narrow(0, 0, 100).select(1, 2).std().item<double>(), 0.02 * std::exp(-2.0 / 3 * 1.9), 0.003);
}

TEST(LongConv, CountsLivingTaps) {
  LongConvOptions options;
  options.channels = 200;
  options.taps = 100;
  options.start = KernelStart::random;
  for (const double threshold : {0.001, 0.002, 0.003}) {
    options.squash_threshold = threshold;
    const double alive = std::erfc(threshold / (0.002 * std::sqrt(2.0)));
    const double deviation = std::sqrt(alive * (1 - alive) / (200 * 100));
    EXPECT_NEAR(make(options).alive_fraction(), alive, 3 * deviation);
  }
  options.squash_threshold = 0;
  EXPECT_EQ(make(options).alive_fraction(), 1);
}

TEST(LongConv, ReportsItsSize) {
  LongConvOptions options;
  options.channels = 8;
  options.taps = 9;
  const LongConv module = make(options);
  EXPECT_EQ(module.parameter_count(), 8 * 9 + 8 + 2 * 8 + (16 * 8 + 16));
  EXPECT_EQ(module.state_bytes(), 8 * 8 * 4);
  const std::int64_t pointwise = 8 * (2 * 16 + 30);  // of a volume
  EXPECT_EQ(module.flops(4), 4 * pointwise + 8 * 2 * 4 * 4);
  EXPECT_EQ(module.flops(12), 12 * pointwise + 8 * 2 * 12 * 9);
  options.convention = LagConvention::bidirectional;
  EXPECT_EQ(make(options).parameter_count(), 2 * 8 * 9 + 8 + 2 * 8 + (16 * 8 + 16));
  EXPECT_EQ(make(options).state_bytes(), (17 + 9) * 8 * 4);  // of v and of x
  EXPECT_EQ(make(options).flops(4), 4 * pointwise + 8 * 2 * 4 * (4 + 3));
  EXPECT_EQ(make(options).flops(12), 12 * pointwise + 8 * 2 * 12 * (9 + 9));
  options.smooth_width = 2;
  EXPECT_THROW(make(options), UsageError);
}

}  // namespace
}  // namespace noema
