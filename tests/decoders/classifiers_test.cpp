#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "made_up_samples.h"
#include "noema/core/error.h"
#include "noema/decoders/backbone_classifier.h"
#include "noema/decoders/long_conv_classifier.h"
#include "noema/decoders/mlp.h"
#include "noema/learn/tensors.h"
#include "noema/learn/torch_settings.h"

namespace noema {
namespace {

FeatureTransformOptions plain_transform(bool whiten = false) {
  FeatureTransformOptions options;
  options.whiten = whiten;
  return options;
}

LongConvClassifierOptions quick_long_conv(std::uint64_t seed = 0) {
  LongConvClassifierOptions options;
  options.network.training.seed = seed;
  options.network.training.epochs = 30;
  options.network.training.min_steps = 0;
  options.network.training.batch_size = 16;
  options.network.transform = plain_transform();
  options.network.shortest_crop = 1;
  options.conv.channels = 16;
  return options;
}

MlpOptions quick_mlp(std::uint64_t seed = 0) {
  MlpOptions options;
  options.network.training.seed = seed;
  options.network.training.epochs = 30;
  options.network.training.min_steps = 0;
  options.network.transform = plain_transform();
  return options;
}

double accuracy_on(const Classifier& model, const SampleSet& test) {
  return made_up::accuracy(model.predict(test).decisions, test.labels());
}

TEST(Networks, LearnAPatternOfTheMean) {
  const auto [train, test] = made_up::split_last_run(made_up::samples({4, 3, 6}, made_up::mean_pattern));
  LongConvClassifier long_conv(quick_long_conv());
  MlpClassifier mlp(quick_mlp());
  long_conv.fit(train);
  mlp.fit(train);
  EXPECT_GE(accuracy_on(long_conv, test), 0.85);
  EXPECT_GE(accuracy_on(mlp, test), 0.85);
  const TrainingHistory& history = long_conv.history();
  ASSERT_EQ(history.epochs.size(), 30);
  EXPECT_LT(history.epochs.back().train_loss, 0.7 * history.epochs.front().train_loss);
}

TEST(Networks, OnlyTheLongConvolutionSeesTheOrderOfVolumes) {
  const auto [train, test] = made_up::split_last_run(made_up::samples({4, 2, 10, 8, 6, 0.5}, made_up::order_pattern));
  LongConvClassifierOptions options = quick_long_conv();
  options.network.training.epochs = 60;
  LongConvClassifier long_conv(options);
  MlpClassifier mlp(quick_mlp());
  long_conv.fit(train);
  mlp.fit(train);
  EXPECT_GE(accuracy_on(long_conv, test), 0.9);
  EXPECT_LE(accuracy_on(mlp, test), 0.75);
}

TEST(Networks, SampleOfSingleVolumesWork) {
  const auto [train, test] = made_up::split_last_run(made_up::samples({4, 3, 20, 1, 12, 0.4}, made_up::mean_pattern));
  LongConvClassifier model(quick_long_conv());
  model.fit(train);
  EXPECT_GE(accuracy_on(model, test), 0.9);
}

class AnyNetwork : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<NetworkClassifier> make(std::uint64_t seed, bool whiten = false) const {
    LongConvClassifierOptions long_conv = quick_long_conv(seed);
    MlpOptions mlp = quick_mlp(seed);
    BackboneClassifierOptions backbone(backbone_name());
    backbone.network = long_conv.network;
    backbone.backbone.channels = 16;
    for (NetworkOptions* options : {&long_conv.network, &mlp.network, &backbone.network}) {
      options->training.epochs = 3;
      options->transform = plain_transform(whiten);
      options->transform->screening = Screening::anova;
      options->transform->keep = 9;
      options->shortest_crop = 0.5;
    }
    if (GetParam() == "mlp") return std::make_unique<MlpClassifier>(mlp);
    if (GetParam() == backbone_name()) return std::make_unique<BackboneClassifier>(backbone);
    if (GetParam() == "long-conv-bidirectional") {
      long_conv.conv.convention = LagConvention::bidirectional;
      long_conv.conv.precision = LongConvPrecision::bf16x3;
    }
    return std::make_unique<LongConvClassifier>(long_conv);
  }
  std::unique_ptr<NetworkClassifier> load(const SafeTensors& content) const {
    if (GetParam() == "mlp") return MlpClassifier::load(content);
    if (GetParam() == backbone_name()) return BackboneClassifier::load(GetParam(), content);
    return LongConvClassifier::load(content);
  }
  /// The kind that is tested where it is a named backbone, else any.
  static std::string backbone_name() {
    const std::vector<std::string> names = backbone_names();
    return std::find(names.begin(), names.end(), GetParam()) == names.end() ? names.front() : GetParam();
  }
  const SampleSet set_ = made_up::samples({3, 3, 4}, made_up::mean_pattern);

 private:
  const OneTorchThread guard_;
};

TEST_P(AnyNetwork, LogitsArePredictions) {
  auto model = make(0, true);
  SampleSet uneven = set_;
  for (std::size_t n = 0; n < uneven.samples.size(); n += 2) {  // some samples are shorter
    uneven.samples[n].volumes.resize(5);
    uneven.samples[n].weights.assign({0.1F, 0.3F, 0.2F, 0.2F, 0.2F});
  }
  model->fit(uneven);
  const ClassScores scores = model->predict(uneven);
  const Windows windows = make_windows(uneven);
  const at::Tensor logits = model->logits(windows.values, windows.weights);
  ASSERT_EQ(logits.size(0), uneven.size());
  EXPECT_LT((to_matrix(logits) - scores.decisions).cwiseAbs().maxCoeff(), 1e-5);
  EXPECT_LT((scores.probabilities.rowwise().sum().array() - 1).abs().maxCoeff(), 1e-9);
  const Eigen::RowVectorXd odds = (scores.decisions.row(0).array() - scores.decisions(0, 0)).exp();
  EXPECT_NEAR(scores.probabilities(0, 1) / scores.probabilities(0, 0), odds[1], 1e-6 * odds[1]);
  // One by one they are the same, without the others' padding.
  for (int n = 0; n < 4; ++n) {
    EXPECT_LT((model->predict(subset(uneven, {n})).decisions - scores.decisions.row(n)).cwiseAbs().maxCoeff(), 1e-5);
  }
}

TEST_P(AnyNetwork, PaddingHasNoInfluence) {
  auto model = make(0, true);
  model->fit(set_);
  const Windows windows = make_windows(set_);
  const std::int64_t count = set_.size();
  const at::Tensor longer = at::cat({windows.values, at::full({count, 7, 12}, 50.0)}, 1);
  const at::Tensor weights = at::cat({windows.weights, at::zeros({count, 7})}, 1);
  const at::Tensor difference = model->logits(windows.values, windows.weights) - model->logits(longer, weights);
  EXPECT_LT(difference.abs().max().item<double>(), 1e-4);
}

TEST_P(AnyNetwork, LogitsHaveExactGradientsInTheFeatures) {
  auto model = make(0, true);
  model->fit(set_);
  const Windows windows = make_windows(subset(set_, {0, 1}));
  at::Tensor values = windows.values.clone().requires_grad_(true);
  model->logits(values, windows.weights).select(1, 1).sum().backward();
  const at::Tensor gradient = values.grad();
  ASSERT_TRUE(gradient.defined());
  EXPECT_GT(gradient.abs().max().item<double>(), 1e-4);
  const at::NoGradGuard no_gradients;
  // Along the gradient the decision changes by its squared norm; in single precision, so to 2 %.
  const auto squared = gradient.square().sum().item<double>();
  const double step = 2e-2 / std::sqrt(squared);
  const auto at_step = [&](double by) {
    return model->logits(values.detach() + by * gradient, windows.weights).select(1, 1).sum().item<double>();
  };
  EXPECT_NEAR((at_step(step) - at_step(-step)) / (2 * step), squared, 0.02 * squared);
}

TEST_P(AnyNetwork, SavedAndLoadedItSaysTheSame) {
  auto model = make(4, true);
  model->fit(set_);
  const SafeTensors content = model->save();
  const auto loaded = load(content);
  EXPECT_EQ(loaded->predict(set_).decisions, model->predict(set_).decisions);
  EXPECT_EQ(loaded->kind(), model->kind());
  EXPECT_EQ(loaded->save().tensors.size(), content.tensors.size());
  const auto network_of = [](const SafeTensors& file) {
    return nlohmann::json::parse(file.metadata.at("model"))["network"];
  };
  EXPECT_EQ(network_of(loaded->save()), network_of(content));

  SafeTensors other = content;
  other.metadata["model"] = R"({"kind": "ridge", "network": {}})";
  EXPECT_THROW(load(other), DataError);
  other.metadata["model"] = "{";
  EXPECT_THROW(load(other), DataError);
  other = content;
  other.tensors["network.output.bias"] = TensorData::from_floats({2}, std::vector<float>{0, 0});
  EXPECT_THROW(load(other), DataError);
  other.tensors.erase("network.output.bias");
  EXPECT_THROW(load(other), DataError);
}

TEST_P(AnyNetwork, SeedDecidesEverything) {
  auto one = make(1), same = make(1), other = make(2);
  one->fit(set_);
  same->fit(set_);
  other->fit(set_);
  EXPECT_EQ(one->predict(set_).decisions, same->predict(set_).decisions);
  EXPECT_GT((one->predict(set_).decisions - other->predict(set_).decisions).cwiseAbs().maxCoeff(), 1e-3);
  same->fit(set_);  // from scratch, not from where it was
  EXPECT_EQ(one->predict(set_).decisions, same->predict(set_).decisions);
}

TEST_P(AnyNetwork, RefusesWhatItCannotUse) {
  auto model = make(0);
  EXPECT_THROW(model->predict(set_), UsageError);
  EXPECT_THROW(model->save(), UsageError);
  SampleSet lacking = set_;
  lacking.classes = 4;
  EXPECT_THROW(model->fit(lacking), DataError);
  model->fit(set_);
  EXPECT_THROW(model->predict(made_up::samples({1, 3, 1, 8, 11}, made_up::mean_pattern)), ShapeError);
  EXPECT_THROW(model->logits(at::zeros({1, 2, 11}), at::zeros({1, 2})), ShapeError);
  EXPECT_EQ(model->predict(subset(set_, {})).decisions.rows(), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, AnyNetwork,
                         testing::Values("long-conv", "long-conv-bidirectional", "mlp", "attention", "h3", "hyena",
                                         "monarch-mixer", "s4d"),
                         [](const auto& kind) {
                           std::string name = kind.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Networks, WhitenByDefault) {
  const SampleSet set = made_up::samples({3, 3, 4}, made_up::mean_pattern);
  LongConvClassifierOptions options = quick_long_conv();
  options.network.training.epochs = 1;
  options.network.transform.reset();
  LongConvClassifier whitened(options);
  whitened.fit(set);
  EXPECT_TRUE(FeatureTransform::load(whitened.save()).whitens());
  options.network.whiten = false;
  LongConvClassifier plain(options);
  plain.fit(set);
  EXPECT_FALSE(FeatureTransform::load(plain.save()).whitens());
}

TEST(Networks, ValidateOnAHeldInRun) {
  LongConvClassifierOptions options = quick_long_conv();
  options.network.validation = true;
  options.network.training.patience = 5;
  options.network.training.epochs = 40;
  LongConvClassifier model(options);
  const SampleSet set = made_up::samples({4, 3, 6}, made_up::mean_pattern);
  model.fit(set);
  const TrainingHistory& history = model.history();
  ASSERT_FALSE(history.epochs.empty());
  for (const EpochRecord& record : history.epochs) {
    EXPECT_TRUE(std::isfinite(record.validation_loss));
    EXPECT_GE(record.validation_loss, history.epochs[static_cast<std::size_t>(history.taken_epoch)].validation_loss);
  }
  EXPECT_GE(history.epochs[static_cast<std::size_t>(history.taken_epoch)].validation_accuracy, 0.8);
  LongConvClassifier single(options);
  EXPECT_THROW(single.fit(made_up::samples({1, 3, 6}, made_up::mean_pattern)), DataError);
}

TEST(Networks, GoOnFromACheckpointOfTheSameSamplesOnly) {
  const SampleSet set = made_up::samples({3, 3, 4}, made_up::mean_pattern);
  LongConvClassifierOptions options = quick_long_conv();
  options.network.training.epochs = 3;
  options.network.training.checkpoint = std::filesystem::path(testing::TempDir()) / "noema-decoders-checkpoint";
  std::filesystem::remove(options.network.training.checkpoint);
  LongConvClassifier first(options), second(options), other(options);
  first.fit(set);
  second.fit(set);
  EXPECT_EQ(first.predict(set).decisions, second.predict(set).decisions);
  EXPECT_THROW(other.fit(subset(set, {0, 1, 2, 3, 4, 5, 6})), UsageError);
  std::filesystem::remove(options.network.training.checkpoint);
}

TEST(Networks, KeepACheckpointOfEachFit) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "noema-decoders-checkpoints";
  std::filesystem::remove_all(folder);
  const auto files = [&] { return std::distance(std::filesystem::directory_iterator(folder), {}); };
  const SampleSet set = made_up::samples({3, 3, 4}, made_up::mean_pattern);
  const auto factory = [](std::uint64_t seed) {
    LongConvClassifierOptions options = quick_long_conv(seed);
    options.network.training.epochs = 3;
    return std::make_unique<LongConvClassifier>(options);
  };
  const auto plain = factory(1);
  plain->fit(set);
  const ClassifierFactory kept = with_checkpoints(factory, folder);
  kept(1)->fit(set);
  EXPECT_EQ(files(), 1);
  kept(2)->fit(set);
  kept(1)->fit(subset(set, {0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(files(), 3) << "one for each seed and each set of samples";
  const auto whitened = [](std::uint64_t seed) {
    LongConvClassifierOptions options = quick_long_conv(seed);
    options.network.training.epochs = 3;
    options.network.transform = plain_transform(true);
    return std::make_unique<LongConvClassifier>(options);
  };
  with_checkpoints(whitened, folder)(1)->fit(set);
  EXPECT_EQ(files(), 4) << "and each feature transform";
  // A fit whose checkpoint says that it is finished takes the parameters from there: planted ones show it.
  const auto again = kept(1);
  again->fit(set);
  EXPECT_EQ(again->predict(set).decisions, plain->predict(set).decisions);
  EXPECT_EQ(files(), 4);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SafeTensors content = read_safetensors(entry.path());
    for (auto& [name, tensor] : content.tensors) {
      if (name.starts_with("parameter")) std::fill(tensor.bytes.begin(), tensor.bytes.end(), std::byte{0});
    }
    write_safetensors(entry.path(), content);
  }
  const auto planted = kept(1);
  planted->fit(set);
  EXPECT_TRUE((planted->predict(set).decisions.array() == 0).all());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace noema
