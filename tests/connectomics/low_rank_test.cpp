// Similarities around entries, mixtures of channels, compressed matrices and the lattices they use: index by index.
#include "noema/connectomics/low_rank.h"

#include <ATen/ops/block_diag.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "gradient_check.h"
#include "noema/connectomics/bipartite_lattice.h"
#include "noema/core/error.h"

namespace noema {
namespace {

TEST(LowRank, DistancesAroundEntries) {
  const at::Tensor x = made_up({2, 3, 4, 5}), templates = made_up({2, 3, 4, 5}, 2);
  for (const auto& [similarity, power] :
       {std::pair{CrosshairSimilarity::minus_l1, 1}, std::pair{CrosshairSimilarity::minus_l2, 2}}) {
    const at::Tensor found = crosshair_similarity(x, templates, similarity);
    ASSERT_EQ(found.sizes(), (at::IntArrayRef{2, 2, 4, 5}));
    for (int b = 0; b < 2; ++b) {
      for (int o = 0; o < 2; ++o) {
        double direct = 0;  // around entry (2, 3)
        for (int i = 0; i < 3; ++i) {
          double sum = 0;
          for (int r = 0; r < 4; ++r) {
            for (int c = 0; c < 5; ++c) {
              if (r != 2 && c != 3) continue;
              sum += std::pow(std::abs((x[b][i][r][c] - templates[o][i][r][c]).item<double>()), power);
            }
          }
          direct -= power == 1 ? sum : std::sqrt(sum);
        }
        EXPECT_NEAR(found[b][o][2][3].item<double>(), direct, 1e-12);
      }
    }
    const CrosshairSimilarity which = similarity;
    const auto function = [which](const auto& in) { return crosshair_similarity(in[0], in[1], which); };
    EXPECT_LT(gradient_error(function, {x, templates}, 1e-6), 1e-6);
    // Equal all along: similarity 0, the largest; the gradient is finite.
    const at::Tensor leaf = templates[0].clone().set_requires_grad(true);
    const at::Tensor same = crosshair_similarity(leaf, templates.slice(0, 0, 1), which);
    EXPECT_EQ(same.abs().max().item<double>(), 0);
    EXPECT_TRUE(torch::autograd::grad({same.sum()}, {leaf})[0].isfinite().all().item<bool>());
  }
}

TEST(LowRank, MixturesOfChannels) {
  const at::Tensor x = made_up({2, 3, 4, 4}), mixing = made_up({5, 3}, 2);
  const at::Tensor found = recombine(x, mixing);
  ASSERT_EQ(found.sizes(), (at::IntArrayRef{2, 5, 4, 4}));
  const at::Tensor direct = mixing[4][0] * x[1][0] + mixing[4][1] * x[1][1] + mixing[4][2] * x[1][2];
  EXPECT_LT(largest_difference(found[1][4], direct), 1e-14);
  const at::Tensor own = made_up({2, 5, 3}, 4);  // weights of each sample
  EXPECT_LT(largest_difference(recombine(x, own)[1], recombine(x[1], own[1])), 1e-14);
  const at::Tensor attention = attention_mixing(made_up({5, 2}), made_up({2, 3}, 3));
  EXPECT_LT(largest_difference(attention.sum(-1), at::ones({5}, at::kDouble)), 1e-14);
  EXPECT_LT(largest_difference(attention, made_up({5, 2}).matmul(made_up({2, 3}, 3)).softmax(1)), 1e-15);
  const auto both = [](const auto& in) { return recombine(in[0], attention_mixing(in[1], in[2])); };
  EXPECT_LT(gradient_error(both, {x, made_up({5, 2}), made_up({2, 3}, 3)}), 1e-8);
  EXPECT_THROW(recombine(x, made_up({5, 4})), ShapeError);
  EXPECT_THROW(attention_mixing(made_up({5, 2}), made_up({3, 3})), ShapeError);
}

TEST(LowRank, CompressedMatrices) {
  const at::Tensor x = made_up_spd(2, 6), w = made_up({3, 6}, 2), mask = made_up({3, 6}, 5) > -0.3;
  const at::Tensor used = w * mask.to(at::kDouble);
  const at::Tensor y = compress_matrix(x, w, mask);
  EXPECT_LT(largest_difference(y, used.matmul(x).matmul(used.t())), 1e-13);
  EXPECT_GT(largest_difference(y, compress_matrix(x, w)), 1e-3);
  EXPECT_LT(largest_difference(expand_matrix(y, w, mask), used.t().matmul(y).matmul(used)), 1e-13);
  const at::Tensor even = compress_matrix(x, w, mask, true);
  for (int b = 0; b < 2; ++b) {
    EXPECT_NEAR(even[b].std(false).item<double>(), x[b].std(false).item<double>(), 1e-13);
    EXPECT_LT(largest_difference(even[b] / even[b][0][1], y[b] / y[b][0][1]), 1e-12);
  }
  // Orthonormal rows: back and forth is the identity within their span.
  const at::Tensor rows = std::get<0>(at::linalg_qr(made_up({6, 3}, 4))).t();
  EXPECT_LT(largest_difference(compress_matrix(expand_matrix(y, rows), rows), y), 1e-13);
  for (const bool spread : {false, true}) {
    const auto function = [&](const auto& in) { return compress_matrix(in[0], in[1], mask, spread); };
    EXPECT_LT(gradient_error(function, {x, w}), 1e-7);
  }
  EXPECT_LT(gradient_error([&](const auto& in) { return expand_matrix(in[0], in[1], mask); }, {y, w}), 1e-7);
  const at::Tensor nothing = compress_matrix(x, at::zeros({3, 6}, at::kDouble), {}, true);
  EXPECT_EQ(nothing.abs().max().item<double>(), 0);
  EXPECT_THROW(compress_matrix(x, made_up({3, 5})), ShapeError);
  EXPECT_THROW(compress_matrix(x, w, mask.slice(1, 0, 5)), ShapeError);
  EXPECT_THROW(expand_matrix(x, w), ShapeError);
}

TEST(Lattice, FindsPlantedGroups) {
  // Four groups of five regions that attract each other, in mixed order.
  const at::Tensor order = at::remainder(at::arange(20) * 7, 20);
  const at::Tensor planted = at::block_diag({at::ones({5, 5}, at::kDouble), at::ones({5, 5}, at::kDouble),
                                             at::ones({5, 5}, at::kDouble), at::ones({5, 5}, at::kDouble)});
  const at::Tensor potentials = planted.index_select(0, order).index_select(1, order) + 0.1 * made_up_spd(1, 20)[0];
  const at::Tensor lattice = bipartite_lattice(potentials, {.groups = 4, .seed = 1});
  const at::Tensor together = lattice.to(at::kDouble).t().matmul(lattice.to(at::kDouble));
  EXPECT_TRUE(together.equal(planted.index_select(0, order).index_select(1, order)));
  EXPECT_NEAR(potential_within(lattice, planted.index_select(0, order).index_select(1, order)), 4 * 10, 1e-12);
}

TEST(Lattice, IsRegular) {
  const at::Tensor potentials = made_up_spd(1, 24)[0];
  for (const double temperature : {0.0, 0.01}) {
    const LatticeOptions options{.groups = 6, .degree = 2, .temperature = temperature, .tries = 20, .seed = 3};
    const at::Tensor lattice = bipartite_lattice(potentials, options);
    EXPECT_TRUE(lattice.sum(0).eq(2).all().item<bool>());
    EXPECT_TRUE(lattice.sum(1).eq(8).all().item<bool>());
    EXPECT_TRUE(lattice.equal(bipartite_lattice(potentials, options)));
    // Better than chance by far: the mean of regular lattices is that of all pairs.
    const double chance = (potentials.sum() - potentials.diagonal().sum()).item<double>() / 2 * (6 * 28) / 276;
    EXPECT_GT(potential_within(lattice, potentials), chance + 1);
  }
  EXPECT_TRUE(bipartite_lattice(potentials, {.groups = 1}).all().item<bool>());
  EXPECT_THROW(bipartite_lattice(potentials, {.groups = 5}), UsageError);
  EXPECT_THROW(bipartite_lattice(potentials, {.groups = 2, .degree = 3}), UsageError);
  EXPECT_THROW(bipartite_lattice(made_up({4, 6}), {.groups = 2}), ShapeError);
  EXPECT_THROW(bipartite_lattice(potentials / 0, {.groups = 2}), DataError);
}

}  // namespace
}  // namespace noema
