// Who fluctuates with whom, as features of samples: against direct forms, and by labels that show in nothing else.
#include "noema/decoders/connectivity_classifier.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "made_up_samples.h"
#include "noema/core/error.h"
#include "noema/learn/tensors.h"

namespace noema {
namespace {

using testing::HasSubstr;

/// The label decides which two of five features share a part of their noise; means and variances say nothing.
SampleSet coupled(std::uint64_t seed) {
  SampleSet set = made_up::samples({3, 2, 4, 40, 5}, [](int, int, int) { return 0.0; });
  std::vector<LearningRun> runs = *set.runs;
  for (const Sample& sample : set.samples) {
    MatrixF& values = runs[static_cast<std::size_t>(sample.run)].series.values;
    RandomStream random(seed, "shared", {static_cast<std::uint64_t>(sample.block)});
    for (const int t : sample.volumes) {
      for (int f = 0; f < 5; ++f) values(t, f) = static_cast<float>(random.normal());
      const int first = 2 * sample.label;
      values(t, first + 1) = 0.8F * values(t, first) + 0.6F * values(t, first + 1);
    }
  }
  set.runs = std::make_shared<const std::vector<LearningRun>>(std::move(runs));
  return set;
}

TEST(Connectivity, IsFishersZOfTheLowerTriangle) {
  SampleSet set = made_up::samples({2, 3, 2, 25, 4}, made_up::mean_pattern);
  std::vector<LearningRun> runs = *set.runs;
  runs[0].series.values.col(3).setConstant(7);
  set.runs = std::make_shared<const std::vector<LearningRun>>(runs);
  const MatrixF z = connectivity(set);
  ASSERT_EQ(z.cols(), 6);
  const auto correlation = [&](const Sample& sample, int a, int b) {
    const MatrixD x =
        runs[static_cast<std::size_t>(sample.run)].series.values(sample.volumes, Eigen::all).cast<double>();
    const Eigen::VectorXd u = x.col(a).array() - x.col(a).mean(), v = x.col(b).array() - x.col(b).mean();
    return u.dot(v) / (u.norm() * v.norm());
  };
  EXPECT_NEAR(z(0, 0), std::atanh(correlation(set.samples[0], 1, 0)), 1e-6);
  EXPECT_NEAR(z(0, 2), std::atanh(correlation(set.samples[0], 2, 1)), 1e-6);
  EXPECT_EQ(z(0, 3), 0);
  EXPECT_NEAR(z(7, 4), std::atanh(correlation(set.samples[7], 3, 1)), 1e-6);
}

class ConnectivityKinds : public testing::TestWithParam<ConnectivityKind> {};

TEST_P(ConnectivityKinds, ClassifiesByWhoFluctuatesTogether) {
  const SampleSet train = coupled(1), test = coupled(2);
  ConnectivityClassifierOptions options;
  options.kind = GetParam();
  ConnectivityClassifier model(options);
  EXPECT_THROW(model.predict(train), UsageError);
  model.fit(train);
  EXPECT_GE(made_up::accuracy(model.predict(test).decisions, test.labels()), 0.9);
  const auto opened = ConnectivityClassifier::load(model.save());
  EXPECT_EQ(opened->connectivity_kind(), GetParam());
  EXPECT_EQ(opened->predict(test).decisions, model.predict(test).decisions);
}
INSTANTIATE_TEST_SUITE_P(All, ConnectivityKinds,
                         testing::Values(ConnectivityKind::correlation, ConnectivityKind::partial_correlation,
                                         ConnectivityKind::tangent),
                         [](const auto& kind) {
                           std::string name = to_string(kind.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(ConnectivityClassifier, TheTangentReferenceIsOfTheTrainingSamplesAlone) {
  const SampleSet all = coupled(3);
  const auto [train, test] = made_up::split_last_run(all);
  ConnectivityClassifierOptions options;
  options.kind = ConnectivityKind::tangent;
  ConnectivityClassifier model(options);
  model.fit(train);
  const at::Tensor before = model.reference().clone();
  std::vector<at::Tensor> covariances;
  for (const Sample& sample : train.samples) {
    const MatrixD rows = train.runs->at(static_cast<std::size_t>(sample.run))
                             .series.values(sample.volumes, Eigen::all)
                             .cast<double>()
                             .transpose();
    covariances.push_back(estimate_covariance(tensor_of(rows), CovarianceEstimator::ledoit_wolf));
  }
  const at::Tensor expected = spd_mean(at::stack(covariances), SpdMean::karcher);
  EXPECT_LT((before - expected).abs().max().item<double>(), 1e-12);
  model.predict(test);
  EXPECT_TRUE(model.reference().equal(before));
}

TEST(ConnectivityClassifier, RefusesWhatItCannotUse) {
  ConnectivityClassifierOptions options;
  options.kind = ConnectivityKind::precision;
  EXPECT_THROW(ConnectivityClassifier{options}, UsageError);
  ConnectivityClassifier model;
  try {
    model.fit(made_up::samples({2, 2, 2, 8, 4}, made_up::mean_pattern));
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("at least 20 volumes"));
  }
}

}  // namespace
}  // namespace noema
