#include "noema/learn/rena_classifier.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "noema/core/error.h"
#include "noema/learn/linear_classifier.h"
#include "noema/learn/tensors.h"
#include "noema/tests/learn/made_up.h"

namespace noema {
namespace {

constexpr int kSide = 8;  // voxels of a cube of 8×8×2, in eight clusters of 4×2×2 that each have a series of their own

int region_of(std::int64_t voxel) {
  const auto x = static_cast<int>(voxel % kSide), y = static_cast<int>(voxel / kSide % kSide);
  return x / 4 + 2 * (y / 2);
}

/// Two runs; region 3 tells the labels apart, the others are noise that their voxels share.
class RenaModel : public ::testing::Test {
 protected:
  RenaModel() {
    auto space = std::make_shared<FeatureSpace>();
    space->mask.grid.shape = {kSide, kSide, 2};
    for (std::int64_t v = 0; v < kSide * kSide * 2; ++v) space->mask.voxels.push_back(v);
    space_ = space;
    auto runs = std::make_shared<std::vector<LearningRun>>();
    for (const char* number : {"1", "2"}) {
      LearningRun run = made_up::run("01", number, 2, 40, {}, kSide * kSide * 2);
      RandomStream random(9, number);
      for (Eigen::Index t = 0; t < 40; ++t) {
        std::array<double, 8> shared{};
        for (double& value : shared) value = 3 * random.normal();
        shared[3] = t % 2 == 0 ? 4 : -4;
        for (Eigen::Index v = 0; v < run.series.values.cols(); ++v) {
          run.series.values(t, v) =
              0.3F * run.series.values(t, v) + static_cast<float>(shared[static_cast<std::size_t>(region_of(v))]);
        }
      }
      run.series.features = space_;
      runs->push_back(std::move(run));
    }
    runs_ = runs;
  }
  SampleSet samples_of(int run) const {
    SampleSet set{runs_, {}, 2};
    for (int t = 0; t < 40; ++t) set.samples.push_back({t, run, t % 2, {t}, {1.0F}});
    return set;
  }
  static ClassifierFactory ridge() {
    LinearClassifierOptions options;
    options.transform = FeatureTransformOptions{};
    return linear_factory(options);
  }

  std::shared_ptr<const FeatureSpace> space_;
  std::shared_ptr<const std::vector<LearningRun>> runs_;
};

TEST_F(RenaModel, ClustersAreTheRegionsAndTheModelReadsTheirMeans) {
  const std::unique_ptr<Classifier> model = rena_factory(ridge(), 8)(0);
  model->fit(samples_of(0));
  const auto& clustered = dynamic_cast<const RenaClassifier&>(*model);
  ASSERT_EQ(clustered.clusters().count, 8);
  std::set<std::pair<int, int>> pairs;
  for (std::int64_t v = 0; v < kSide * kSide * 2; ++v) {
    pairs.emplace(region_of(v), clustered.clusters().of_voxel[static_cast<std::size_t>(v)]);
  }
  EXPECT_EQ(pairs.size(), 8U);  // one cluster a region
  // The same as the inner model on means made by hand.
  auto reduced = std::make_shared<std::vector<LearningRun>>(*runs_);
  for (LearningRun& run : *reduced) {
    run.series.values = cluster_means(run.series.values, clustered.clusters());
    run.series.features = nullptr;
  }
  const std::unique_ptr<Classifier> plain = ridge()(0);
  SampleSet train = samples_of(0), test = samples_of(1);
  train.runs = test.runs = reduced;
  plain->fit(train);
  const MatrixD found = model->predict(samples_of(1)).decisions, expected = plain->predict(test).decisions;
  EXPECT_LT((found - expected).cwiseAbs().maxCoeff(), 1e-5);
  for (int t = 0; t < 40; ++t) EXPECT_GT(found(t, t % 2), found(t, 1 - t % 2)) << t;
  EXPECT_EQ(model->kind(), "ridge");
  EXPECT_EQ(&beneath_clusters(*model), &clustered.inner());
  EXPECT_EQ(&beneath_clusters(*plain), plain.get());
}

TEST_F(RenaModel, ClustersComeFromTheTrainingSamplesAloneWhateverTheirLabels) {
  const ClassifierFactory factory = rena_factory(ridge(), 8);
  const auto clusters_of = [](const SampleSet& train, const ClassifierFactory& make) {
    const std::unique_ptr<Classifier> model = make(0);
    model->fit(train);
    return dynamic_cast<const RenaClassifier&>(*model).clusters().of_voxel;
  };
  const std::vector<std::int32_t> before = clusters_of(samples_of(0), factory);
  SampleSet permuted = samples_of(0);
  for (Sample& sample : permuted.samples) sample.label = sample.block % 4 / 2;
  EXPECT_EQ(clusters_of(permuted, factory), before);
  // Other data where only the other run differs.
  auto changed = std::make_shared<std::vector<LearningRun>>(*runs_);
  (*changed)[1].series.values.setRandom();
  SampleSet other = samples_of(0);
  other.runs = changed;
  EXPECT_EQ(clusters_of(other, factory), before);
  SampleSet second = samples_of(1);
  second.runs = changed;
  EXPECT_NE(clusters_of(second, factory), before);
}

TEST_F(RenaModel, LogitsPatternsAndFilesGoBackToVoxels) {
  const std::unique_ptr<Classifier> model = rena_factory(ridge(), 8)(0);
  model->fit(samples_of(0));
  const auto& clustered = dynamic_cast<const RenaClassifier&>(*model);
  const SampleSet test = samples_of(1);
  const Windows windows = make_windows(test);
  const MatrixD decisions = model->predict(test).decisions;
  const at::Tensor logits = clustered.logits(windows.values, windows.weights);
  EXPECT_LT((to_matrix(logits.to(at::kDouble)) - decisions).cwiseAbs().maxCoeff(), 1e-4);
  // The gradient of a voxel is its share of its cluster's.
  at::Tensor leaf = windows.values.clone().set_requires_grad(true);
  clustered.logits(leaf, windows.weights).select(1, 1).sum().backward();
  const MatrixD gradient = to_matrix(leaf.grad().select(0, 5).to(at::kDouble));
  const auto& linear = dynamic_cast<const LinearClassifier&>(clustered.inner());
  const MatrixD weights = clustered.spread(linear.weights());
  for (Eigen::Index v = 0; v < gradient.cols(); ++v) EXPECT_NEAR(gradient(0, v), weights(1, v) / 16, 1e-6);

  const MatrixD patterns = *linear_patterns(*model);
  ASSERT_EQ(patterns.cols(), kSide * kSide * 2);
  Eigen::Index strongest = 0;
  patterns.row(0).cwiseAbs().maxCoeff(&strongest);
  EXPECT_EQ(region_of(strongest), 3);

  const SafeTensors content = model->save();
  ASSERT_TRUE(RenaClassifier::is_in(content));
  const auto opened = RenaClassifier::load(content, LinearClassifier::load(content));
  EXPECT_EQ(opened->predict(test).decisions, decisions);
  EXPECT_EQ(opened->clusters().of_voxel, clustered.clusters().of_voxel);
  SafeTensors damaged = content;
  std::vector<std::int64_t> gap(128, 0);
  gap[3] = 2;
  damaged.tensors["clusters.of_voxel"] = TensorData::from_ints({128}, gap);
  EXPECT_THROW(RenaClassifier::load(damaged, LinearClassifier::load(content)), DataError);
}

TEST_F(RenaModel, RefusesWhatHasNoNeighbours) {
  EXPECT_THROW(rena_factory(ridge(), 1)(0), UsageError);
  EXPECT_THROW(rena_factory(ridge(), 8)(0)->predict(samples_of(0)), UsageError);
  auto parcels = std::make_shared<FeatureSpace>(*space_);
  parcels->kind = FeatureKind::parcels;
  auto runs = std::make_shared<std::vector<LearningRun>>(*runs_);
  for (LearningRun& run : *runs) run.series.features = parcels;
  SampleSet train = samples_of(0);
  train.runs = runs;
  EXPECT_THROW(rena_factory(ridge(), 8)(0)->fit(train), DataError);
}

}  // namespace
}  // namespace noema
