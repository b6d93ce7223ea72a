// Short and gated long convolutions.
#include <ATen/ops/zeros.h>

#include <cmath>

#include "noema/core/error.h"
#include "noema/mixers/gated_long_conv.h"
#include "noema/mixers/short_conv.h"
#include "written_out.h"

namespace noema {
namespace {

using namespace written_out;

ShortConvOptions short_options(LagConvention convention) {
  return {.channels = 5, .taps = 3, .convention = convention};
}

GatedLongConvOptions gated_options(LagConvention convention, bool residual) {
  GatedLongConvOptions options;
  options.channels = 5;
  options.taps = 6;
  options.convention = convention;
  options.residual = residual;
  return options;
}

constexpr LagConvention kSided[] = {LagConvention::causal, LagConvention::bidirectional};
constexpr LagConvention kConventions[] = {LagConvention::causal, LagConvention::bidirectional, LagConvention::ring};

TEST(ShortConv, IsTheFormulaOfItsDescription) {
  for (const LagConvention convention : kConventions) {
    expect_formula<ShortConv>(short_options(convention), 5, [&](const at::Tensor& x, Values& p) {
      const auto parts = mapped(normed(x, p), p, "input").chunk(3, -1);
      const at::Tensor kernel = convention == LagConvention::ring ? unrolled(p["kernel"]) : p["kernel"];
      return mapped(parts[1] * convolved(parts[0] * parts[2], kernel), p, "output");
    });
  }
}

TEST(ShortConv, IsSoundAsAMixer) {
  for (const LagConvention convention : kSided) {
    expect_exact_gradients(*filled<ShortConv>(short_options(convention)), 5);
    expect_padding_without_influence(*filled<ShortConv>(short_options(convention), at::kFloat), 5);
  }
  expect_recurrence<ShortConv>(short_options(LagConvention::causal), 5);
  ShortConvOptions one = short_options(LagConvention::causal);
  one.taps = 1;
  expect_recurrence<ShortConv>(one, 5);
}

TEST(ShortConv, DropsOutOnlyWithDrawsAndStartsUniform) {
  ShortConvOptions options = short_options(LagConvention::causal);
  options.dropout = 0.5;
  expect_output_dropout(*filled<ShortConv>(options), 5);
  options = {.channels = 2000, .taps = 4, .convention = LagConvention::bidirectional};
  at::Generator generator = parameter_generator();
  const at::Tensor kernel = values_of(ShortConv(options, generator))["kernel"];
  EXPECT_LE(kernel.abs().max().item<double>(), 0.5);
  for (const int side : {0, 1}) EXPECT_NEAR(kernel[side].std().item<double>(), 0.5 / std::sqrt(3.0), 0.01);
}

TEST(ShortConv, ReportsItsSize) {
  const ShortConvOptions options = short_options(LagConvention::causal);
  const auto module = filled<ShortConv>(options, at::kFloat);
  EXPECT_EQ(module->parameter_count(), 2 * 5 + 5 * 3 + (15 * 5 + 15) + (5 * 5 + 5));
  EXPECT_EQ(module->state_bytes(), 2 * 5 * 4);
  EXPECT_EQ(module->flops(10), 2 * 10 * (15 * 5 + 5 * 5 + 5 * 3) + 10 * 5 * (8 + 3));
  const auto two_sided = filled<ShortConv>(short_options(LagConvention::bidirectional), at::kFloat);
  EXPECT_EQ(two_sided->parameter_count(), module->parameter_count() + 15);
  EXPECT_EQ(two_sided->state_bytes(), (5 + 2 * 3) * 5 * 4);  // b ∘ v; c and x
  EXPECT_EQ(two_sided->flops(10), module->flops(10) + 2 * 10 * 5 * 3);
  EXPECT_EQ(two_sided->flops(2), module->flops(2) + 2 * 2 * 5 * 1);  // two volumes have no lag −2
  EXPECT_FALSE(two_sided->has_recurrence());
  EXPECT_THROW(two_sided->initial_state(1), UsageError);
  EXPECT_THROW((ShortConvOptions{.taps = 0}.validate()), UsageError);
  EXPECT_THROW((ShortConvOptions{.dropout = 1}.validate()), UsageError);
}

/// What is added by a gated convolution with these kernels.
at::Tensor gated_formula(const at::Tensor& x, Values& p, const at::Tensor& kernel, const at::Tensor& residual) {
  const at::Tensor u = normed(x, p);
  const auto parts = (convolved(mapped(u, p, "input"), p["short_kernel"]) + p["short_bias"]).chunk(3, -1);
  const at::Tensor v = parts[0] * parts[2];
  at::Tensor y = parts[1] * (convolved(v, kernel) + p["skip"] * v);
  if (residual.defined()) y = y + convolved(u, residual) + p["residual_skip"] * u;
  return mapped(y, p, "output");
}

TEST(GatedLongConv, IsTheFormulaOfItsDescription) {
  for (const LagConvention convention : kConventions) {
    for (const bool residual : {false, true}) {
      expect_formula<GatedLongConv>(gated_options(convention, residual), 5, [&](const at::Tensor& x, Values& p) {
        const auto as_sides = [&](const at::Tensor& kernel) {
          return convention == LagConvention::ring ? unrolled(kernel) : kernel;
        };
        return gated_formula(x, p, as_sides(p["kernel"]), residual ? as_sides(p["residual_kernel"]) : at::Tensor());
      });
    }
  }
}

/// With kernels that end and kernels that do not.
GatedLongConvOptions made_options(KernelKind kind, LagConvention convention) {
  GatedLongConvOptions options = gated_options(convention, true);
  options.kernel.kind = kind;
  options.kernel.sine.width = 4;
  options.kernel.state_space.modes = 3;
  return options;
}
constexpr KernelKind kMade[] = {KernelKind::sine, KernelKind::state_space};

TEST(GatedLongConv, IsTheFormulaWithKernelsThatAreMade) {
  for (const KernelKind kind : kMade) {
    for (const LagConvention convention : kConventions) {
      const GatedLongConvOptions options = made_options(kind, convention);
      const auto same = filled<GatedLongConv>(options);
      const at::NoGradGuard no_gradients;
      expect_formula<GatedLongConv>(options, 5, [&](const at::Tensor& x, Values& p) {
        return gated_formula(x, p, made_kernel(*same, "kernel", x.size(1)),
                             made_kernel(*same, "residual_kernel", x.size(1)));
      });
    }
  }
}

TEST(GatedLongConv, IsSoundAsAMixer) {
  for (const LagConvention convention : kSided) {
    GatedLongConvOptions small = gated_options(convention, true);
    small.channels = 3;
    expect_exact_gradients(*filled<GatedLongConv>(small), 3);
    expect_padding_without_influence(*filled<GatedLongConv>(gated_options(convention, true), at::kFloat), 5);
  }
  expect_recurrence<GatedLongConv>(gated_options(LagConvention::causal, true), 5);
  expect_recurrence<GatedLongConv>(gated_options(LagConvention::causal, false), 5);
  for (const KernelKind kind : kMade) {
    GatedLongConvOptions small = made_options(kind, LagConvention::causal);
    expect_goes_on(*filled<GatedLongConv>(small), 5, 17, 1e-10);
    GatedLongConvOptions far = small;
    far.taps = 300;
    expect_goes_on(*filled<GatedLongConv>(far, at::kFloat), 5, 300, 1e-5);
    expect_causal(*filled<GatedLongConv>(small), 5);
    small.channels = 2;
    small.kernel.sine = {.width = 2, .layers = 0, .waves = 1};
    small.kernel.state_space.modes = 1;
    expect_exact_gradients(*filled<GatedLongConv>(small), 2);
  }
}

TEST(GatedLongConv, SquashesAndDropsTapsOfItsLongKernelsAlone) {
  GatedLongConvOptions options = gated_options(LagConvention::causal, true);
  options.squash_threshold = 1e6;
  const auto module = filled<GatedLongConv>(options);
  auto p = values_of(*module);
  const at::Tensor x = normal({2, 7, 5}, "x");
  const at::Tensor nothing = at::zeros({5, 1}, x.options());
  const at::Tensor without = x + gated_formula(x, p, nothing, nothing);
  EXPECT_LT(largest_difference(module->forward(x, all_volumes(x), {}), without), 1e-11);
  options.squash_threshold = 0;
  options.kernel_dropout = 0.5;
  options.dropout = 0;
  const auto dropping = filled<GatedLongConv>(options);
  const Draws draws = same_draws();
  const at::Tensor kernel = dropout(p["kernel"], 0.5, draws), residual = dropout(p["residual_kernel"], 0.5, draws);
  const at::Tensor expected = x + gated_formula(x, p, kernel, residual);
  EXPECT_LT(largest_difference(dropping->forward(x, all_volumes(x), same_draws()), expected), 1e-11);
  EXPECT_GT(largest_difference(dropping->forward(x, all_volumes(x), {}), expected), 0.1);
}

TEST(GatedLongConv, DropsOutOnlyWithDraws) {
  GatedLongConvOptions options = gated_options(LagConvention::causal, true);
  options.dropout = 0.5;
  expect_output_dropout(*filled<GatedLongConv>(options), 5);
}

TEST(GatedLongConv, ReportsItsSize) {
  const GatedLongConvOptions options = gated_options(LagConvention::causal, true);
  const auto module = filled<GatedLongConv>(options, at::kFloat);
  EXPECT_EQ(module->parameter_count(), 2 * 5 + 5 + 5 + 2 * 5 * 6 + 15 * (3 + 1) + (15 * 5 + 15) + (5 * 5 + 5));
  EXPECT_EQ(module->state_bytes(), (2 * 15 + 2 * 5 * 5) * 4);
  const std::int64_t products = 2 * 10 * (15 * 5 + 5 * 5 + 15 * 3 + 2 * 5 * 6);
  EXPECT_EQ(module->flops(10), products + 10 * 5 * (8 + 3 + 2 + 3 + 3));
  const auto plain = filled<GatedLongConv>(gated_options(LagConvention::causal, false), at::kFloat);
  EXPECT_EQ(plain->parameter_count(), module->parameter_count() - 35);
  EXPECT_EQ(plain->state_bytes(), (2 * 15 + 5 * 5) * 4);
  const auto two_sided = filled<GatedLongConv>(gated_options(LagConvention::bidirectional, true), at::kFloat);
  EXPECT_EQ(two_sided->parameter_count(), module->parameter_count() + 60);
  // Of x₁ ∘ v and u the 11 volumes of the reach; of x₂ and x the 6 that wait.
  EXPECT_EQ(two_sided->state_bytes(), (2 * 15 + (2 * 11 + 2 * 6) * 5) * 4);
  EXPECT_EQ(two_sided->flops(10), module->flops(10) + 2 * 10 * (2 * 5 * 6));
  EXPECT_FALSE(two_sided->has_recurrence());
  EXPECT_THROW((GatedLongConvOptions{.taps = 0}.validate()), UsageError);
  EXPECT_THROW((GatedLongConvOptions{.short_taps = 0}.validate()), UsageError);
}

TEST(GatedLongConv, StartsAsPublished) {
  GatedLongConvOptions options = gated_options(LagConvention::causal, true);
  options.channels = 2000;
  options.short_taps = 4;
  at::Generator generator = parameter_generator();
  const auto p = values_of(GatedLongConv(options, generator));
  for (const char* name : {"skip", "residual_skip"}) {
    EXPECT_NEAR(p.at(name).mean().item<double>(), 0, 0.08) << name;
    EXPECT_NEAR(p.at(name).std().item<double>(), 1, 0.06) << name;
  }
  EXPECT_GT(largest_difference(p.at("skip"), p.at("residual_skip")), 1);
  EXPECT_GT(largest_difference(p.at("kernel"), p.at("residual_kernel")), 0.02);
  for (const char* name : {"short_kernel", "short_bias"}) {
    EXPECT_LE(p.at(name).abs().max().item<double>(), 0.5) << name;
    EXPECT_NEAR(p.at(name).std().item<double>(), 0.5 / std::sqrt(3.0), 0.01) << name;
  }
}

}  // namespace
}  // namespace noema
