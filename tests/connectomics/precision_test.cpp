// Shrinkage, precisions, partial correlations and the graphical lasso against scikit-learn's numbers and conditions of
// optimality; the five kinds of connectivity against nilearn's numbers.
#include "noema/connectomics/precision.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_lstsq.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/tril_indices.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "gradient_check.h"
#include "noema/connectomics/covariance.h"
#include "noema/connectomics/spd_means.h"
#include "noema/core/error.h"
#include "noema/tests/glm/golden.h"

namespace noema {
namespace {

using testing::HasSubstr;

double at2(const at::Tensor& x, std::int64_t i, std::int64_t j) { return x[i][j].item<double>(); }

/// x[i][t] = (7i + 3t² + 5it) mod 11 for 4 channels and 10 frames; x[1] += x[0]; x[3] *= 3.
at::Tensor example() {
  at::Tensor x = at::empty({4, 10}, at::kDouble);
  for (int i = 0; i < 4; ++i) {
    for (int t = 0; t < 10; ++t) x[i][t] = (7 * i + 3 * t * t + 5 * i * t) % 11;
  }
  x[1] += x[0];
  x[3] *= 3;
  return x;
}

at::Tensor tensor_of(const MatrixD& matrix) {
  return at::from_blob(const_cast<double*>(matrix.data()), {matrix.rows(), matrix.cols()}, at::kDouble).clone();
}

TEST(Shrinkage, ScikitLearnsNumbers) {
  const at::Tensor x = example();
  const Shrunk lw = ledoit_wolf(x), oas = oracle_shrinkage(x);
  EXPECT_NEAR(lw.intensity.item<double>(), 0.27605848696757795, 1e-14);
  EXPECT_NEAR(at2(lw.covariance, 0, 1), 4.618746853146853, 1e-13);
  EXPECT_NEAR(oas.intensity.item<double>(), 0.467330649148831, 1e-14);
  EXPECT_NEAR(at2(oas.covariance, 0, 1), 3.398430458430459, 1e-13);
  EXPECT_NEAR(ledoit_wolf(x.slice(1, 0, 3)).intensity.item<double>(), 0.24828299239347187, 1e-13);
  // The trace stays.
  EXPECT_NEAR(lw.covariance.trace().item<double>(), (covariance(x) * 0.9).trace().item<double>(), 1e-12);
  const Shrunk batch = ledoit_wolf(at::stack({x, x * 2 + 1}));
  EXPECT_LT(largest_difference(batch.covariance[1], lw.covariance * 4), 1e-12);
  EXPECT_LT(largest_difference(ledoit_wolf(x.to(at::kFloat)).covariance, lw.covariance), 1e-4);
}

TEST(Shrinkage, EdgesAreFiniteWithGradients) {
  for (const at::Tensor& x : {made_up({3, 1}), at::full({3, 5}, 2.5, at::kDouble), made_up({1, 6})}) {
    for (Shrunk (*estimate)(const at::Tensor&) : {&ledoit_wolf, &oracle_shrinkage}) {
      const at::Tensor leaf = x.clone().set_requires_grad(true);
      const Shrunk result = estimate(leaf);
      const at::Tensor gradient = torch::autograd::grad({result.covariance.sum()}, {leaf})[0];
      EXPECT_TRUE(result.covariance.isfinite().all().item<bool>());
      EXPECT_TRUE(gradient.isfinite().all().item<bool>());
    }
  }
  EXPECT_EQ(ledoit_wolf(made_up({1, 6})).intensity.item<double>(), 0);
  EXPECT_LT(gradient_error([](const auto& in) { return ledoit_wolf(in[0]).covariance; }, {made_up({2, 3, 12})}), 1e-7);
  EXPECT_LT(gradient_error([](const auto& in) { return oracle_shrinkage(in[0]).covariance; }, {made_up({2, 3, 12})}),
            1e-7);
  EXPECT_THROW(ledoit_wolf(made_up({3})), ShapeError);
}

TEST(Precision, PartialCorrelationAndCovariance) {
  const at::Tensor x = example(), omega = precision(covariance(x));
  EXPECT_LT(largest_difference(omega.matmul(covariance(x)), at::eye(4, at::kDouble)), 1e-13);
  const at::Tensor r = partial_correlation(omega), c = partial_covariance(omega);
  EXPECT_NEAR(at2(r, 0, 1), 0.682301532161271, 1e-13);
  EXPECT_NEAR(at2(r, 1, 3), -0.4905975728546326, 1e-13);
  for (std::int64_t i = 0; i < 4; ++i) EXPECT_EQ(at2(r, i, i), 1);
  // Of what least squares on the other two channels leaves, divided as the covariance was.
  const at::Tensor others = at::cat({at::ones({1, 10}, at::kDouble), x.slice(0, 2, 4)}).mT();
  const at::Tensor pair = x.slice(0, 0, 2);
  const at::Tensor rest = pair - others.matmul(std::get<0>(at::linalg_lstsq(others, pair.mT()))).mT();
  EXPECT_NEAR(at2(c, 0, 1), (rest[0] * rest[1]).sum().item<double>() / 9, 1e-12);
  EXPECT_NEAR(at2(c, 3, 3), 1 / at2(omega, 3, 3), 1e-14);
  const at::Tensor spd = made_up_spd(2, 4);
  EXPECT_LT(gradient_error([](const auto& in) { return precision(in[0]); }, {spd}), 1e-7);
  EXPECT_LT(gradient_error([](const auto& in) { return partial_correlation(precision(in[0])); }, {spd}), 1e-7);
  EXPECT_LT(gradient_error([](const auto& in) { return partial_covariance(in[0]); }, {spd}), 1e-6);
}

TEST(Precision, SinglePrecisionFollowsDouble) {
  const at::Tensor a = made_up_spd(2, 5), x = made_up({2, 5, 30}), single = a.to(at::kFloat);
  EXPECT_LT(largest_difference(precision(single), precision(a)), 1e-4);
  EXPECT_LT(largest_difference(partial_correlation(precision(single)), partial_correlation(precision(a))), 1e-5);
  EXPECT_LT(largest_difference(partial_covariance(precision(single)), partial_covariance(precision(a))), 1e-5);
  EXPECT_LT(largest_difference(oracle_shrinkage(x.to(at::kFloat)).covariance, oracle_shrinkage(x).covariance), 1e-6);
  EXPECT_LT(largest_difference(ledoit_wolf(x.to(at::kFloat)).intensity, ledoit_wolf(x).intensity), 1e-5);
}

TEST(Precision, RefusesWhatHasNone) {
  try {
    precision(covariance(made_up({6, 4})));
    FAIL();
  } catch (const NumericalError& error) {
    EXPECT_THAT(error.what(), HasSubstr("found 1 of 1 matrices not positive definite"));
  }
  EXPECT_THROW(precision(made_up({2, 3})), ShapeError);
  EXPECT_THROW(partial_correlation(-at::eye(3, at::kDouble)), NumericalError);
}

at::Tensor scalar(double value) { return at::full({}, value, at::kDouble); }

TEST(GraphicalLasso, ScikitLearnsNumbersAndConditionsOfOptimality) {
  const at::Tensor s = correlation(example());
  const at::Tensor omega = graphical_lasso(s, scalar(0.05));
  EXPECT_NEAR(at2(omega, 0, 0), 1.7349780920196403, 1e-8);
  EXPECT_NEAR(at2(omega, 1, 3), 0.5465744425473872, 1e-8);
  EXPECT_EQ(at2(omega, 2, 3), 0);
  EXPECT_NEAR(at2(graphical_lasso(s, scalar(0.2)), 1, 2), -0.1273882801473377, 1e-8);

  // More channels than frames, so S is singular.
  const double alpha = 0.1;
  const at::Tensor wide = correlation(made_up({25, 18}));
  const at::Tensor sparse = graphical_lasso(wide, scalar(alpha), {.tolerance = 1e-12, .max_sweeps = 10000});
  const at::Tensor gap = sparse.inverse() - wide;
  const at::Tensor off = 1 - at::eye(25, at::kDouble);
  const at::Tensor active = (sparse != 0).to(at::kDouble) * off;
  EXPECT_GT(active.sum().item<double>(), 40);
  EXPECT_LT(active.sum().item<double>(), 500);
  EXPECT_LT(gap.diagonal().abs().max().item<double>(), 1e-10);
  EXPECT_LT(((gap - alpha * sparse.sign()) * active).abs().max().item<double>(), 1e-10);
  EXPECT_LT(gap.abs().max().item<double>(), alpha + 1e-10);
  // No penalty worth the name: the inverse. A large one: the diagonal.
  EXPECT_LT(largest_difference(graphical_lasso(s, scalar(1e-9)), s.inverse()), 1e-6);
  EXPECT_LT(largest_difference(graphical_lasso(s, scalar(2)), at::eye(4, at::kDouble)), 1e-14);
  const at::Tensor batch = graphical_lasso(at::stack({s, s}), at::tensor({0.05, 0.2}, at::kDouble));
  EXPECT_LT(largest_difference(batch[0], omega), 1e-15);
  EXPECT_NEAR(graphical_lasso(at::full({1, 1}, 4, at::kDouble), scalar(0.5)).item<double>(), 0.25, 1e-15);
  const at::Tensor single = graphical_lasso(s.to(at::kFloat), scalar(0.05).to(at::kFloat));
  EXPECT_EQ(single.scalar_type(), at::kFloat);
  EXPECT_LT(largest_difference(single, omega), 1e-5);
}

TEST(GraphicalLasso, GradientOfTheConditions) {
  const at::Tensor s = correlation(made_up({6, 15}));
  const auto lasso = [](const std::vector<at::Tensor>& in) {
    return graphical_lasso(in[0], in[1], {.tolerance = 1e-14, .max_sweeps = 10000});
  };
  const at::Tensor omega = lasso({s, scalar(0.1)});
  ASSERT_GT((omega == 0).sum().item<std::int64_t>(), 4);
  ASSERT_GT((omega != 0).sum().item<std::int64_t>(), 12);
  EXPECT_LT(gradient_error(lasso, {s, scalar(0.1)}), 1e-6);
  EXPECT_LT(gradient_error(lasso, {at::stack({s, s * 2}), at::tensor({0.1, 0.15}, at::kDouble)}), 1e-6);
  // More channels than frames.
  const auto of_singular = [](const std::vector<at::Tensor>& in) {
    return graphical_lasso(in[0], in[1], {.tolerance = 1e-12, .max_sweeps = 10000});
  };
  EXPECT_LT(gradient_error(of_singular, {correlation(made_up({6, 5})), scalar(0.2)}, 1e-4), 1e-5);
  // Each matrix of a batch is solved to its own gradient's digits, however small.
  at::Tensor pair = at::stack({s, s}).set_requires_grad(true);
  const at::Tensor g = made_up({6, 6}, 7), both = graphical_lasso(pair, scalar(0.1));
  const at::Tensor found = torch::autograd::grad({(both[0] * g).sum() + 1e-14 * (both[1] * g).sum()}, {pair})[0];
  EXPECT_LT(largest_difference(1e14 * found[1], found[0]) / found[0].abs().max().item<double>(), 1e-10);
}

TEST(GraphicalLasso, SaysWhatIsWrong) {
  const at::Tensor s = made_up_spd(1, 4)[0];
  EXPECT_THROW(graphical_lasso(s, scalar(0)), UsageError);
  EXPECT_THROW(graphical_lasso(made_up({3, 4}), scalar(1)), ShapeError);
  EXPECT_THROW(graphical_lasso(at::zeros({3, 3}, at::kDouble), scalar(1)), NumericalError);
  try {
    graphical_lasso(correlation(made_up({12, 9})), scalar(0.01), {.tolerance = 1e-12, .max_sweeps = 1});
    FAIL();
  } catch (const NumericalError& error) {
    EXPECT_THAT(error.what(), HasSubstr("after 1 sweeps"));
  }
}

class NilearnConnectivity : public GoldenTest {
 protected:
  /// S_i = [X, C] (1 + 0.1 i) + 0.3 sin((i + 1) t (1 … 5)), i = 0 … 2, as (3, 5, 60).
  static at::Tensor series() {
    const at::Tensor both = at::cat({tensor_of(golden_matrix("X")), tensor_of(golden_matrix("C"))}, 1).mT();
    const at::Tensor phase = at::outer(at::arange(1, 6, at::kDouble), at::arange(60, at::kDouble));
    std::vector<at::Tensor> subjects;
    for (int i = 0; i < 3; ++i) subjects.push_back(both * (1 + 0.1 * i) + 0.3 * ((i + 1.0) * phase).sin());
    return at::stack(subjects);
  }
  /// The lower triangle row by row, its diagonal divided by √2.
  static at::Tensor vectors(const at::Tensor& matrices) {
    const at::Tensor index = at::tril_indices(5, 5);
    const at::Tensor scaled = matrices / (1 + (std::numbers::sqrt2 - 1) * at::eye(5, at::kDouble));
    return scaled.flatten(-2).index_select(-1, index[0] * 5 + index[1]);
  }
  static double error(const at::Tensor& found, const std::string& key) {
    const at::Tensor expected = tensor_of(golden_matrix(key));
    return largest_difference(found, expected) / expected.abs().max().item<double>();
  }
};

TEST_F(NilearnConnectivity, FiveKinds) {
  const at::Tensor x = series(), raw = ledoit_wolf(x).covariance, omega = precision(raw);
  EXPECT_LT(error(vectors(raw), "conn/covariance"), 1e-12);
  EXPECT_LT(error(raw.mean(0), "conn_mean/covariance"), 1e-12);
  EXPECT_LT(error(vectors(omega), "conn/precision"), 1e-11);
  EXPECT_LT(error(vectors(partial_correlation(omega)), "conn/partial correlation"), 1e-11);
  const at::Tensor centred = x - x.mean(-1, true);
  const at::Tensor standard = centred / (centred.square().sum(-1, true) / 59).sqrt();
  EXPECT_LT(error(vectors(correlation_from_covariance(ledoit_wolf(standard).covariance)), "conn/correlation"), 1e-11);
  SpdMeanOptions published;
  published.published = true;
  const at::Tensor mean = spd_mean(raw, SpdMean::karcher, published), exact = spd_mean(raw, SpdMean::karcher);
  EXPECT_LT(error(mean, "conn_mean/tangent"), 1e-10);
  EXPECT_LT(error(vectors(to_tangent(raw, mean)), "conn/tangent"), 1e-10);
  EXPECT_LT(error(exact, "conn_mean/tangent"), 1e-7);
  EXPECT_LT(error(vectors(to_tangent(raw, exact)), "conn/tangent"), 1e-7);
}

}  // namespace
}  // namespace noema
