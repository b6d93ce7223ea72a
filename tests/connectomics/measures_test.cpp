// Second moments, divergences, kernels and Gram losses against sums written out and published conventions.
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>

#include "gradient_check.h"
#include "noema/connectomics/covariance.h"
#include "noema/connectomics/divergence.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/second_moment.h"
#include "noema/connectomics/similarity.h"
#include "noema/connectomics/unit_series.h"
#include "noema/core/error.h"
#include "noema/core/memory.h"

namespace noema {
namespace {

using testing::HasSubstr;

at::Tensor written_out(const at::Tensor& weights, const at::Tensor& x) {
  const at::Tensor w = weights.abs().unsqueeze(-1);             // (P, V, 1)
  const at::Tensor total = w.sum(1);                            // (P, 1)
  const at::Tensor mean = (w * x.unsqueeze(0)).sum(1) / total;  // (P, T)
  return (w * (x.unsqueeze(0) - mean.unsqueeze(1)).square()).sum(1) / total;
}

TEST(SecondMoment, EqualsTheNaiveForm) {
  const at::Tensor w = made_up({4, 30}), x = made_up({30, 150}, 2) + 1000 * made_up({150}, 3);
  EXPECT_LT(largest_difference(second_moment(w, x), written_out(w, x)), 1e-10);
  // Another number of parcels than frames, and 32 bits far from zero.
  const at::Tensor coarse = second_moment(w.to(at::kFloat), x.to(at::kFloat));
  EXPECT_LT(largest_difference(coarse, written_out(w, x.to(at::kFloat).to(at::kDouble))), 1e-4);
  // Hard parcels: the variance of each group.
  at::Tensor hard = at::zeros({2, 30}, at::kDouble);
  hard[0].slice(0, 0, 12).fill_(1);
  hard[1].slice(0, 12, 30).fill_(1);
  EXPECT_LT(largest_difference(second_moment(hard, x)[1], x.slice(0, 12, 30).var(0, false)), 1e-9);
  const at::Tensor relative = relative_second_moment(hard, x);
  EXPECT_LT(largest_difference(relative, second_moment(hard, x) / x.var(0, false)), 1e-9);
  const at::Tensor batch = second_moment(at::stack({w, w * 2}), at::stack({x, x * 3}));
  EXPECT_LT(largest_difference(batch[1], 9 * batch[0]), 1e-9);
}

TEST(SecondMoment, Gradients) {
  at::Tensor w = made_up({2, 3, 7});
  const at::Tensor x = made_up({2, 7, 5}, 2);
  EXPECT_LT(gradient_error([](const auto& in) { return second_moment(in[0], in[1]); }, {w, x}), 1e-8);
  EXPECT_LT(gradient_error([](const auto& in) { return relative_second_moment(in[0], in[1]); }, {w, x}), 1e-7);
  // Several blocks of frames.
  EXPECT_LT(gradient_error([](const auto& in) { return second_moment(in[0], in[1]); }, {w[0], made_up({7, 130}, 2)}),
            1e-8);
  w[0][1].fill_(0);  // an empty parcel
  w.set_requires_grad(true);
  const at::Tensor moment = second_moment(w, x);
  EXPECT_EQ(moment[0][1].abs().max().item<double>(), 0);
  const at::Tensor g = torch::autograd::grad({moment.sum()}, {w})[0];
  EXPECT_TRUE(g.isfinite().all().item<bool>());
  EXPECT_EQ(g[0][1].abs().max().item<double>(), 0);
  EXPECT_GT(g[0][0].abs().max().item<double>(), 0);
  // One frame, and frames without variance.
  EXPECT_LT(gradient_error([&](const auto& in) { return second_moment(in[0], in[1]); },
                           {w.detach()[1], x[1].narrow(1, 0, 1)}),
            1e-8);
  EXPECT_EQ(relative_second_moment(w.detach(), at::full_like(x, 0.1)).abs().max().item<double>(), 0);
  EXPECT_THROW(second_moment(w, made_up({2, 8, 5})), ShapeError);
  EXPECT_THROW(second_moment(w[0], x), ShapeError);
}

TEST(Homogeneity, IsTheMeanCorrelationInside) {
  const at::Tensor x = made_up({9, 20}) + made_up({20}, 3);
  at::Tensor hard = at::zeros({3, 9}, at::kDouble);
  hard[0].slice(0, 0, 4).fill_(1);
  hard[1].slice(0, 4, 8).fill_(1);
  hard[2][8] = 1;  // a single member
  const at::Tensor h = homogeneity(hard, x), r = correlation(x.slice(0, 0, 4));
  EXPECT_NEAR(h[0].item<double>(), (r.sum().item<double>() - 4) / 12, 1e-14);
  EXPECT_EQ(h[2].item<double>(), 1);
  const at::Tensor w = made_up({2, 6}).abs() + 0.1, series = made_up({6, 8}, 2);
  EXPECT_LT(gradient_error([](const auto& in) { return homogeneity(in[0], in[1]); }, {w, series}), 1e-8);
  at::Tensor flat = series.clone();
  flat[1].fill_(0.1);
  flat.set_requires_grad(true);
  const at::Tensor g = torch::autograd::grad({homogeneity(w, flat).sum()}, {flat})[0];
  EXPECT_TRUE(g.isfinite().all().item<bool>());
}

// Several blocks of vertices, as the mean over pairs written out.
TEST(Homogeneity, InBlocksOfVertices) {
  const at::Tensor w = made_up({2, 3, 2100}), x = made_up({2, 2100, 6}, 2);
  const at::Tensor z = unit_series(x), v = w.abs(), pairs = v.unsqueeze(-1) * v.unsqueeze(-2);
  const at::Tensor products = (pairs * z.matmul(z.mT()).unsqueeze(1)).sum({-2, -1}) - v.square().sum(-1);
  const at::Tensor expected = products / (pairs.sum({-2, -1}) - v.square().sum(-1));
  EXPECT_LT(largest_difference(homogeneity(w, x), expected), 1e-13);
  // One number of each block moves, by a whole difference quotient.
  const at::Tensor leaf = x.clone().set_requires_grad(true), weight = w.clone().set_requires_grad(true);
  const at::Tensor g = made_up({2, 3}, 4);
  const auto gradients = torch::autograd::grad({(homogeneity(weight, leaf) * g).sum()}, {weight, leaf});
  for (const std::int64_t vertex : {5, 1024, 2099}) {
    const auto slope = [&](const at::Tensor& dw, const at::Tensor& dx) {
      return ((homogeneity(w + dw, x + dx) - homogeneity(w - dw, x - dx)) * g).sum().item<double>() / 2e-4;
    };
    at::Tensor dw = at::zeros_like(w), dx = at::zeros_like(x);
    dw[1][2][vertex] = 1e-4;
    dx[1][vertex][3] = 1e-4;
    const double of_weight = gradients[0][1][2][vertex].item<double>();
    const double of_series = gradients[1][1][vertex][3].item<double>();
    EXPECT_NEAR(slope(dw, at::zeros_like(x)), of_weight, 1e-5 * std::abs(of_weight));
    EXPECT_NEAR(slope(at::zeros_like(w), dx), of_series, 1e-5 * std::abs(of_series));
  }
}

// 200 parcels of a hemisphere with 500 frames, forward and backward in a process of its own.
TEST(Memory, LossesOfParcelsTakeLessThan400MB) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  using Loss = at::Tensor (*)(const at::Tensor&, const at::Tensor&);
  for (const Loss loss : {static_cast<Loss>(second_moment), static_cast<Loss>(homogeneity)}) {
    const auto peak = [loss] {
      const double before = peak_memory_mb();
      const at::Tensor weights = at::rand({200, 29696}).set_requires_grad(true);
      const at::Tensor series = at::randn({29696, 500}).set_requires_grad(true);
      torch::autograd::grad({loss(weights, series).sum()}, {weights, series});
      const double taken = peak_memory_mb() - before;
      std::fprintf(stderr, "%.0f MB above the %.0f of the libraries", taken, before);
      return taken;
    };
    EXPECT_EXIT(std::exit(peak() < 400 ? 0 : 1), testing::ExitedWithCode(0), "");
  }
}

TEST(Divergence, ScipysNumbers) {
  const at::Tensor p = at::tensor({0.5, 0.25, 0.25, 0.}, at::kDouble),
                   q = at::tensor({0.2, 0.2, 0.5, 0.1}, at::kDouble);
  EXPECT_NEAR(entropy(p).item<double>(), 1.0397207708399179, 1e-15);
  EXPECT_NEAR(kl_divergence(p, q).item<double>(), 0.34064445862564363, 1e-15);
  EXPECT_NEAR(js_divergence(p, q).item<double>(), 0.09049365671015272, 1e-15);
  EXPECT_TRUE(std::isinf(kl_divergence(q, p).item<double>()));
  const at::Tensor a = made_up({3, 5}), b = made_up({3, 5}, 2);
  EXPECT_LT(largest_difference(entropy_of_logits(a), entropy(a.softmax(-1))), 1e-14);
  EXPECT_LT(largest_difference(kl_divergence_of_logits(a, b), kl_divergence(a.softmax(-1), b.softmax(-1))), 1e-14);
  EXPECT_LT(largest_difference(js_divergence_of_logits(a, b), js_divergence(a.softmax(-1), b.softmax(-1))), 1e-14);
}

TEST(Divergence, GradientsAlsoAtTheEdges) {
  const at::Tensor p = made_up({2, 4}).abs() + 0.1, q = made_up({2, 4}, 2).abs() + 0.1, a = 3 * made_up({2, 4}, 3);
  EXPECT_LT(gradient_error([](const auto& in) { return entropy(in[0]); }, {p}), 1e-8);
  EXPECT_LT(gradient_error([](const auto& in) { return kl_divergence(in[0], in[1]); }, {p, q}), 1e-8);
  EXPECT_LT(gradient_error([](const auto& in) { return js_divergence(in[0], in[1]); }, {p, q}), 1e-8);
  EXPECT_LT(gradient_error([](const auto& in) { return entropy_of_logits(in[0]); }, {a}), 1e-8);
  EXPECT_LT(gradient_error([](const auto& in) { return kl_divergence_of_logits(in[0], in[1]); }, {a, p}), 1e-8);
  EXPECT_LT(gradient_error([](const auto& in) { return js_divergence_of_logits(in[0], in[1]); }, {a, p}), 1e-8);
  const at::Tensor zero = at::tensor({0., 0.4, 0.6}, at::kDouble).set_requires_grad(true);
  for (const at::Tensor& value : {entropy(zero), kl_divergence(zero, at::tensor({0.1, 0.4, 0.5}, at::kDouble)),
                                  js_divergence(zero, zero.detach())}) {
    EXPECT_TRUE(torch::autograd::grad({value}, {zero})[0].isfinite().all().item<bool>());
  }
  const at::Tensor extreme = at::tensor({-2000., 0., 2000.}, at::kDouble).set_requires_grad(true);
  EXPECT_TRUE(torch::autograd::grad({entropy_of_logits(extreme)}, {extreme})[0].isfinite().all().item<bool>());
  EXPECT_THROW(kl_divergence(p, made_up({2, 5})), ShapeError);
}

TEST(Divergence, BregmanOfKnownFunctions) {
  const at::Tensor p = made_up({2, 4}).abs() + 0.1, q = made_up({2, 4}, 2).abs() + 0.1;
  const auto square = [](const at::Tensor& x) { return x.square().sum(-1); };
  const auto negative_entropy = [](const at::Tensor& x) { return -entropy(x); };
  EXPECT_LT(largest_difference(bregman_divergence(square, p, q), (p - q).square().sum(-1)), 1e-15);
  EXPECT_LT(largest_difference(bregman_divergence(negative_entropy, p, q), kl_divergence(p, q) - p.sum(-1) + q.sum(-1)),
            1e-15);
  EXPECT_LT(gradient_error([&](const auto& in) { return bregman_divergence(negative_entropy, in[0], in[1]); }, {p, q}),
            1e-7);
}

TEST(Divergence, ImbalanceIsZeroWhenParcelsWeighTheSame) {
  const at::Tensor w = at::tensor({1., 2., 3., 3., 3., 0.}, at::kDouble).reshape({2, 3});
  EXPECT_EQ(imbalance(w).abs().max().item<double>(), 0);
  const at::Tensor lopsided = at::tensor({1., 2., 3., 3., 3., 6.}, at::kDouble).reshape({2, 3});
  EXPECT_LT(largest_difference(imbalance(lopsided), at::tensor({1., 1.}, at::kDouble)), 1e-15);
  EXPECT_LT(gradient_error([](const auto& in) { return imbalance(in[0]); }, {made_up({2, 3, 5})}), 1e-8);
}

at::Tensor plain_squares(const at::Tensor& x, const at::Tensor& y, const at::Tensor& theta) {
  const at::Tensor difference = x.unsqueeze(-2) - y.unsqueeze(-3);
  return (difference.matmul(theta) * difference).sum(-1);
}

TEST(Similarity, DistancesAndKernelsEqualTheirDefinitions) {
  const at::Tensor x = made_up({5, 3}) + 1e4, y = made_up({4, 3}, 2) + 1e4, identity = at::eye(3, at::kDouble);
  const at::Tensor weights = made_up({3}, 5).abs() + 0.1, matrix = made_up_spd(1, 3)[0];
  EXPECT_LT(largest_difference(squared_distances(x, y), plain_squares(x, y, identity)), 1e-10);
  EXPECT_LT(largest_difference(distances(x, y), plain_squares(x, y, identity).sqrt()), 1e-10);
  EXPECT_LT(largest_difference(squared_distances(x, y, {.weights = weights, .matrix = {}}),
                               plain_squares(x, y, weights.diag())),
            1e-10);
  const Metric mahalanobis{.weights = {}, .matrix = matrix};
  EXPECT_LT(largest_difference(squared_distances(x, y, mahalanobis), plain_squares(x, y, matrix)), 1e-10);
  const at::Tensor a = x - 1e4, b = y - 1e4, dot = a.matmul(b.mT());
  EXPECT_LT(largest_difference(linear_kernel(a, b, mahalanobis), a.matmul(matrix).matmul(b.mT())), 1e-14);
  EXPECT_LT(largest_difference(polynomial_kernel(a, b, 1.0 / 3), (dot / 3 + 1).pow(3)), 1e-14);
  EXPECT_LT(largest_difference(sigmoid_kernel(a, b, 0.5, 0.2), (dot / 2 + 0.2).tanh()), 1e-14);
  EXPECT_LT(largest_difference(rbf_kernel(a, b, 0.7), (-0.7 * plain_squares(a, b, identity)).exp()), 1e-13);
  // σ is a standard deviation: at distance σ the kernel is exp(−½).
  const at::Tensor two = at::tensor({0., 0., 3., 4.}, at::kDouble).reshape({2, 2});
  EXPECT_NEAR(gaussian_kernel(two, two, 5)[0][1].item<double>(), std::exp(-0.5), 1e-15);
  const at::Tensor norms = a.square().sum(-1, true).sqrt() * b.square().sum(-1, true).sqrt().mT();
  EXPECT_LT(largest_difference(cosine_kernel(a, b), dot / norms), 1e-14);
  EXPECT_EQ(cosine_kernel(at::cat({a, at::zeros({1, 3}, at::kDouble)}), b)[5].abs().max().item<double>(), 0);
}

TEST(Similarity, GradientsAndCoincidentRows) {
  const at::Tensor x = made_up({2, 4, 3}), y = made_up({2, 3, 3}, 2), matrix = made_up_spd(1, 3)[0];
  const auto check = [&](const char* what, const TensorFunction& f) {
    EXPECT_LT(gradient_error(f, {x, y, matrix}), 1e-7) << what;
  };
  check("distances", [](const auto& in) { return distances(in[0], in[1], {.weights = {}, .matrix = in[2]}); });
  check("rbf", [](const auto& in) { return rbf_kernel(in[0], in[1], 0.7, {.weights = {}, .matrix = in[2]}); });
  check("cosine", [](const auto& in) { return cosine_kernel(in[0], in[1], {.weights = {}, .matrix = in[2]}); });
  check("polynomial",
        [](const auto& in) { return polynomial_kernel(in[0], in[1], 0.3, 3, 1, {.weights = {}, .matrix = in[2]}); });
  check("sigmoid",
        [](const auto& in) { return sigmoid_kernel(in[0], in[1], 0.5, 0.2, {.weights = {}, .matrix = in[2]}); });
  check("linear", [](const auto& in) { return linear_kernel(in[0], in[1], {.weights = {}, .matrix = in[2]}); });
  at::Tensor same = made_up({5, 3}).set_requires_grad(true);
  const at::Tensor d = distances(same, same);
  EXPECT_EQ(d.diagonal().abs().max().item<double>(), 0);
  const at::Tensor g = torch::autograd::grad({d.sum()}, {same})[0];
  const at::Tensor difference = same.detach().unsqueeze(1) - same.detach().unsqueeze(0);
  const at::Tensor length = difference.square().sum(-1, true).sqrt() + at::eye(5, at::kDouble).unsqueeze(-1);
  EXPECT_LT(largest_difference(g, 2 * (difference / length).sum(1)), 1e-12);
  at::Tensor origin = at::cat({x[0], at::zeros({1, 3}, at::kDouble)}).set_requires_grad(true);
  EXPECT_TRUE(torch::autograd::grad({cosine_kernel(origin, y[0]).sum()}, {origin})[0].isfinite().all().item<bool>());
  EXPECT_THROW(distances(x, made_up({3, 4})), ShapeError);
  EXPECT_THROW(distances(x, y, {.weights = made_up({3}), .matrix = matrix}), UsageError);
  EXPECT_THROW(distances(x, y, {.weights = made_up({2}), .matrix = {}}), ShapeError);
  EXPECT_THROW(gaussian_kernel(x, y, 0), UsageError);
}

TEST(GramLoss, IdentityAndClosedForm) {
  const at::Tensor identity = at::eye(10, at::kDouble);
  EXPECT_EQ(log_det_loss(identity).item<double>(), 0);
  EXPECT_EQ(det_loss(identity).item<double>(), -1);
  const at::Tensor two = at::tensor({2., 1., 1., 3.}, at::kDouble).reshape({2, 2});
  EXPECT_NEAR(det_loss(two).item<double>(), -5, 1e-14);
  EXPECT_NEAR(log_det_loss(two, 1).item<double>(), -std::log(11), 1e-14);
  EXPECT_LT(gradient_error([](const auto& in) { return log_det_loss(in[0], 0.1); }, {made_up_spd(2, 4)}), 1e-7);
  EXPECT_LT(gradient_error([](const auto& in) { return det_loss(in[0]); }, {made_up_spd(2, 4)}), 1e-7);
  EXPECT_THROW(log_det_loss(at::zeros({3, 3}, at::kDouble)), NumericalError);
}

// Without centring, an offset of 5 makes 18,000 of the 35 that five normal channels have.
TEST(Kurtosis, IsCalibratedForManyChannels) {
  for (const std::int64_t d : {5, 10, 20, 50, 100}) {
    const double found = multivariate_kurtosis(normal_numbers({d, 2000}, 3, "kurtosis")).item<double>();
    const auto expected = static_cast<double>(d * (d + 2));
    EXPECT_NEAR(found, expected, 0.05 * expected);
  }
}

TEST(Kurtosis, IsThatOfNormalSeriesWhateverTheOffset) {
  // Normal numbers by Box and Muller from made-up uniform ones.
  const at::Tensor u = made_up({5, 4000}).abs().clamp_min(1e-12), v = made_up({5, 4000}, 2).abs();
  const at::Tensor x = (-2 * u.log()).sqrt() * (2 * std::numbers::pi * v).cos();
  const double plain = multivariate_kurtosis(x).item<double>();
  EXPECT_NEAR(plain, 35, 1.75);
  EXPECT_NEAR(multivariate_kurtosis(x + 5).item<double>(), plain, 1e-9);
  EXPECT_NEAR(multivariate_kurtosis(made_up({5, 5}, 3).matmul(x) + 5).item<double>(), plain, 1e-8);
  EXPECT_NEAR(multivariate_kurtosis(x, true).item<double>(), plain / 35, 1e-14);
  // One channel: the plain fourth moment.
  const at::Tensor one = at::tensor({1., 2., 3., 6.}, at::kDouble).unsqueeze(0);
  EXPECT_NEAR(multivariate_kurtosis(one).item<double>(), (16 + 1 + 0 + 81) / 4.0 / (3.5 * 3.5), 1e-14);
  EXPECT_LT(gradient_error([](const auto& in) { return multivariate_kurtosis(in[0]); }, {made_up({2, 3, 9})}), 1e-7);
  EXPECT_THROW(multivariate_kurtosis(made_up({4, 4})), NumericalError);
}

}  // namespace
}  // namespace noema
