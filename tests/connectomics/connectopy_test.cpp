// Connectopy losses against sums over all pairs and eigenmaps; divergences of logits.
#include "noema/connectomics/connectopy.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "gradient_check.h"
#include "noema/connectomics/divergence.h"
#include "noema/connectomics/eigenmaps.h"
#include "noema/core/error.h"

namespace noema {
namespace {

TEST(Connectopy, SumOverAllPairs) {
  const at::Tensor a = made_up({2, 7, 7}), q = made_up({2, 7, 3}, 2), theta = progressive_weights(3, at::kDouble);
  EXPECT_TRUE(theta.equal(at::tensor({3., 2., 1.}, at::kDouble)));
  const at::Tensor apart = q.unsqueeze(2) - q.unsqueeze(1);  // (2, 7, 7, 3)
  const at::Tensor direct = (a * (apart.square() * theta).sum(-1)).sum(at::IntArrayRef{-2, -1});
  EXPECT_LT(largest_difference(connectopy_loss(a, q, theta), direct), 1e-12);
  EXPECT_LT(largest_difference(connectopy_loss(a, q + 1000, theta), direct), 1e-9);
  EXPECT_LT(largest_difference(connectopy_loss(a, q), (a * apart.square().sum(-1)).sum(at::IntArrayRef{-2, -1})),
            1e-12);
  EXPECT_LT(largest_difference(connectopy_loss(a.to(at::kFloat), q.to(at::kFloat)), connectopy_loss(a, q)), 1e-4);
  const auto loss = [](const auto& in) { return connectopy_loss(in[0], in[1], in[2]); };
  EXPECT_LT(gradient_error(loss, {a, q, theta}), 1e-8);
  EXPECT_LT(second_gradient_error(loss, {a, q, theta}), 1e-7);
  EXPECT_THROW(connectopy_loss(a, q.slice(1, 0, 5)), ShapeError);
  EXPECT_THROW(connectopy_loss(a, q, progressive_weights(2, at::kDouble)), ShapeError);
  EXPECT_THROW(progressive_weights(0, at::kDouble), UsageError);
}

TEST(Connectopy, EigenmapsAreTheMinimum) {
  const at::Tensor w = made_up_spd(1, 9)[0].abs(), theta = progressive_weights(3, at::kDouble);
  const Embedding maps = laplacian_eigenmaps(w, 3);
  const double least = (theta * maps.values).sum().item<double>();
  EXPECT_NEAR(eigenmaps_loss(w, maps.vectors, theta).item<double>(), least, 1e-12);
  // Whatever their scale and offset; and nothing is below, neither another order nor maps a little off.
  const at::Tensor scale = at::tensor({-3., 0.1, 7.}, at::kDouble);
  EXPECT_NEAR(eigenmaps_loss(w, maps.vectors * scale + 2, theta).item<double>(), least, 1e-11);
  EXPECT_GT(eigenmaps_loss(w, maps.vectors.flip(-1), theta).item<double>(), least + 1e-3);
  for (int i = 0; i < 5; ++i) {
    const at::Tensor off = maps.vectors + 0.05 * made_up({9, 3}, i);
    EXPECT_GT(eigenmaps_loss(w, off, theta).item<double>(), least + 1e-6);
  }
  EXPECT_NEAR(eigenmaps_loss(w, maps.vectors.flip(-1)).item<double>(), maps.values.sum().item<double>(), 1e-12);
  // Gradient: 0 at the minimum, that of finite differences elsewhere.
  const at::Tensor leaf = maps.vectors.clone().set_requires_grad(true);
  const at::Tensor zero = torch::autograd::grad({eigenmaps_loss(w, leaf, theta)}, {leaf})[0];
  EXPECT_LT(zero.abs().max().item<double>(), 1e-9);
  EXPECT_LT(gradient_error([](const auto& in) { return eigenmaps_loss(in[0], in[1], in[2]); },
                           {at::stack({w, w + w.square()}), made_up({2, 9, 3}, 3), theta}),
            1e-6);
  EXPECT_THROW(eigenmaps_loss(-w, maps.vectors), DataError);
  EXPECT_THROW(eigenmaps_loss(at::zeros({9, 9}, at::kDouble), maps.vectors), DataError);
  EXPECT_THROW(eigenmaps_loss(w, made_up({9, 9})), UsageError);
  EXPECT_THROW(eigenmaps_loss(w, at::ones({9, 1}, at::kDouble)), NumericalError);
  EXPECT_THROW(eigenmaps_loss(w, made_up({9, 1}).expand({9, 2})), NumericalError);
}

TEST(Divergences, OfLogits) {
  const at::Tensor a = 3 * made_up({2, 5}), b = 3 * made_up({2, 5}, 2);
  const auto negentropy = [](const at::Tensor& p) { return -entropy(p); };
  EXPECT_LT(largest_difference(bregman_divergence_of_logits(negentropy, a, b), kl_divergence_of_logits(a, b)), 1e-12);
  const auto square = [](const at::Tensor& p) { return p.square().sum(-1); };
  EXPECT_LT(
      largest_difference(bregman_divergence_of_logits(square, a, b), (a.softmax(-1) - b.softmax(-1)).square().sum(-1)),
      1e-13);
  EXPECT_LT(
      gradient_error([&](const auto& in) { return bregman_divergence_of_logits(negentropy, in[0], in[1]); }, {a, b}),
      1e-7);
  // Two parcels; 3 of 4 voxels half in each, one wholly in the first (to e⁻⁴⁰): shares 2.5/4 and 1.5/4 about 1/2.
  at::Tensor logits = at::zeros({2, 4}, at::kDouble);
  logits[0][3] = 40;
  EXPECT_LT(largest_difference(imbalance_of_logits(logits), at::tensor({0.125, 0.125}, at::kDouble)), 1e-12);
  EXPECT_LT(gradient_error([](const auto& in) { return imbalance_of_logits(in[0]); }, {made_up({2, 3, 6})}), 1e-7);
  EXPECT_THROW(imbalance_of_logits(made_up({4})), ShapeError);
  EXPECT_THROW(bregman_divergence_of_logits(square, a, made_up({2, 4})), ShapeError);
}

}  // namespace
}  // namespace noema
