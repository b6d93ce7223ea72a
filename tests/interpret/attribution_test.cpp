// Every method against the closed form of a model with a linear and a quadratic term.
#include "noema/interpret/attribution.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "closed_form_model.h"
#include "noema/core/error.h"
#include "noema/core/random.h"

namespace noema {
namespace {

constexpr std::int64_t kN = 5, kT = 3, kF = 4;

Windows windows() {
  RandomStream random(1, "windows");
  Windows made{at::zeros({kN, kT, kF}), at::zeros({kN, kT})};
  for (std::int64_t i = 0; i < made.values.numel(); ++i)
    made.values.data_ptr<float>()[i] = static_cast<float>(random.normal());
  for (std::int64_t n = 0; n < kN; ++n) {
    const std::int64_t length = n == 1 ? 2 : kT;  // window 1 is padded
    for (std::int64_t t = 0; t < length; ++t) made.weights[n][t] = 1.0 / static_cast<double>(length);
  }
  made.values[1][2].zero_();
  return made;
}

const at::Tensor kLinear = at::tensor({0.5F, -1.0F, 2.0F, 0.0F});
const at::Tensor kQuadratic = at::tensor({1.0F, 0.5F, 0.0F, 0.0F});
const std::vector<int> kTargets{0, 0, 1, 2, 0};

/// The margin is q for target 0, and −q/2 for the others: 0 − (q + 0)/2.
at::Tensor sign_of_targets() { return at::tensor({1.0F, 1.0F, -0.5F, -0.5F, 1.0F}).reshape({kN, 1, 1}); }

at::Tensor exact_gradient(const Windows& w) {
  const at::Tensor projected = w.values.matmul(kQuadratic).unsqueeze(2);  // (N, T, 1)
  return (kLinear + 2 * projected * kQuadratic) * w.weights.unsqueeze(2) * sign_of_targets();
}

Attribution by(AttributionMethod method, AttributionOptions options = {}) {
  options.method = method;
  options.batch = 2;  // the last batch is smaller
  return attribute(ClosedFormModel(kLinear, kQuadratic), windows(), kTargets, options);
}

TEST(Attribution, GradientIsTheDerivativeOfTheMargin) {
  EXPECT_TRUE(at::allclose(by(AttributionMethod::gradient).values, exact_gradient(windows()), 1e-5, 1e-6));
}

TEST(Attribution, InputTimesGradient) {
  const Windows w = windows();
  EXPECT_TRUE(at::allclose(by(AttributionMethod::input_x_gradient).values, w.values * exact_gradient(w), 1e-5, 1e-6));
}

TEST(Attribution, IntegratedGradientsOfAQuadraticAreExactWithOneMidpoint) {
  const Windows w = windows();
  const at::Tensor projected = w.values.matmul(kQuadratic).unsqueeze(2);
  const at::Tensor expected =
      w.values * (kLinear + projected * kQuadratic) * w.weights.unsqueeze(2) * sign_of_targets();
  for (const int steps : {1, 8}) {
    AttributionOptions options;
    options.steps = steps;
    const Attribution found = by(AttributionMethod::integrated_gradients, options);
    EXPECT_TRUE(at::allclose(found.values, expected, 1e-4, 1e-5));
    for (const double residual : found.residual) EXPECT_NEAR(residual, 0, 1e-5);
  }
}

TEST(Attribution, OnlyACompleteMethodReportsAResidual) {
  for (const AttributionFacts& facts : attribution_methods()) {
    const Attribution found = by(facts.method);
    ASSERT_EQ(found.residual.size(), static_cast<std::size_t>(kN));
    EXPECT_EQ(std::isnan(found.residual[0]), !facts.is_complete) << facts.name;
  }
}

TEST(Attribution, TheMarginIsTargetMinusMeanOfTheOthers) {
  const at::Tensor logits = at::tensor({3.0F, 1.0F, 0.0F, 2.0F, -2.0F, 8.0F}).reshape({2, 3});
  const at::Tensor margin = target_margin(logits, std::vector<int>{0, 1});
  EXPECT_NEAR(margin[0].item<double>(), 3 - 0.5, 1e-6);
  EXPECT_NEAR(margin[1].item<double>(), -2 - 5, 1e-6);
  const Attribution found = by(AttributionMethod::gradient);
  const Windows w = windows();
  const double q =
      ((w.values.matmul(kLinear) + w.values.matmul(kQuadratic).square()) * w.weights).sum(1)[2].item<double>();
  EXPECT_NEAR(found.margin[2], -q / 2, 1e-5);
}

TEST(Attribution, SmoothGradientApproachesTheGradientAndIsKeyedByTheWindow) {
  AttributionOptions options;
  options.draws = 400;
  options.noise = 0.1;
  const at::Tensor found = by(AttributionMethod::smooth_gradient, options).values;
  EXPECT_LT((found - exact_gradient(windows())).abs().max().item<double>(), 0.03);
  EXPECT_GT((found - exact_gradient(windows())).abs().max().item<double>(), 1e-6);
  // The same windows in batches of another size give the same noise where the noise's scale is the same: one batch of
  // all.
  options.method = AttributionMethod::smooth_gradient;
  options.draws = 3;
  options.batch = kN;
  const ClosedFormModel model(kLinear, kQuadratic);
  EXPECT_TRUE(attribute(model, windows(), kTargets, options)
                  .values.equal(attribute(model, windows(), kTargets, options).values));
}

TEST(Attribution, OcclusionIsTheLossOfMarginSharedInTheGroup) {
  AttributionOptions options;
  options.groups = {{0, 2}, {1}, {3}};
  const Attribution found = by(AttributionMethod::occlusion, options);
  const Windows w = windows();
  at::Tensor without = w.values.clone();
  without.select(2, 0).zero_();
  without.select(2, 2).zero_();
  const auto q = [&](const at::Tensor& x) {
    return ((x.matmul(kLinear) + x.matmul(kQuadratic).square()) * w.weights).sum(1) * sign_of_targets().reshape({kN});
  };
  const at::Tensor effect = (q(w.values) - q(without)) / 2;
  const at::Tensor over_time = found.values.sum(1);
  EXPECT_TRUE(at::allclose(over_time.select(1, 0), effect, 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(over_time.select(1, 2), effect, 1e-4, 1e-5));
  EXPECT_EQ(over_time.select(1, 3).abs().max().item<double>(), 0);
}

TEST(Attribution, PaddedVolumesGetNothing) {
  for (const AttributionFacts& facts : attribution_methods()) {
    EXPECT_EQ(by(facts.method).values[1][2].abs().max().item<double>(), 0) << facts.name;
  }
}

TEST(Attribution, RefusesWhatCannotBeExplained) {
  const ClosedFormModel model(kLinear, kQuadratic);
  EXPECT_THROW(attribute(model, windows(), std::vector<int>{0, 1}), ShapeError);
  EXPECT_THROW(attribute(model, windows(), std::vector<int>{0, 0, 3, 0, 0}), ShapeError);
  AttributionOptions options;
  options.steps = 0;
  EXPECT_THROW(attribute(model, windows(), kTargets, options), UsageError);
  EXPECT_THROW(attribution_method("gradients-x"), UsageError);
  EXPECT_EQ(attribution_method("integrated-gradients"), AttributionMethod::integrated_gradients);
}

TEST(Occlusion, GroupsCoverEachFeatureOnceWithinTheLimit) {
  FeatureSpace space;
  space.mask.grid.shape = {7, 6, 5};
  for (std::int64_t v = 0; v < 7 * 6 * 5; ++v) space.mask.voxels.push_back(v);
  const auto groups = occlusion_groups(space, 30);
  EXPECT_LE(groups.size(), 30U);
  EXPECT_EQ(groups.size(), 12U);  // cubes of edge 2 would be 4·3·3 = 36, of edge 3 they are 3·2·2
  std::set<std::int64_t> seen;
  for (const auto& group : groups) {
    for (const std::int64_t f : group) EXPECT_TRUE(seen.insert(f).second);
  }
  EXPECT_EQ(seen.size(), space.mask.voxels.size());
  EXPECT_EQ(occlusion_groups(space, 500).size(), 210U);
}

}  // namespace
}  // namespace noema
