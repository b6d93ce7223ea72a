#include "noema/learn/linear_classifier.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "made_up.h"
#include "noema/learn/majority.h"

namespace noema {
namespace {

using made_up::message_of;
using ::testing::HasSubstr;

/// Two runs with a block of 8 volumes of each of three labels, twice; features 0 to 2 tell the labels apart.
SampleSet three_labels(int features = 12, double signal = 1.5, int volumes = 8) {
  std::vector<LearningRun> runs = {made_up::run("1", "1", 2, 12 * volumes, {}, features),
                                   made_up::run("1", "2", 2, 12 * volumes, {}, features)};
  SampleSet set;
  set.classes = 3;
  for (int r = 0; r < 2; ++r) {
    for (int b = 0; b < 6; ++b) {
      Sample sample{r * 6 + b, r, b % 3, {}, {}};
      for (int t = 0; t < volumes; ++t) {
        sample.volumes.push_back(2 * b * volumes + t);
        sample.weights.push_back(1.0F / static_cast<float>(volumes));
        runs[static_cast<std::size_t>(r)].series.values(2 * b * volumes + t, b % 3) += static_cast<float>(signal);
      }
      set.samples.push_back(sample);
    }
  }
  set.runs = std::make_shared<const std::vector<LearningRun>>(std::move(runs));
  return set;
}

std::vector<LinearClassifierOptions> all_options() {
  std::vector<LinearClassifierOptions> list;
  for (const LinearKind kind : {LinearKind::ridge, LinearKind::logistic}) {
    for (const bool whiten : {false, true}) {
      FeatureTransformOptions transform;
      transform.screening = Screening::anova;
      transform.keep = 6;
      transform.whiten = whiten;
      list.push_back({.kind = kind, .transform = transform});
    }
  }
  return list;
}

double accuracy(const ClassScores& scores, const SampleSet& set) {
  return balanced_accuracy_of(scores.decisions, set.labels());
}

/// Windows and weights of samples of equal length.
std::pair<at::Tensor, at::Tensor> windows_of(const SampleSet& set) {
  const auto count = set.size(), length = static_cast<std::int64_t>(set.samples[0].volumes.size());
  at::Tensor values = at::zeros({count, length + 2, set.features()}), weights = at::zeros({count, length + 2});
  for (std::int64_t n = 0; n < count; ++n) {
    const Sample& sample = set.samples[static_cast<std::size_t>(n)];
    for (std::int64_t t = 0; t < length; ++t) {
      const auto index = static_cast<std::size_t>(t);
      MatrixF row = (*set.runs)[static_cast<std::size_t>(sample.run)].series.values.row(sample.volumes[index]);
      values.select(0, n).select(0, t).copy_(at::from_blob(row.data(), {set.features()}));
      weights.select(0, n).select(0, t).fill_(sample.weights[index]);
    }
  }
  return {values, weights};
}

TEST(LinearClassifier, RidgeCanStartFromAnother) {
  const SampleSet set = three_labels();
  LinearClassifierOptions options;
  options.transform = default_transform(FeatureKind::voxels);
  options.transform->keep = 6;
  LinearClassifier source(options);
  source.fit(set);
  const auto adapted = ridge_towards(source)(0);
  adapted->fit(three_labels(12, 0.1));
  const auto& linear = dynamic_cast<const LinearClassifier&>(*adapted);
  EXPECT_EQ(linear.transform().selected(), source.transform().selected());
  EXPECT_EQ(linear.transform().mean(), source.transform().mean());
  EXPECT_GE(accuracy(adapted->predict(set), set), 0.9);  // the new samples alone teach next to nothing
  LinearClassifier logistic({.kind = LinearKind::logistic});
  logistic.fit(set);
  EXPECT_THAT(message_of<UsageError>([&] { ridge_towards(logistic); }), HasSubstr("logistic"));
}

TEST(LinearClassifier, LearnsAndIsTheSameInTorch) {
  const SampleSet set = three_labels();
  for (const LinearClassifierOptions& options : all_options()) {
    LinearClassifier model(options);
    model.fit(set);
    const ClassScores scores = model.predict(set);
    EXPECT_EQ(accuracy(scores, set), 1);
    EXPECT_TRUE(model.strength().by_inner_folds);
    auto [values, weights] = windows_of(set);
    values.requires_grad_(true);
    const at::Tensor logits = model.logits(values, weights);
    ASSERT_EQ(logits.size(0), set.size());
    for (std::int64_t n = 0; n < set.size(); ++n) {
      for (int k = 0; k < 3; ++k) EXPECT_NEAR(logits[n][k].item<float>(), scores.decisions(n, k), 2e-5);
    }
    if (options.kind == LinearKind::logistic) {
      EXPECT_LT((scores.probabilities.rowwise().sum().array() - 1).abs().maxCoeff(), 1e-12);
    } else {
      EXPECT_EQ(scores.probabilities.size(), 0);
    }
    // The gradient is the weight of the feature times that of the volume.
    logits.select(1, 2).sum().backward();
    const MatrixD expected = model.weights();
    for (int f = 0; f < 12; ++f) {
      EXPECT_NEAR(values.grad()[3][1][f].item<float>(), expected(2, f) * weights[3][1].item<float>(), 1e-6);
    }
    EXPECT_EQ(values.grad()[0][9].abs().max().item<float>(), 0);  // padding
  }
}

TEST(Windows, HoldTheVolumesAndPadWithZeros) {
  SampleSet set = three_labels();
  set.samples[1].volumes = {5, 9, 2};
  set.samples[1].weights = {0.5F, 0.3F, 0.2F};
  const Windows windows = make_windows(set);
  ASSERT_EQ(windows.values.sizes(), at::IntArrayRef({12, 8, 12}));
  ASSERT_EQ(windows.weights.sizes(), at::IntArrayRef({12, 8}));
  const MatrixF& series = (*set.runs)[0].series.values;
  EXPECT_EQ(windows.values[1][1][4].item<float>(), series(9, 4));
  EXPECT_EQ(windows.values[1][2][11].item<float>(), series(2, 11));
  EXPECT_EQ(windows.weights[1][1].item<float>(), 0.3F);
  EXPECT_EQ(windows.values[1].slice(0, 3).abs().max().item<float>(), 0);
  EXPECT_EQ(windows.weights[1].slice(0, 3).abs().max().item<float>(), 0);
  EXPECT_EQ(windows.values[7][3][0].item<float>(), (*set.runs)[1].series.values(set.samples[7].volumes[3], 0));
  set.samples[0].weights.pop_back();
  EXPECT_THROW(make_windows(set), ShapeError);
}

TEST(LinearClassifier, WeightsAndPatternsPointAtTheFeatures) {
  const SampleSet set = three_labels(12, 3);
  FeatureTransformOptions transform;
  transform.scale = false;
  LinearClassifier model(LinearClassifierOptions{.transform = transform, .ridge = {.alphas = {100}}});
  model.fit(set);
  const MatrixD weights = model.weights();
  for (int k = 0; k < 3; ++k) {
    Eigen::Index best = 0;
    weights.row(k).maxCoeff(&best);
    EXPECT_EQ(best, k);
    model.patterns().row(k).maxCoeff(&best);
    EXPECT_EQ(best, k);
  }
  // decisions = Xw + b, so the change of a prediction is that of the features times the weights.
  const MatrixD means = sample_means(set).cast<double>();
  const MatrixD decisions = model.predict(set).decisions;
  EXPECT_LT(((means.row(0) - means.row(1)) * weights.transpose() - (decisions.row(0) - decisions.row(1))).norm(), 1e-5);
}

TEST(LinearClassifier, PatternsAreCovarianceTimesWeights) {
  // With as many decisions as independent directions: two classes give decisions d and −d, so the pattern of the first
  // is Cov(x, d) / (2 Var d).
  SampleSet set = three_labels(5);
  std::erase_if(set.samples, [](const Sample& sample) { return sample.label == 2; });
  set.classes = 2;
  LinearClassifier model(LinearClassifierOptions{.ridge = {.alphas = {10}}});
  model.fit(set);
  MatrixD x = sample_means(set).cast<double>();
  x.rowwise() -= x.colwise().mean().eval();
  Eigen::VectorXd d = model.predict(set).decisions.col(0);
  d.array() -= d.mean();
  const Eigen::VectorXd expected = x.transpose() * d / (2 * d.squaredNorm());
  EXPECT_LT((model.patterns().row(0).transpose() - expected).norm(), 1e-6 * expected.norm());
}

TEST(LinearClassifier, SavesAndLoads) {
  const SampleSet set = three_labels();
  for (const LinearClassifierOptions& options : all_options()) {
    LinearClassifier model(options);
    model.fit(set);
    const SafeTensors saved = model.save();
    const auto opened = LinearClassifier::load(saved);
    EXPECT_EQ(opened->kind(), model.kind());
    EXPECT_EQ(opened->predict(set).decisions, model.predict(set).decisions);
    EXPECT_EQ(opened->weights(), model.weights());
    EXPECT_EQ(opened->patterns(), model.patterns());
    EXPECT_EQ(opened->strength().value, model.strength().value);
    SafeTensors damaged = saved;
    damaged.tensors["weights"] = TensorData::from_doubles({1, 1}, std::vector<double>{1});
    EXPECT_THROW(LinearClassifier::load(damaged), DataError);
    damaged = saved;
    damaged.metadata["model"] = R"({"kind": "majority"})";
    EXPECT_THROW(LinearClassifier::load(damaged), DataError);
  }
}

TEST(LinearClassifier, ScreensVoxelsByDefault) {
  SampleSet set = three_labels(600);
  std::vector<LearningRun> runs = *set.runs;
  auto space = std::make_shared<FeatureSpace>();
  for (LearningRun& run : runs) run.series.features = space;
  set.runs = std::make_shared<const std::vector<LearningRun>>(runs);
  LinearClassifier of_voxels;
  of_voxels.fit(set);
  EXPECT_EQ(of_voxels.transform().outputs(), 500);
  space = std::make_shared<FeatureSpace>();
  space->kind = FeatureKind::parcels;
  for (LearningRun& run : runs) run.series.features = space;
  set.runs = std::make_shared<const std::vector<LearningRun>>(runs);
  LinearClassifier of_parcels;
  of_parcels.fit(set);
  EXPECT_EQ(of_parcels.transform().outputs(), 600);
}

TEST(LinearClassifier, RefusesMissingClassesAndWrongShapes) {
  SampleSet set = three_labels();
  LinearClassifier model;
  EXPECT_THAT(message_of<UsageError>([&] { model.predict(set); }), HasSubstr("before it was fitted"));
  model.fit(set);
  EXPECT_THROW(model.predict(three_labels(7)), ShapeError);
  EXPECT_THROW(model.logits(at::zeros({2, 3, 7}), at::zeros({2, 3})), ShapeError);
  EXPECT_THROW(model.logits(at::zeros({2, 3, 12}), at::zeros({2, 4})), ShapeError);
  set.classes = 4;
  EXPECT_THAT(message_of<DataError>([&] { model.fit(set); }), HasSubstr("class 3 of 4 has no training sample"));
}

TEST(Majority, SaysTheFrequencies) {
  SampleSet set = three_labels();
  set.samples.erase(set.samples.begin());  // one of label 0
  MajorityClassifier model;
  EXPECT_THROW(model.predict(set), UsageError);
  model.fit(set);
  const ClassScores scores = MajorityClassifier::load(model.save())->predict(set);
  EXPECT_EQ(scores.decisions.rows(), 11);
  EXPECT_NEAR(scores.probabilities(4, 0), 3.0 / 11, 1e-12);
  EXPECT_NEAR(scores.probabilities(4, 1), 4.0 / 11, 1e-12);
  set.classes = 4;
  EXPECT_THROW(model.fit(set), DataError);
}

}  // namespace
}  // namespace noema
