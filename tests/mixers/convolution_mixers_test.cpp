// Short and gated long convolutions.
#include <ATen/ops/zeros.h>

#include <cmath>

#include "noema/core/error.h"
#include "noema/learn/training.h"
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

TEST(ShortConv, IsTheFormulaOfItsDescription) {
  for (const LagConvention convention : kSided) {
    expect_formula<ShortConv>(short_options(convention), 5, [](const at::Tensor& x, Values& p) {
      const auto parts = mapped(normed(x, p), p, "input").chunk(3, -1);
      return mapped(parts[1] * convolved(parts[0] * parts[2], p["kernel"]), p, "output");
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

TEST(ShortConv, ReportsItsSize) {
  const ShortConvOptions options = short_options(LagConvention::causal);
  const auto module = filled<ShortConv>(options, at::kFloat);
  EXPECT_EQ(module->parameter_count(), 2 * 5 + 5 * 3 + (15 * 5 + 15) + (5 * 5 + 5));
  EXPECT_EQ(module->state_bytes(), 2 * 5 * 4);
  const std::int64_t products = 2 * 10 * (15 * 5 + 5 * 5 + 5 * 3);
  EXPECT_GE(module->flops(10), products);
  EXPECT_LE(module->flops(10), products + 10 * 5 * 20);
  const auto two_sided = filled<ShortConv>(short_options(LagConvention::bidirectional), at::kFloat);
  EXPECT_EQ(two_sided->parameter_count(), module->parameter_count() + 15);
  EXPECT_EQ(two_sided->state_bytes(), 2 * 5 * 5 * 4);
  EXPECT_FALSE(two_sided->has_recurrence());
  EXPECT_THROW(two_sided->initial_state(1), UsageError);
  EXPECT_THROW((ShortConvOptions{.taps = 0}.validate()), UsageError);
  EXPECT_THROW((ShortConvOptions{.dropout = 1}.validate()), UsageError);
}

TEST(GatedLongConv, IsTheFormulaOfItsDescription) {
  for (const LagConvention convention : kSided) {
    for (const bool residual : {false, true}) {
      expect_formula<GatedLongConv>(gated_options(convention, residual), 5, [&](const at::Tensor& x, Values& p) {
        const at::Tensor u = normed(x, p);
        const auto parts = convolved(mapped(u, p, "input"), p["short_kernel"]).chunk(3, -1);
        const at::Tensor v = parts[0] * parts[2];
        at::Tensor y = parts[1] * (convolved(v, p["kernel"]) + p["skip"] * v);
        if (residual) y = y + convolved(u, p["residual_kernel"]);
        return mapped(y, p, "output");
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
}

TEST(GatedLongConv, SquashesAndDropsTapsOfItsLongKernelsAlone) {
  GatedLongConvOptions options = gated_options(LagConvention::causal, true);
  options.squash_threshold = 1e6;
  const auto module = filled<GatedLongConv>(options);
  auto p = values_of(*module);
  const at::Tensor x = normal({2, 7, 5}, "x");
  const auto parts = convolved(mapped(normed(x, p), p, "input"), p["short_kernel"]).chunk(3, -1);
  const at::Tensor without = x + mapped(parts[1] * p["skip"] * parts[0] * parts[2], p, "output");
  EXPECT_LT(largest_difference(module->forward(x, all_volumes(x), {}), without), 1e-11);
  options.squash_threshold = 0;
  options.kernel_dropout = 0.5;
  options.dropout = 0;
  const auto dropping = filled<GatedLongConv>(options);
  RandomStream stream(1, "draws");
  const Draws draws = make_generator(at::kCPU, stream);
  EXPECT_GT(largest_difference(dropping->forward(x, all_volumes(x), draws), dropping->forward(x, all_volumes(x), {})),
            0.1);
}

TEST(GatedLongConv, ReportsItsSize) {
  const GatedLongConvOptions options = gated_options(LagConvention::causal, true);
  const auto module = filled<GatedLongConv>(options, at::kFloat);
  EXPECT_EQ(module->parameter_count(), 2 * 5 + 5 + 2 * 5 * 6 + 15 * 3 + (15 * 5 + 15) + (5 * 5 + 5));
  EXPECT_EQ(module->state_bytes(), (2 * 15 + 2 * 5 * 5) * 4);
  const std::int64_t products = 2 * 10 * (15 * 5 + 5 * 5 + 15 * 3 + 2 * 5 * 6);
  EXPECT_GE(module->flops(10), products);
  EXPECT_LE(module->flops(10), products + 10 * 5 * 20);
  const auto plain = filled<GatedLongConv>(gated_options(LagConvention::causal, false), at::kFloat);
  EXPECT_EQ(plain->parameter_count(), module->parameter_count() - 30);
  EXPECT_EQ(plain->state_bytes(), (2 * 15 + 5 * 5) * 4);
  const auto two_sided = filled<GatedLongConv>(gated_options(LagConvention::bidirectional, true), at::kFloat);
  EXPECT_EQ(two_sided->parameter_count(), module->parameter_count() + 60);
  EXPECT_EQ(two_sided->state_bytes(), (2 * 15 + 3 * 11 * 5) * 4);
  EXPECT_FALSE(two_sided->has_recurrence());
  EXPECT_THROW((GatedLongConvOptions{.taps = 0}.validate()), UsageError);
  EXPECT_THROW((GatedLongConvOptions{.short_taps = 0}.validate()), UsageError);
}

}  // namespace
}  // namespace noema
