#include "noema/decoders/fine_tuning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "made_up_samples.h"
#include "noema/core/error.h"
#include "noema/decoders/long_conv_classifier.h"
#include "noema/decoders/mlp.h"
#include "noema/decoders/registry.h"
#include "noema/learn/linear_classifier.h"

namespace noema {
namespace {

using made_up::samples;

std::shared_ptr<const SafeTensors> trained_network(const SampleSet& set, int epochs = 20) {
  LongConvClassifierOptions options;
  options.network.training.epochs = epochs;
  options.network.training.min_steps = 0;
  options.network.training.learning_rate = 5e-3;
  options.network.transform = FeatureTransformOptions();
  options.conv.channels = 12;
  LongConvClassifier model(options);
  model.fit(set);
  return std::make_shared<const SafeTensors>(model.save());
}

double accuracy_on(const Classifier& model, const SampleSet& test) {
  return made_up::accuracy(model.predict(test).decisions, test.labels());
}

/// The tensors of the last layer.
bool is_output(const std::string& name) { return name.starts_with("network.output."); }

const NetworkOptions& options_of(const Classifier& model) {
  return dynamic_cast<const NetworkClassifier&>(model).network_options();
}

TEST(FineTuning, WithoutEpochsItIsTheModelItself) {
  const SampleSet set = samples({4, 3, 4}, made_up::mean_pattern);
  const auto source = trained_network(set);
  const auto tuned = fine_tuned(source, {.keep_output = true, .epochs = 0})(9);
  tuned->fit(samples({2, 3, 2, 8, 12, 3}, made_up::mean_pattern));  // other samples: they must not matter
  EXPECT_EQ(tuned->predict(set).decisions, open_classifier(*source)->predict(set).decisions);
}

TEST(FineTuning, ANewHeadBeginsAtRandomAndTheRestAsItWas) {
  const auto source = trained_network(samples({4, 3, 4}, made_up::mean_pattern));
  const SampleSet other = samples({3, 2, 4}, made_up::mean_pattern);
  const auto tuned = fine_tuned(source, {.epochs = 0})(1);
  tuned->fit(other);
  int kept = 0, fresh = 0;
  for (const auto& [name, tensor] : tuned->save().tensors) {
    const bool same = tensor.bytes == source->tensors.at(name).bytes;
    EXPECT_EQ(same, !is_output(name)) << name;
    ++(same ? kept : fresh);
  }
  EXPECT_GE(kept, 8);
  EXPECT_EQ(fresh, 2);
  EXPECT_EQ(tuned->predict(other).decisions.cols(), 2);
}

TEST(FineTuning, WhatWasTakenOverLearnsAtItsOwnRate) {
  const auto source = trained_network(samples({4, 3, 4}, made_up::mean_pattern));
  const SampleSet other = samples({3, 2, 4}, made_up::mean_pattern);
  const auto still = fine_tuned(source, {.epochs = 3, .learning_rate_scale = 1e-9})(1);
  const auto begin = fine_tuned(source, {.epochs = 0})(1);
  still->fit(other);
  begin->fit(other);
  const SafeTensors after = still->save(), before = begin->save();
  for (const auto& [name, tensor] : after.tensors) {
    if (!name.starts_with("network.")) continue;
    double change = 0;
    const std::vector<float> now = tensor.floats(), then = before.tensors.at(name).floats();
    for (std::size_t i = 0; i < now.size(); ++i) change = std::max(change, std::abs(double{now[i]} - double{then[i]}));
    EXPECT_EQ(change > 1e-4, is_output(name)) << name << " " << change;
  }
}

TEST(FineTuning, LearnsFromFewSamplesWhatTheStartHalfKnows) {
  const auto [train, test] = made_up::split_last_run(samples({4, 3, 8, 8, 12, 1.5}, made_up::mean_pattern));
  const auto source = trained_network(train, 40);
  const SampleSet few = subset(train, {0, 1, 2});
  const auto tuned = fine_tuned(source, {.keep_output = true, .epochs = 10})(0);
  const auto scratch = network_like(source)(0);
  tuned->fit(few);
  scratch->fit(few);
  EXPECT_GE(accuracy_on(*tuned, test), accuracy_on(*scratch, test) + 0.1);
  EXPECT_NE(tuned->save().tensors.at("network.input.weight").bytes, source->tensors.at("network.input.weight").bytes);
}

TEST(FineTuning, FromScratchTheRecipeIsThatOfTheFile) {
  const SampleSet set = samples({3, 3, 4}, made_up::mean_pattern);
  const auto source = trained_network(set, 7);
  const auto scratch = network_like(source)(3);
  EXPECT_EQ(options_of(*scratch).training.epochs, 7);
  EXPECT_EQ(options_of(*scratch).training.learning_rate, 5e-3);
  EXPECT_EQ(options_of(*scratch).training.seed, 3U);
  EXPECT_FALSE(options_of(*scratch).start.has_value());
  const auto tuned = fine_tuned(source, {.epochs = 4, .learning_rate_scale = 0.5})(3);
  EXPECT_EQ(options_of(*tuned).training.epochs, 4);
  EXPECT_EQ(options_of(*tuned).training.learning_rate, 5e-3);
  EXPECT_EQ(options_of(*tuned).start->learning_rate_scale, 0.5);
  EXPECT_EQ(options_of(*fine_tuned(source, {})(3)).training.epochs, 3);  // half of the recipe
  scratch->fit(set);  // equal options and samples, so only the seed differs from the source
  EXPECT_EQ(scratch->save().tensors.size(), source->tensors.size());
  EXPECT_NE(scratch->save().tensors.at("network.input.weight").bytes, source->tensors.at("network.input.weight").bytes);
}

TEST(FineTuning, RefusesWhatDoesNotFit) {
  const SampleSet set = samples({3, 3, 4}, made_up::mean_pattern);
  const auto source = trained_network(set, 2);
  EXPECT_THROW(fine_tuned(source, {.keep_output = true})(0)->fit(samples({3, 2, 4}, made_up::mean_pattern)), DataError);
  EXPECT_THROW(fine_tuned(source, {})(0)->fit(samples({3, 3, 4, 8, 11}, made_up::mean_pattern)), ShapeError);
  EXPECT_THROW(fine_tuned(source, {.epochs = -1}), UsageError);
  EXPECT_THROW(fine_tuned(source, {.learning_rate_scale = 0}), UsageError);
  LinearClassifier ridge;
  ridge.fit(set);
  EXPECT_THROW(fine_tuned(std::make_shared<const SafeTensors>(ridge.save()), {}), UsageError);
  NetworkOptions no_source;
  no_source.start = NetworkStart{};
  EXPECT_THROW(MlpClassifier().train_by(no_source), UsageError);
}

}  // namespace
}  // namespace noema
