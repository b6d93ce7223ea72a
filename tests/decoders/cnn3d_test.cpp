#include "noema/decoders/cnn3d.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "made_up_samples.h"
#include "noema/core/error.h"
#include "noema/learn/tensors.h"

namespace noema {
namespace {

/// An ellipsoid-like mask in the middle of a grid.
std::shared_ptr<FeatureSpace> space_of(std::array<std::int64_t, 3> shape, std::int64_t margin) {
  auto space = std::make_shared<FeatureSpace>();
  space->mask.grid.shape = shape;
  for (std::int64_t k = 0; k < shape[2]; ++k) {
    for (std::int64_t j = margin; j < shape[1] - margin; ++j) {
      for (std::int64_t i = margin; i < shape[0] - margin; ++i) {
        if ((i + j + k) % 7 != 0) space->mask.voxels.push_back(space->mask.grid.linear_index(i, j, k));
      }
    }
  }
  return space;
}

TEST(VoxelBox, PutsEachFeatureAtItsVoxel) {
  const auto space = space_of({7, 8, 5}, 1);
  const VoxelBox box = box_around(*space);
  EXPECT_EQ(box.size, (std::array<std::int64_t, 3>{5, 6, 5}));
  const std::int64_t features = space->mask.size();
  at::Tensor values = at::arange(1, 2 * features + 1, at::TensorOptions(at::kFloat)).view({2, features});
  const at::Tensor volumes = scatter_to_box(values, box);
  ASSERT_EQ(volumes.sizes(), (at::IntArrayRef{2, 1, 5, 6, 5}));
  EXPECT_EQ(volumes.ne(0).sum().item<std::int64_t>(), 2 * features);
  for (std::int64_t f = 0; f < features; ++f) {
    const auto [i, j, k] = space->mask.grid.voxel_at(space->mask.voxels[static_cast<std::size_t>(f)]);
    EXPECT_EQ(volumes[1][0][i - 1][j - 1][k].item<float>(), static_cast<float>(features + f + 1));
  }
  values.requires_grad_(true);
  (scatter_to_box(values, box).square().sum() / 2).backward();
  EXPECT_TRUE(values.grad().equal(values.detach()));
}

TEST(VoxelBox, RefusesParcels) {
  FeatureSpace space = *space_of({4, 4, 4}, 0);
  space.kind = FeatureKind::parcels;
  EXPECT_THROW(box_around(space), DataError);
}

Cnn3dOptions quick(std::uint64_t seed = 0) {
  Cnn3dOptions options;
  options.network.training.seed = seed;
  options.network.training.epochs = 6;
  options.network.training.min_steps = 0;
  options.network.training.batch_size = 32;
  options.channels = {4, 8};
  return options;
}

/// Label 0 is high on the left half, label 1 on the right.
SampleSet halves(const std::shared_ptr<FeatureSpace>& space, int volumes) {
  made_up::SampleDesign design;
  design.classes = 2;
  design.blocks = 6;
  design.volumes = volumes;
  design.features = static_cast<int>(space->mask.size());
  const Grid grid = space->mask.grid;
  const auto voxels = space->mask.voxels;
  return made_up::samples(
      design,
      [grid, voxels](int label, int, int feature) {
        const bool right = grid.voxel_at(voxels[static_cast<std::size_t>(feature)])[0] >= grid.shape[0] / 2;
        return right == (label == 1) ? 0.5 : 0.0;
      },
      space);
}

TEST(Cnn3d, LearnsWhereTheBrainIsActive) {
  const auto [train, test] = made_up::split_last_run(halves(space_of({8, 9, 7}, 1), 4));
  Cnn3dClassifier model(quick());
  model.fit(train);
  EXPECT_GE(made_up::accuracy(model.predict(test).decisions, test.labels()), 0.9);
}

TEST(Cnn3d, WorksOnASingleSlice) {
  const auto [train, test] = made_up::split_last_run(halves(space_of({10, 11, 1}, 1), 4));
  Cnn3dClassifier model(quick());
  model.fit(train);
  EXPECT_GE(made_up::accuracy(model.predict(test).decisions, test.labels()), 0.9);
}

TEST(Cnn3d, DecisionOfASampleIsTheWeightedMeanOfItsVolumes) {
  SampleSet set = halves(space_of({6, 6, 4}, 1), 3);
  set.samples[0].weights = {0.5F, 0.2F, 0.3F};
  set.samples[1].volumes.resize(2);
  set.samples[1].weights = {0.75F, 0.25F};
  Cnn3dClassifier model(quick());
  model.fit(set);
  const MatrixD decisions = model.predict(set).decisions;
  for (const int n : {0, 1, 2}) {
    const Sample& sample = set.samples[static_cast<std::size_t>(n)];
    Eigen::RowVectorXd mean = Eigen::RowVectorXd::Zero(2);
    for (std::size_t v = 0; v < sample.volumes.size(); ++v) {
      SampleSet single = set;
      single.samples = {{0, sample.run, sample.label, {sample.volumes[v]}, {1.F}}};
      mean += sample.weights[v] * model.predict(single).decisions.row(0);
    }
    EXPECT_LT((decisions.row(n) - mean).cwiseAbs().maxCoeff(), 1e-5) << n;
  }
}

TEST(Cnn3d, AShiftByOneVoxelChangesDecisions) {
  const auto space = space_of({8, 8, 6}, 1);
  const SampleSet set = halves(space, 2);
  Cnn3dClassifier model(quick());
  model.fit(set);
  const MatrixD before = model.predict(set).decisions;
  SafeTensors content = model.save();
  std::vector<std::int64_t> places = content.tensor("network.places").ints();
  std::rotate(places.begin(), places.begin() + 1, places.end());
  content.tensors["network.places"] = TensorData::from_ints({static_cast<std::int64_t>(places.size())}, places);
  const auto shifted = Cnn3dClassifier::load(content);
  EXPECT_GT((shifted->predict(set).decisions - before).cwiseAbs().maxCoeff(), 1e-2);
  places[0] = 8 * 8 * 6;  // outside of the box
  content.tensors["network.places"] = TensorData::from_ints({static_cast<std::int64_t>(places.size())}, places);
  EXPECT_THROW(Cnn3dClassifier::load(content), DataError);
}

TEST(Cnn3d, SavedAndLoadedItSaysTheSameAndSeedDecides) {
  const SampleSet set = halves(space_of({7, 8, 3}, 1), 2);
  Cnn3dClassifier one(quick(1)), same(quick(1)), other(quick(2));
  one.fit(set);
  same.fit(set);
  other.fit(set);
  const MatrixD decisions = one.predict(set).decisions;
  EXPECT_EQ(decisions, same.predict(set).decisions);
  EXPECT_NE(decisions, other.predict(set).decisions);
  EXPECT_EQ(Cnn3dClassifier::load(one.save())->predict(set).decisions, decisions);
  const Windows windows = make_windows(set);
  EXPECT_LT((to_matrix(one.logits(windows.values, windows.weights)) - decisions).cwiseAbs().maxCoeff(), 1e-5);
}

TEST(Cnn3d, NeedsVoxels) {
  Cnn3dClassifier model(quick());
  EXPECT_THROW(model.fit(made_up::samples({2, 2, 4}, made_up::mean_pattern)), DataError);
  Cnn3dOptions options;
  options.channels = {};
  EXPECT_THROW(Cnn3dClassifier{options}, UsageError);
}

}  // namespace
}  // namespace noema
