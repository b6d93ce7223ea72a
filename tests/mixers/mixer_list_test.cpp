#include "noema/mixers/mixer_list.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "noema/core/error.h"
#include "noema/kernels/simd.h"
#include "noema/mixers/attention.h"
#include "noema/mixers/gated_long_conv.h"
#include "written_out.h"

namespace noema {
namespace {

using written_out::all_volumes;

std::shared_ptr<Mixer> make(const MixerDescription& description, const MixerShape& shape = {8, 6}) {
  at::Generator generator = parameter_generator();
  return make_mixer(description, shape, generator);
}

std::string error_of(const MixerDescription& description, const MixerShape& shape = {8, 6}) {
  try {
    make(description, shape);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(MixerList, MakesEveryKindFromItsDefaults) {
  const std::vector<std::string> kinds = mixer_kinds();
  EXPECT_TRUE(std::is_sorted(kinds.begin(), kinds.end()));
  EXPECT_GE(kinds.size(), 8);
  const at::Tensor x = normal({2, 6, 8}, "x", at::kFloat);
  for (const std::string& kind : kinds) {
    SCOPED_TRACE(kind);
    const auto mixer = make({kind, {}});
    EXPECT_EQ(mixer->forward(x, all_volumes(x), {}).sizes(), x.sizes());
    const MixerCost cost = cost_of(kind, *mixer, 6);
    EXPECT_EQ(cost.kind, kind);
    EXPECT_EQ(cost.parameters, mixer->parameter_count());
    EXPECT_EQ(cost.flops, mixer->flops(6));
    EXPECT_EQ(cost.volumes, 6);
    EXPECT_EQ(cost.state_bytes, mixer->state_bytes());
    // Said in full it is the same mixer.
    const MixerDescription full = complete({kind, {}});
    EXPECT_EQ(full.options, mixer_defaults(kind));
    EXPECT_EQ(complete(full), full);
    EXPECT_TRUE(make(full)->forward(x, all_volumes(x), {}).equal(mixer->forward(x, all_volumes(x), {})));
  }
}

TEST(MixerList, OptionsReachTheMixer) {
  AttentionOptions attention;
  attention.channels = 8;
  attention.heads = 2;
  attention.groups = 1;
  attention.reach = {false, 3};
  attention.rotary = false;
  at::Generator generator = parameter_generator();
  const Attention expected(attention, generator);
  const auto found = make({"attention",
                           {{"heads", std::int64_t{2}},
                            {"groups", std::int64_t{1}},
                            {"causal", false},
                            {"window", std::int64_t{3}},
                            {"rotary", false},
                            {"dropout", std::int64_t{0}}}});
  const at::Tensor x = normal({2, 6, 8}, "x", at::kFloat);
  EXPECT_TRUE(found->forward(x, all_volumes(x), {}).equal(expected.forward(x, all_volumes(x), {})));

  GatedLongConvOptions gated;
  gated.channels = 8;
  gated.taps = 6;  // of the window
  gated.convention = LagConvention::bidirectional;
  gated.residual = true;
  generator = parameter_generator();
  const GatedLongConv two_sided(gated, generator);
  const auto same =
      make({"gated-long-conv", {{"convention", std::string("bidirectional")}, {"residual", true}, {"dropout", 0.5}}});
  EXPECT_TRUE(same->forward(x, all_volumes(x), {}).equal(two_sided.forward(x, all_volumes(x), {})));

  const auto grid = make({"separable-conv", {{"grid", std::vector<std::int64_t>{2, 1, 2}}}});
  EXPECT_EQ(grid->parameter_count(), 3 * 2 * 2 * 5 + 2 + 4 + 4 * 3);  // 8 channels are 4 places of 2 features
}

// Each mixer of long convolutions, in lengths for which tiles of bf16 are best. What a mixer adds is off by about what
// its products are, and is no other where the processor has no such tiles, or in float64.
TEST(MixerList, PrecisionReachesTheConvolutions) {
  const at::Tensor x = normal({16, 256, 16}, "x", at::kFloat);
  for (const std::string kind : {"long-conv", "gated-long-conv", "h3"}) {
    SCOPED_TRACE(kind);
    const auto of = [&](const char* precision) {
      MixerOptions options{{"precision", std::string(precision)}};
      if (kind == "gated-long-conv") options["residual"] = true;
      return make({kind, options}, {16, 256});
    };
    const auto exact = of("float32");
    const at::Tensor y = exact->forward(x, all_volumes(x), {});
    EXPECT_TRUE(make({kind, kind == "gated-long-conv" ? MixerOptions{{"residual", true}} : MixerOptions{}}, {16, 256})
                    ->forward(x, all_volumes(x), {})
                    .equal(y));
    const double rms = (y - x).square().mean().sqrt().item<double>();
    const auto error = [&](const char* precision) {
      return largest_difference(of(precision)->forward(x, all_volumes(x), {}), y) / rms;
    };
    if (simd_level() == SimdLevel::amx) {
      EXPECT_GT(error("bf16"), 1e-3);
      EXPECT_LT(error("bf16"), 0.1);
      EXPECT_GT(error("bf16x3"), 1e-6);
      EXPECT_LT(error("bf16x3"), 2e-4);
    } else {
      EXPECT_EQ(error("bf16"), 0);
      EXPECT_EQ(error("bf16x3"), 0);
    }
    const auto coarse = of("bf16");
    coarse->to(at::kDouble);
    exact->to(at::kDouble);
    const at::Tensor wide = x.to(at::kDouble);
    EXPECT_TRUE(coarse->forward(wide, all_volumes(wide), {}).equal(exact->forward(wide, all_volumes(wide), {})));
  }
}

TEST(MixerList, DescribesLongConvolutions) {
  LongConvOptions options;
  options.channels = 8;
  options.taps = 4;
  options.kernel.kind = KernelKind::sine;
  options.convention = LagConvention::ring;
  at::Generator generator = parameter_generator();
  const LongConv expected(options, generator);
  const at::Tensor x = normal({2, 6, 8}, "x", at::kFloat);
  EXPECT_TRUE(make(describe(options))->forward(x, all_volumes(x), {}).equal(expected.forward(x, all_volumes(x), {})));
}

TEST(MixerList, SaysWhatCannotBe) {
  const auto has = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(error_of({"h4", {}}), "no mixer of kind 'h4'; did you mean 'h3'?, expected one of attention, ");
  has(error_of({"swiglu", {{"hiden", std::int64_t{4}}}}),
      "kind 'swiglu' has no option 'hiden'; did you mean 'hidden'?, expected some of dropout, hidden");
  has(error_of({"swiglu", {{"hidden", 4.5}}}), "option hidden of a mixer of kind 'swiglu' is 4.5, expected a whole");
  has(error_of({"swiglu", {{"dropout", std::string("much")}}}), "is 'much', expected a number");
  has(error_of({"attention", {{"rotary", std::int64_t{1}}}}), "is 1, expected true or false");
  has(error_of({"long-conv", {{"kernel", std::string("sinus")}}}), "is 'sinus', expected one of 'taps', 'sine', ");
  has(error_of({"long-conv", {{"kernel", true}}}), "is true, expected one of 'taps'");
  has(error_of({"h3", {{"precision", std::string("bf15")}}}),
      "option precision of a mixer of kind 'h3' is 'bf15', expected one of 'float32', 'bf16x3', 'bf16'");
  has(error_of({"butterfly-conv", {{"precision", std::string("bf16")}}}), "has no option 'precision'");
  has(error_of({"separable-conv", {{"grid", std::vector<std::int64_t>{2, 2}}}}), "is [2, 2], expected three");
  has(error_of({"separable-conv", {{"grid", std::vector<std::int64_t>{3, 1, 1}}}}),
      "3 places was found for 8 channels");
  has(error_of({"swiglu", {{"dropout", 1.5}}}), "dropout is 1.5, expected a number from 0 to below 1");
  for (const std::string kind : {"long-conv", "butterfly-conv"}) {
    has(error_of({kind,
                  {{"kernel", std::string("sine")},
                   {"smooth_width", std::int64_t{3}},
                   {"squash_threshold", 0.5},
                   {"published_smoothing", true},
                   {"kernel_dropout", 0.1},
                   {"start", std::string("random")}}}),
        "found start, squash_threshold = 0.5, smooth_width = 3, published_smoothing = true, kernel_dropout = 0.1 for a "
        "long convolution whose kernel has no free taps, on which alone they act; expected kernel = \"taps\", or "
        "these");
  }
  has(error_of({"gated-long-conv", {{"kernel", std::string("rational")}, {"kernel_dropout", 0.2}}}),
      "found kernel_dropout = 0.2 for a gated long convolution whose");
  // As they are when left out, or off, they ask for nothing.
  const MixerOptions nothing{
      {"squash_threshold", std::int64_t{0}}, {"kernel_dropout", 0.2}, {"kernel", std::string("sine")}};
  EXPECT_EQ(error_of({"long-conv", nothing}), "no error");
  has(error_of({"attention", {}}, {6, 6}), "heads is 4, expected a divisor of the channels");
}

}  // namespace
}  // namespace noema
