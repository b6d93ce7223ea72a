#include "noema/mixers/training_tags.h"

#include <gtest/gtest.h>

#include "mixer_checks.h"
#include "noema/mixers/gated_long_conv.h"
#include "noema/mixers/h3.h"
#include "noema/mixers/long_conv.h"
#include "noema/mixers/monarch.h"
#include "noema/mixers/separable_conv.h"
#include "noema/mixers/short_conv.h"

namespace noema {
namespace {

constexpr TrainingTag kWeight{}, kPlain{.decay = false}, kKernel{.decay = false, .kernel = true};
constexpr TrainingTag kSlow{.decay = false, .kernel = true, .largest_learning_rate = 1e-3};

using Tags = std::map<std::string, TrainingTag>;

template <class Module, class Options>
Tags tags_of(const Options& options) {
  at::Generator generator = parameter_generator();
  return training_tags(Module(options, generator));
}

void expect_tags(const Tags& found, Tags expected) {
  for (const char* layer : {"input", "output"}) {
    if (!found.contains(std::string(layer) + ".weight")) continue;
    expected[std::string(layer) + ".weight"] = kWeight;
    expected[std::string(layer) + ".bias"] = kPlain;
  }
  expected["norm.weight"] = expected["norm.bias"] = kPlain;
  for (const auto& [name, tag] : expected) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_EQ(found.at(name), tag) << name;
  }
  EXPECT_EQ(found.size(), expected.size());
}

LongConvOptions with(KernelKind kind, LagConvention convention = LagConvention::causal) {
  LongConvOptions options;
  options.channels = 3;
  options.kernel.kind = kind;
  options.kernel.sine.layers = 0;
  options.convention = convention;
  return options;
}

TEST(TrainingTags, OfKernelsAreTheirOwn) {
  expect_tags(tags_of<LongConv>(with(KernelKind::taps)), {{"kernel", kKernel}, {"skip", kPlain}});
  expect_tags(tags_of<LongConv>(with(KernelKind::band_limited)), {{"kernel.coefficients", kKernel}, {"skip", kPlain}});
  expect_tags(tags_of<LongConv>(with(KernelKind::shift, LagConvention::ring)), {{"kernel.b", kSlow},
                                                                                {"kernel.c", kWeight},
                                                                                {"future_kernel.b", kSlow},
                                                                                {"future_kernel.c", kWeight},
                                                                                {"skip", kPlain}});
  expect_tags(tags_of<LongConv>(with(KernelKind::state_space)), {{"kernel.log_step", kSlow},
                                                                 {"kernel.real_part", kSlow},
                                                                 {"kernel.frequency", kSlow},
                                                                 {"kernel.b", kSlow},
                                                                 {"kernel.c", kWeight},
                                                                 {"skip", kPlain}});
  expect_tags(tags_of<LongConv>(with(KernelKind::rational)),
              {{"kernel.numerator", kWeight}, {"kernel.feedback", kSlow}, {"skip", kPlain}});
  constexpr TrainingTag weight_of_sines{.decay = true, .kernel = true, .largest_learning_rate = 1e-3};
  expect_tags(tags_of<LongConv>(with(KernelKind::sine)), {{"kernel.frequency", kSlow},
                                                          {"kernel.layer0.weight", weight_of_sines},
                                                          {"kernel.layer0.bias", kSlow},
                                                          {"kernel.layer1.weight", weight_of_sines},
                                                          {"skip", kPlain}});
}

TEST(TrainingTags, OfMixersFollowFromWhatTheirParametersAre) {
  GatedLongConvOptions gated;
  gated.residual = true;
  expect_tags(tags_of<GatedLongConv>(gated), {{"kernel", kKernel},
                                              {"residual_kernel", kKernel},
                                              {"short_kernel", kWeight},
                                              {"short_bias", kPlain},
                                              {"skip", kPlain},
                                              {"residual_skip", kPlain}});
  expect_tags(tags_of<ShortConv>(ShortConvOptions()), {{"kernel", kWeight}});
  SeparableConvOptions volumes;
  volumes.time_taps = 2;
  expect_tags(tags_of<SeparableConv>(volumes), {{"x_kernel", kKernel},
                                                {"y_kernel", kKernel},
                                                {"z_kernel", kKernel},
                                                {"time_kernel", kKernel},
                                                {"skip", kPlain}});
  const Tags h3 = tags_of<H3>(H3Options());
  EXPECT_EQ(h3.at("shift_kernel.c"), kWeight);
  EXPECT_EQ(h3.at("shift_kernel.b"), kSlow);
  EXPECT_EQ(h3.at("memory_kernel.log_step"), kSlow);
  EXPECT_EQ(h3.at("memory_kernel.c"), kWeight);
  EXPECT_EQ(h3.at("shift_skip"), kPlain);
  EXPECT_EQ(tags_of<MonarchGlu>(MonarchGluOptions()).at("gate.first"), kWeight);
}

}  // namespace
}  // namespace noema
