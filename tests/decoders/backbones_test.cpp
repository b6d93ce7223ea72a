#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "made_up_samples.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/decoders/backbone_classifier.h"
#include "noema/decoders/long_conv_classifier.h"
#include "noema/learn/torch_settings.h"
#include "noema/learn/training.h"

namespace noema {
namespace {

BackboneClassifierOptions quick(const std::string& name, int epochs) {
  BackboneClassifierOptions options(name);
  options.network.training.epochs = epochs;
  options.network.training.min_steps = 0;
  options.network.training.batch_size = 12;
  options.network.transform = FeatureTransformOptions();
  options.backbone.channels = 16;
  return options;
}

/// Lists of the mixers that no backbone with a name has.
const std::map<std::string, std::vector<MixerDescription>>& own_lists() {
  static const std::map<std::string, std::vector<MixerDescription>> lists{
      {"butterfly-conv", {{"butterfly-conv", {{"radix", std::int64_t{4}}}}}},
      {"separable-conv",
       {{"separable-conv", {{"grid", std::vector<std::int64_t>{2, 1, 2}}, {"time_taps", std::int64_t{4}}}}}}};
  return lists;
}

/// A backbone that has a name, the default network, or one of `own_lists()`.
std::unique_ptr<NetworkClassifier> classifier(const std::string& name, int epochs,
                                              const std::filesystem::path& checkpoint = {},
                                              double checkpoint_interval_s = 60) {
  const auto list = own_lists().find(name);
  BackboneClassifierOptions options = quick(name == "long-conv" || list != own_lists().end() ? "h3" : name, epochs);
  options.network.training.checkpoint = checkpoint;
  options.network.training.checkpoint_interval_s = checkpoint_interval_s;
  if (name == "long-conv") {
    LongConvClassifierOptions plain;
    plain.network = options.network;
    plain.conv.channels = options.backbone.channels;
    return std::make_unique<LongConvClassifier>(plain);
  }
  if (list != own_lists().end()) {
    options.name = kOwnBackbone;
    options.backbone.mixers = list->second;
  }
  return std::make_unique<BackboneClassifier>(options);
}

std::vector<std::string> trained_names() {
  std::vector<std::string> names = backbone_names();
  names.emplace_back("long-conv");
  for (const auto& [name, list] : own_lists()) names.push_back(name);
  return names;
}

class NamedBackbone : public testing::TestWithParam<std::string> {
  const OneTorchThread guard_;  // small sums, and tests beside each other
};

TEST_P(NamedBackbone, LearnsInAFewSteps) {
  const auto [train, test] = made_up::split_last_run(made_up::samples({4, 2, 6}, made_up::mean_pattern));
  const auto model = classifier(GetParam(), 20);
  model->fit(train);
  EXPECT_EQ(model->kind(), own_lists().contains(GetParam()) ? kOwnBackbone : GetParam());
  const auto& epochs = model->history().epochs;
  ASSERT_EQ(epochs.size(), 20);
  EXPECT_LT(epochs.back().train_loss, 0.8 * epochs.front().train_loss);
  EXPECT_GE(made_up::accuracy(model->predict(test).decisions, test.labels()), 0.75);
}

TEST_P(NamedBackbone, GoesOnExactlyAfterAnInterruption) {
  const SampleSet set = made_up::samples({2, 2, 2, 6}, made_up::mean_pattern);
  constexpr int kEpochs = 40;  // of one step
  const auto whole = classifier(GetParam(), kEpochs);
  whole->fit(set);
  const std::filesystem::path checkpoint = std::filesystem::path(testing::TempDir()) / ("noema-" + GetParam());
  std::filesystem::remove(checkpoint);
  std::thread watch([&] {  // cancels after the first checkpoint
    while (!std::filesystem::exists(checkpoint)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    request_cancel();
  });
  EXPECT_THROW(classifier(GetParam(), kEpochs, checkpoint, 0)->fit(set), Cancelled);
  watch.join();
  reset_cancel();
  const auto resumed = classifier(GetParam(), kEpochs, checkpoint);
  resumed->fit(set);
  EXPECT_EQ(resumed->predict(set).decisions, whole->predict(set).decisions);
  for (const auto& [name, tensor] : whole->save().tensors) {
    EXPECT_EQ(resumed->save().tensors.at(name).bytes, tensor.bytes) << name;
  }
  std::filesystem::remove(checkpoint);
}

INSTANTIATE_TEST_SUITE_P(Names, NamedBackbone, testing::ValuesIn(trained_names()), [](const auto& name) {
  std::string text = name.param;
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
});

TEST(Backbone, IsALongConvClassifierWithTheSameMixers) {
  const SampleSet set = made_up::samples({3, 2, 3}, made_up::mean_pattern);
  LongConvClassifierOptions special;
  special.network = quick("h3", 3).network;
  special.blocks = 2;
  special.conv.channels = 16;
  special.kernel_learning_rate_scale = 0.5;
  BackboneOptions list;
  list.channels = 16;
  list.mixers = {{"long-conv", {}}, {"long-conv", {}}};
  list.kernel_learning_rate_scale = 0.5;
  BackboneClassifierOptions general(list);
  general.network = special.network;
  LongConvClassifier one(special);
  BackboneClassifier other(general);
  one.fit(set);
  other.fit(set);
  EXPECT_EQ(one.predict(set).decisions, other.predict(set).decisions);
  EXPECT_EQ(one.network().mixer_costs(), other.network().mixer_costs());
}

// By what their mixers say of them, not by their names: C of a state space and of a shift, and short kernels, are
// weights.
TEST(Backbone, TrainsKernelsAtTheirOwnRate) {
  BackboneOptions options;
  options.channels = 4;
  options.kernel_learning_rate_scale = 0.25;
  const auto conv = [](const char* kernel) {
    return MixerDescription{"long-conv", {{"kernel", std::string(kernel)}, {"modes", std::int64_t{2}}}};
  };
  options.mixers = {conv("taps"), conv("state-space"), conv("shift"), {"gated-long-conv", {}}, {"short-conv", {}}};
  RandomStream stream(0, "initial parameters");
  at::Generator generator = make_generator(at::kCPU, stream);
  const auto network = make_backbone(options, {.features = 3, .classes = 2, .volumes = 5}, generator);
  std::map<std::string, TrainedParameter> found;
  for (const TrainedParameter& parameter : network->trained_parameters()) found[parameter.name] = parameter;
  EXPECT_EQ(found.size(), network->named_parameters().size());
  const std::set<std::string> slow{"mixer1.kernel.log_step", "mixer1.kernel.real_part", "mixer1.kernel.frequency",
                                   "mixer1.kernel.b", "mixer2.kernel.b"};
  const std::set<std::string> free{"mixer0.kernel", "mixer3.kernel"};
  const std::set<std::string> weights{"mixer1.kernel.c", "mixer2.kernel.c", "mixer3.short_kernel",
                                      "mixer4.kernel",   "input.weight",    "mixer0.output.weight"};
  for (const auto& names : {slow, free, weights}) {
    for (const std::string& name : names) EXPECT_TRUE(found.contains(name)) << name;
  }
  for (const auto& [name, parameter] : found) {
    const bool kernel = slow.contains(name) || free.contains(name);
    EXPECT_EQ(parameter.learning_rate_scale, kernel ? 0.25 : 1) << name;
    EXPECT_FALSE(kernel && parameter.decay) << name;
    EXPECT_TRUE(parameter.decay || !weights.contains(name)) << name;
    EXPECT_EQ(parameter.largest_learning_rate == 1e-3, slow.contains(name)) << name;
  }
}

TEST(Backbone, IsSavedWithItsListAndWhatItCosts) {
  const SampleSet set = made_up::samples({3, 2, 3}, made_up::mean_pattern);
  BackboneClassifierOptions options = quick("h3", 2);
  options.name = kOwnBackbone;
  options.backbone.mixers = {{"short-conv", {{"taps", std::int64_t{2}}}}, {"swiglu", {{"hidden", std::int64_t{8}}}}};
  options.backbone.output_dropout = 0;
  BackboneClassifier model(options);
  model.fit(set);
  const SafeTensors content = model.save();
  const auto loaded = BackboneClassifier::load(kOwnBackbone, content);
  EXPECT_EQ(loaded->predict(set).decisions, model.predict(set).decisions);
  EXPECT_THROW(BackboneClassifier::load("h3", content), DataError);

  nlohmann::json file = nlohmann::json::parse(content.text("model"));
  EXPECT_EQ(file["network"]["mixers"][0]["kind"], "short-conv");
  EXPECT_EQ(file["network"]["mixers"][0]["convention"], "causal") << "options that were left out are kept too";
  EXPECT_EQ(file["mixers"][0]["kind"], "short-conv");
  EXPECT_EQ(file["mixers"][0]["parameters"], 2 * 16 + 16 * 2 + 48 * 17 + 16 * 17);
  EXPECT_EQ(file["mixers"][0]["state_bytes"], 16 * 4);
  EXPECT_EQ(file["mixers"][1]["parameters"], 2 * 16 + 16 * 17 + 16 * 9);
  EXPECT_EQ(file["mixers"][1]["volumes"], 8);
  EXPECT_GT(file["mixers"][1]["flops"], 8 * 2 * 16 * 24);

  for (const char* damage : {R"({"kind": "h5"})", R"({"kind": "swiglu", "hidden": "many"})", R"({})", "7"}) {
    nlohmann::json damaged = file;
    damaged["network"]["mixers"][1] = nlohmann::json::parse(damage);
    SafeTensors other = content;
    other.metadata["model"] = damaged.dump();
    EXPECT_THROW(BackboneClassifier::load(kOwnBackbone, other), DataError) << damage;
  }
}

TEST(Backbone, RefusesListsThatCannotBe) {
  EXPECT_THROW(named_backbone("h4"), UsageError);
  BackboneClassifierOptions options("h3");
  options.backbone.mixers.clear();
  EXPECT_THROW(BackboneClassifier{options}, UsageError);
  options.backbone.mixers = {{"h4", {}}};
  EXPECT_THROW(BackboneClassifier{options}, UsageError);
  options = BackboneClassifierOptions("attention");
  options.backbone.channels = 7;  // not to be divided among the heads
  EXPECT_THROW(BackboneClassifier{options}, UsageError);
}

}  // namespace
}  // namespace noema
