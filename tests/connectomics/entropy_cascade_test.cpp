// The cascade's numbers, and soft parcels that it hardens into planted ones.
#include "noema/connectomics/entropy_cascade.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log.h>
#include <ATen/ops/softmax.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "gradient_check.h"
#include "noema/connectomics/divergence.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/second_moment.h"
#include "noema/connectomics/unit_series.h"
#include "noema/core/error.h"
#include "noema/learn/averaged_weights.h"

namespace noema {
namespace {

TEST(EntropyCascade, PublishedNumbers) {
  const EntropyCascade plan = entropy_cascade(5000);
  const std::vector<double> plateaus{0.1, 1e-4, 0.1, 0.5, 1, 1.5, 2, 2.5, 3, 3.5};
  for (std::size_t i = 0; i < plateaus.size(); ++i) {
    const auto begin = static_cast<std::int64_t>(500 * i);
    EXPECT_NEAR(plan.entropy(begin + 1), plateaus[i], 1e-12);
    EXPECT_NEAR(plan.entropy(begin + 499), plateaus[i], 1e-12);
  }
  EXPECT_EQ(plan.average_from, 1600);
  EXPECT_EQ(plan.copy_back, (std::vector<std::int64_t>{2050, 2550, 3050, 3550, 4050, 4550}));
  EXPECT_DOUBLE_EQ(entropy_cascade(100, {.rise = 1, .largest = 2}).entropy(99), 2);
  EXPECT_THROW(entropy_cascade(9), UsageError);
  EXPECT_THROW(entropy_cascade(100, {.rise = 0.4}), UsageError);
  EXPECT_THROW(entropy_cascade(100, {.least = 0}), UsageError);
}

// 60 voxels of three sources under as much noise.
TEST(EntropyCascade, HardensPlantedParcels) {
  constexpr std::int64_t kParcels = 3, kVoxels = 60, kFrames = 80, kSteps = 400;
  const at::Tensor sources = normal_numbers({kParcels, kFrames}, 1, "sources");
  const at::Tensor signal = sources.repeat_interleave(kVoxels / kParcels, 0);
  const at::Tensor series =
      unit_series(signal + normal_numbers({kVoxels, kFrames}, 2, "noise")) * std::sqrt(static_cast<double>(kFrames));
  at::Tensor logits = dirichlet_columns(kParcels, kVoxels, 50, 3).log().set_requires_grad(true);
  AdamW optimizer({{"logits", logits}}, 0);
  AveragedWeights averaged({{"logits", logits}});
  const EntropyCascade plan = entropy_cascade(kSteps);
  for (std::int64_t step = 0; step < kSteps; ++step) {
    optimizer.clear_gradients();
    const at::Tensor weights = logits.softmax(0);
    const at::Tensor loss = 10 * second_moment(weights, series).mean() + 100 * imbalance(weights).square().mean() +
                            plan.entropy(step) * entropy(weights.t()).mean();
    torch::autograd::backward({loss});
    optimizer.step(0.05);
    if (step >= plan.average_from) averaged.add();
    if (std::find(plan.copy_back.begin(), plan.copy_back.end(), step) != plan.copy_back.end()) averaged.copy_back();
  }
  const at::Tensor weights = logits.detach().softmax(0), labels = weights.argmax(0).reshape({kParcels, -1});
  EXPECT_LT(entropy(weights.t()).mean().item<double>(), 0.1);  // log 3 = 1.1 at first
  // Every planted parcel is one of ours, and they differ.
  EXPECT_TRUE(labels.eq(labels.slice(1, 0, 1)).all().item<bool>());
  EXPECT_EQ(labels.select(1, 0).sum().item<std::int64_t>(), 0 + 1 + 2);
  EXPECT_NE(labels[0][0].item<std::int64_t>(), labels[1][0].item<std::int64_t>());
}

}  // namespace
}  // namespace noema
