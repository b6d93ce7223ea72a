// Second derivatives wherever the headers promise them, against central differences of the first ones.
#include <gtest/gtest.h>

#include <ATen/ops/eye.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>

#include <utility>

#include "gradient_check.h"
#include "noema/connectomics/covariance.h"
#include "noema/connectomics/divergence.h"
#include "noema/connectomics/dynamic_states.h"
#include "noema/connectomics/frequency_filter.h"
#include "noema/connectomics/losses.h"
#include "noema/connectomics/modularity.h"
#include "noema/connectomics/parcels.h"
#include "noema/connectomics/precision.h"
#include "noema/connectomics/recursive_filter.h"
#include "noema/connectomics/second_moment.h"
#include "noema/connectomics/similarity.h"
#include "noema/connectomics/smoothing.h"
#include "noema/connectomics/spd.h"
#include "noema/connectomics/spd_means.h"
#include "noema/connectomics/symmetric.h"
#include "noema/core/error.h"

namespace noema {
namespace {

constexpr double kTight = 1e-6;

void expect_second_order(const char* name, const TensorFunction& function, const std::vector<at::Tensor>& inputs) {
  SCOPED_TRACE(name);
  EXPECT_LT(second_gradient_error(function, inputs), kTight);
}

TEST(SecondOrder, CovarianceAndPrecision) {
  const at::Tensor x = made_up({3, 8}), w = made_up({8}, 2).abs() + 0.2;
  expect_second_order("weights", [](const auto& in) { return covariance(in[0], {.weights = in[1]}); }, {x, w});
  expect_second_order("frame matrix", [](const auto& in) { return covariance(in[0], {.frame_matrix = in[1]}); },
                      {made_up({2, 4}), made_up({4, 4}, 3) + 3 * at::eye(4, at::kDouble)});
  expect_second_order("correlation", [](const auto& in) { return correlation(in[0], {.weights = in[1]}); }, {x, w});
  expect_second_order("cross", [](const auto& in) { return cross_covariance(in[0], in[1]); }, {x, made_up({2, 8}, 5)});
  expect_second_order("ledoit-wolf", [](const auto& in) { return ledoit_wolf(in[0]).covariance; }, {x});
  expect_second_order("precision", [](const auto& in) { return precision(in[0]); }, {made_up_spd(1, 3)});
  expect_second_order("partial", [](const auto& in) { return partial_correlation(precision(in[0])); },
                      {made_up_spd(1, 3)});
  expect_second_order("partial covariance", [](const auto& in) { return partial_covariance(precision(in[0])); },
                      {made_up_spd(1, 3)});
  expect_second_order("oas", [](const auto& in) { return oracle_shrinkage(in[0]).covariance; }, {x});
  expect_second_order("normalised", [](const auto& in) { return correlation_from_covariance(in[0]); },
                      {made_up_spd(1, 3)});
  expect_second_order("pairwise", [&](const auto& in) { return pairwise_covariance(in[0], x > -0.6); }, {x});
  expect_second_order("stream",
                      [](const auto& in) {
                        StreamingCovariance stream;
                        stream.add(in[0].slice(-1, 0, 3), in[1].slice(-1, 0, 3));
                        stream.add(in[0].slice(-1, 3), in[1].slice(-1, 3));
                        return stream.covariance();
                      },
                      {x, w});
}

TEST(SecondOrder, Filters) {
  const at::Tensor x = made_up({2, 12});
  expect_second_order("frequency", [](const auto& in) { return frequency_filter(in[0], in[1]); }, {x, made_up({7}, 2)});
  const at::Tensor free = made_up({1, 5}, 4);
  expect_second_order("sections", [](const auto& in) { return sos_filter(in[0], stable_sections(in[1])); }, {x, free});
  expect_second_order("zero phase", [](const auto& in) { return zero_phase_filter(in[0], stable_sections(in[1])); },
                      {x, free});
}

TEST(SecondOrder, MatrixFunctionsAndTangentSpaceWhereEigenvaluesAreApart) {
  const at::Tensor a = made_up_spd(2, 3), r = made_up_spd(1, 3, 4)[0];
  expect_second_order("log", [](const auto& in) { return spd_log(in[0]); }, {a});
  expect_second_order("exp", [](const auto& in) { return spd_exp(in[0]); }, {a});
  expect_second_order("root", [](const auto& in) { return spd_sqrt(in[0]); }, {a});
  expect_second_order("inverse root", [](const auto& in) { return spd_inverse_sqrt(in[0]); }, {a});
  expect_second_order("power", [](const auto& in) { return spd_power(in[0], 2.5); }, {a});
  expect_second_order("tangent", [](const auto& in) { return to_tangent(in[0], in[1]); }, {a, r});
  expect_second_order("cone", [](const auto& in) { return from_tangent(spd_log(in[0]), in[1]); }, {a, r});
  expect_second_order("log-euclidean", [](const auto& in) { return spd_mean(in[0], SpdMean::log_euclidean); }, {a});
  expect_second_order("harmonic", [](const auto& in) { return spd_mean(in[0], SpdMean::harmonic); }, {a});
  at::Tensor repeated = at::eye(3, at::kDouble).set_requires_grad(true);
  EXPECT_THROW(torch::autograd::grad({spd_log(repeated).sum()}, {repeated}, {}, std::nullopt, true), NumericalError);
}

TEST(SecondOrder, LossesAndScores) {
  const at::Tensor p = made_up({2, 4}).abs() + 0.1, q = made_up({2, 4}, 3).abs() + 0.1;
  expect_second_order("entropy", [](const auto& in) { return entropy(in[0]); }, {p});
  expect_second_order("entropy of logits", [](const auto& in) { return entropy_of_logits(in[0]); }, {p});
  expect_second_order("kl", [](const auto& in) { return kl_divergence(in[0], in[1]); }, {p, q});
  expect_second_order("js of logits", [](const auto& in) { return js_divergence_of_logits(in[0], in[1]); }, {p, q});
  expect_second_order("js", [](const auto& in) { return js_divergence(in[0], in[1]); }, {p, q});
  expect_second_order("kl of logits", [](const auto& in) { return kl_divergence_of_logits(in[0], in[1]); }, {p, q});
  const auto negative_entropy = [](const at::Tensor& x) { return -entropy(x); };
  expect_second_order("bregman", [&](const auto& in) { return bregman_divergence(negative_entropy, in[0], in[1]); },
                      {p, q});
  expect_second_order("norm", [](const auto& in) { return norm_reduction(2, {1})(in[0]); }, {p});
  expect_second_order("soft maximum", [](const auto& in) { return soft_max_reduction(0.5, true)(in[0]); }, {p});
  expect_second_order("homogeneity", [](const auto& in) { return homogeneity(in[0], in[1]); },
                      {made_up({2, 5}).abs() + 0.1, made_up({5, 6})});
  expect_second_order("squared distances", [](const auto& in) { return squared_distances(in[0], in[1]); }, {p, q});
  expect_second_order("gaussian", [](const auto& in) { return gaussian_kernel(in[0], in[1], 0.7); }, {p, q});
  expect_second_order("cosine", [](const auto& in) { return cosine_kernel(in[0], in[1]); }, {p, q});
  expect_second_order("rbf", [](const auto& in) { return rbf_kernel(in[0], in[1], 0.7); }, {p, q});
  expect_second_order("polynomial", [](const auto& in) { return polynomial_kernel(in[0], in[1], 0.3); }, {p, q});
  expect_second_order("sigmoid", [](const auto& in) { return sigmoid_kernel(in[0], in[1], 0.5); }, {p, q});
  expect_second_order("linear", [](const auto& in) { return linear_kernel(in[0], in[1]); }, {p, q});
  expect_second_order("det", [](const auto& in) { return det_loss(in[0]); }, {made_up_spd(1, 3)});
  expect_second_order("log det", [](const auto& in) { return log_det_loss(in[0], 0.1); }, {made_up_spd(1, 3)});
  expect_second_order("kurtosis", [](const auto& in) { return multivariate_kurtosis(in[0]); }, {made_up({2, 7})});
}

TEST(SecondOrder, NetworksChainsAndVolumes) {
  const at::Tensor a = made_up({4, 4});
  expect_second_order("modularity", [](const auto& in) { return modularity(in[0], in[1]); },
                      {a + a.t(), made_up({4, 2}, 5).abs()});
  expect_second_order("layers", [](const auto& in) { return multilayer_modularity(in[0], in[1], 0.3); },
                      {made_up({2, 3, 3}), made_up({2, 3, 2}, 5).abs()});
  expect_second_order("packing", [](const auto& in) { return pack_symmetric(in[0].square()); }, {a});
  expect_second_order("unpacking", [](const auto& in) { return unpack_symmetric(in[0].square()); }, {made_up({6})});
  expect_second_order("chain", [](const auto& in) { return chain_posterior(in[0], in[1], in[2]).probability; },
                      {made_up({4, 2}), made_up({2}, 2), made_up({2, 2}, 3)});
  expect_second_order("smoothing", [](const auto& in) { return smooth_volume(in[0], in[1]); },
                      {made_up({3, 2, 2}), made_up({3}, 6).abs() + 0.5});
}

TEST(SecondOrder, SparseParcels) {
  const at::Tensor parcel = at::tensor({0, 1, 0, 2, 1, 1}, at::kLong),
                   voxel = at::tensor({0, 0, 1, 2, 3, 1}, at::kLong);
  const auto means = [&](const std::vector<at::Tensor>& in) {
    return extract_parcels(in[0], SparseWeights{parcel, voxel, in[1], 3, 4});
  };
  expect_second_order("means", means, {made_up({4, 5}), made_up({6}, 2).abs() + 0.2});
}

// The first derivatives of these hold parts of the solution constant.
TEST(SecondOrder, RefusedWhereItWouldBeWrong) {
  const at::Tensor penalty = at::scalar_tensor(0.05, at::kDouble);
  const std::vector<std::pair<const char*, std::function<at::Tensor(const at::Tensor&)>>> refusing{
      {"second moment", [](const at::Tensor& a) { return second_moment(a, a.detach()); }},
      {"second moment of series", [](const at::Tensor& a) { return second_moment(a.detach(), a); }},
      {"graphical lasso", [&](const at::Tensor& a) { return graphical_lasso(a, penalty); }},
      {"karcher", [](const at::Tensor& a) { return spd_mean(a, SpdMean::karcher); }},
      {"bures", [](const at::Tensor& a) { return spd_mean(a, SpdMean::bures); }}};
  for (const auto& [name, function] : refusing) {
    SCOPED_TRACE(name);
    const at::Tensor leaf = made_up_spd(3, 3).set_requires_grad(true), value = function(leaf).square().sum();
    EXPECT_GT(torch::autograd::grad({value}, {leaf}, {}, true)[0].abs().max().item<double>(), 0);
    EXPECT_THROW(torch::autograd::grad({value}, {leaf}, {}, std::nullopt, /*create_graph=*/true), NumericalError);
  }
}

}  // namespace
}  // namespace noema
