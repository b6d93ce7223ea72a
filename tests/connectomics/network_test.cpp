// Modularity and eigenmaps: published numbers, operators written out, networks of unequal degrees.
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_eig.h>
#include <ATen/ops/real.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gradient_check.h"
#include "noema/connectomics/eigenmaps.h"
#include "noema/connectomics/modularity.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using testing::HasSubstr;

/// Two triangles joined by the edge 2 – 3.
at::Tensor barbell() {
  at::Tensor a = at::zeros({6, 6}, at::kDouble);
  const std::vector<std::pair<int, int>> edges{{0, 1}, {0, 2}, {1, 2}, {3, 4}, {3, 5}, {4, 5}, {2, 3}};
  for (const auto& [i, j] : edges) a[i][j] = a[j][i] = 1;
  return a;
}

at::Tensor one_hot(const std::vector<int>& communities, int count) {
  at::Tensor c = at::zeros({static_cast<std::int64_t>(communities.size()), count}, at::kDouble);
  for (std::size_t i = 0; i < communities.size(); ++i) c[static_cast<std::int64_t>(i)][communities[i]] = 1;
  return c;
}

const std::vector<int> kTriangles{0, 0, 0, 1, 1, 1};

struct Edge {
  int from, to;
  double weight;
};
/// The karate club of Zachary (1977), as networkx has it: 34 members, how often they met, and whom they followed.
const std::vector<Edge> kMeetings{
    {0, 1, 4},   {0, 2, 5},   {0, 3, 3},   {0, 4, 3},   {0, 5, 3},   {0, 6, 3},   {0, 7, 2},   {0, 8, 2},   {0, 10, 2},
    {0, 11, 3},  {0, 12, 1},  {0, 13, 3},  {0, 17, 2},  {0, 19, 2},  {0, 21, 2},  {0, 31, 2},  {1, 2, 6},   {1, 3, 3},
    {1, 7, 4},   {1, 13, 5},  {1, 17, 1},  {1, 19, 2},  {1, 21, 2},  {1, 30, 2},  {2, 3, 3},   {2, 7, 4},   {2, 8, 5},
    {2, 9, 1},   {2, 13, 3},  {2, 27, 2},  {2, 28, 2},  {2, 32, 2},  {3, 7, 3},   {3, 12, 3},  {3, 13, 3},  {4, 6, 2},
    {4, 10, 3},  {5, 6, 5},   {5, 10, 3},  {5, 16, 3},  {6, 16, 3},  {8, 30, 3},  {8, 32, 3},  {8, 33, 4},  {9, 33, 2},
    {13, 33, 3}, {14, 32, 3}, {14, 33, 2}, {15, 32, 3}, {15, 33, 4}, {18, 32, 1}, {18, 33, 2}, {19, 33, 1}, {20, 32, 3},
    {20, 33, 1}, {22, 32, 2}, {22, 33, 3}, {23, 25, 5}, {23, 27, 4}, {23, 29, 3}, {23, 32, 5}, {23, 33, 4}, {24, 25, 2},
    {24, 27, 3}, {24, 31, 2}, {25, 31, 7}, {26, 29, 4}, {26, 33, 2}, {27, 33, 4}, {28, 31, 2}, {28, 33, 2}, {29, 32, 4},
    {29, 33, 2}, {30, 32, 3}, {30, 33, 3}, {31, 32, 4}, {31, 33, 4}, {32, 33, 5}};
const std::vector<int> kClubs{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0,
                              0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

at::Tensor karate(bool weighted) {
  at::Tensor a = at::zeros({34, 34}, at::kDouble);
  for (const Edge& e : kMeetings) a[e.from][e.to] = a[e.to][e.from] = weighted ? e.weight : 1;
  return a;
}

// nx.community.modularity(nx.karate_club_graph(), clubs, weight, resolution) of networkx 3; directed: each edge from
// the first to the second member, and every third one (from the first on) also back with twice the weight.
TEST(Modularity, NetworkxNumbersOfTheKarateClub) {
  const at::Tensor clubs = one_hot(kClubs, 2);
  EXPECT_NEAR(modularity(karate(false), clubs).item<double>(), 0.3582347140039448, 1e-14);
  EXPECT_NEAR(modularity(karate(true), clubs).item<double>(), 0.39143756676224206, 1e-14);
  EXPECT_NEAR(modularity(karate(true), clubs, {.resolution = 0.7}).item<double>(), 0.541538764266037, 1e-14);
  at::Tensor directed = at::zeros({34, 34}, at::kDouble);
  for (std::size_t i = 0; i < kMeetings.size(); ++i) {
    const Edge& e = kMeetings[i];
    directed[e.from][e.to] = e.weight;
    if (i % 3 == 0) directed[e.to][e.from] = 2 * e.weight;
  }
  EXPECT_NEAR(modularity(directed, clubs).item<double>(), 0.3757979963937873, 1e-14);
}

TEST(Modularity, NewmansQExactly) {
  // By hand: two groups with 3 of 7 edges inside and half of all degrees each, 2·(3/7 − 1/4).
  EXPECT_NEAR(modularity(barbell(), one_hot(kTriangles, 2)).item<double>(), 0.3571428571428571, 1e-15);
  EXPECT_NEAR(modularity(barbell(), one_hot({0, 0, 0, 0, 0, 0}, 1)).item<double>(), 0, 1e-15);
  EXPECT_NEAR(modularity(barbell(), one_hot(kTriangles, 2), {.resolution = 2}).item<double>(), 6. / 7 - 1, 1e-15);
  // A directed network with a loop: Σ over communities of L_c/m − out·in/m².
  at::Tensor a = at::zeros({3, 3}, at::kDouble);
  a[0][1] = 2;
  a[1][0] = 1;
  a[1][2] = 3;
  a[2][2] = 4;
  const double expected = 3. / 10 - (6. * 3) / 100 + 4. / 10 - (4. * 7) / 100;
  EXPECT_NEAR(modularity(a, one_hot({0, 0, 1}, 2)).item<double>(), expected, 1e-15);
  EXPECT_LT(modularity_matrix(a).sum().abs().item<double>(), 1e-15);
}

// Half of Newman's Q, or Q with its sign turned, would be the published loss.
TEST(Modularity, LossFallsWhenCommunitiesAreBetter) {
  const double right = modularity_loss(barbell(), one_hot(kTriangles, 2)).item<double>();
  const double wrong = modularity_loss(barbell(), one_hot({0, 1, 0, 1, 0, 1}, 2)).item<double>();
  EXPECT_LT(right, wrong);
  // Descent on the loss climbs in Q, and finds the triangles.
  at::Tensor value = 0.1 * made_up({6, 2}, 11);
  for (int i = 0; i < 200; ++i) {
    const at::Tensor leaf = value.detach().set_requires_grad(true);
    value = leaf.detach() - 5 * torch::autograd::grad({modularity_loss(barbell(), leaf.softmax(-1))}, {leaf})[0];
  }
  const at::Tensor found = value.argmax(-1);
  for (std::int64_t i = 0; i < 6; ++i) EXPECT_EQ(found[i].equal(found[0]), i < 3);
}

TEST(Modularity, NegativeEdgesRepel) {
  at::Tensor a = barbell();
  a[1][4] = a[4][1] = -2;
  const at::Tensor apart = one_hot(kTriangles, 2);
  // Positive part as before (14 in all), negative edges all between: +k⁻k⁻/s⁻ inside.
  const double expected = (14 * 0.3571428571428571 - (0 - (2. * 2 + 2. * 2) / 4)) / 18;
  EXPECT_NEAR(modularity(a, apart).item<double>(), expected, 1e-14);
  EXPECT_NEAR(modularity(a, apart, {.negative = NegativeEdges::dropped}).item<double>(), 0.3571428571428571, 1e-15);
  EXPECT_THROW(modularity(a, apart, {.negative = NegativeEdges::refused}), DataError);
  EXPECT_THROW(modularity(at::zeros({6, 6}, at::kDouble), apart), DataError);
  EXPECT_THROW(modularity(a, one_hot({0, 1}, 2)), ShapeError);
}

TEST(Modularity, LayersAndGradients) {
  const at::Tensor layers = at::stack({barbell(), barbell() * 2, barbell()}), apart = one_hot(kTriangles, 2);
  const at::Tensor same = at::stack({apart, apart, apart});
  const double q = 0.3571428571428571;
  EXPECT_NEAR(multilayer_modularity(layers, same, 0).item<double>(), q, 1e-15);
  EXPECT_NEAR(multilayer_modularity(layers, same, 0.5).item<double>(), (56 * q + 12) / (56 + 12), 1e-14);
  const at::Tensor swapped = at::stack({apart, apart.flip(1), apart});
  EXPECT_NEAR(multilayer_modularity(layers, swapped, 0.5).item<double>(), 56 * q / (56 + 12), 1e-14);
  const at::Tensor a = made_up({2, 5, 5}), c = made_up({2, 5, 3}, 2).abs();
  EXPECT_LT(gradient_error([](const auto& in) { return modularity(in[0], in[1]); }, {a, c}), 1e-7);
  EXPECT_LT(gradient_error([](const auto& in) { return multilayer_modularity(in[0], in[1], 0.3); }, {a, c}), 1e-7);
  EXPECT_THROW(multilayer_modularity(layers, same, -1), UsageError);
}

/// A ring with chords and degrees that spread over two orders of magnitude.
at::Tensor uneven(std::int64_t nodes) {
  at::Tensor w = at::zeros({nodes, nodes}, at::kDouble);
  const at::Tensor draw = made_up({nodes}, 8).abs();
  for (std::int64_t i = 0; i < nodes; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      const double distance = std::min<double>(static_cast<double>(i - j), static_cast<double>(nodes - i + j));
      const double strength = std::pow(draw[i].item<double>() * draw[j].item<double>() + 0.003, 2);
      if (distance <= 4) w[i][j] = w[j][i] = strength / distance;
    }
  }
  return w;
}

SparseNetwork sparse(const at::Tensor& w) {
  SparseNetwork result;
  result.offsets.push_back(0);
  for (std::int64_t i = 0; i < w.size(0); ++i) {
    for (std::int64_t j = 0; j < w.size(1); ++j) {
      const double weight = w[i][j].item<double>();
      if (weight == 0) continue;
      result.columns.push_back(static_cast<std::int32_t>(j));
      result.weights.push_back(weight);
    }
    result.offsets.push_back(static_cast<std::int64_t>(result.columns.size()));
  }
  return result;
}

TEST(Eigenmaps, LaplacianSolvesItsEquation) {
  const at::Tensor w = uneven(40), degree = w.sum(-1);
  const Embedding e = laplacian_eigenmaps(w, 4);
  const at::Tensor laplacian = degree.diag() - w;
  EXPECT_LT(largest_difference(laplacian.matmul(e.vectors), degree.unsqueeze(-1) * e.vectors * e.values), 1e-12);
  // Normalised vectors of norm 1, orthogonal to each other and to the constant.
  const at::Tensor gram = e.vectors.mT().matmul(degree.unsqueeze(-1) * e.vectors);
  EXPECT_LT(largest_difference(gram, at::eye(4, at::kDouble)), 1e-11);
  EXPECT_LT((degree.unsqueeze(-1) * e.vectors).sum(0).abs().max().item<double>(), 1e-11);
  // The smallest ones: of all eigenvalues above 0.
  const at::Tensor all = std::get<0>(at::real(std::get<0>(at::linalg_eig(laplacian / degree.unsqueeze(-1)))).sort());
  EXPECT_LT(largest_difference(e.values, all.slice(0, 1, 5)), 1e-10);
  for (std::int64_t k = 0; k < 4; ++k) {
    const at::Tensor column = e.vectors.select(1, k);
    EXPECT_GT(column[column.abs().argmax().item<std::int64_t>()].item<double>(), 0);
  }
}

// P is not symmetric. The eigenvectors of its symmetric part are other ones, more so the more unequal the degrees.
TEST(Eigenmaps, DiffusionEigenvectorsAreThoseOfTheWalk) {
  const at::Tensor w = uneven(40);
  for (const double alpha : {0.0, 0.5, 1.0}) {
    const at::Tensor density = w.sum(-1).pow(-alpha), k = w * density.unsqueeze(-1) * density;
    const at::Tensor p = k / k.sum(-1, true);
    const Embedding e = diffusion_map(w, 3, {.alpha = alpha, .time = 1});
    EXPECT_LT(largest_difference(p.matmul(e.vectors), e.vectors * e.values), 1e-11) << alpha;
    const at::Tensor all = std::get<0>(at::real(std::get<0>(at::linalg_eig(p))).sort(0, true));
    EXPECT_NEAR(all[0].item<double>(), 1, 1e-12);
    EXPECT_LT(largest_difference(e.values, all.slice(0, 1, 4)), 1e-10) << alpha;
    // Divided by the constant one: stationary mean square 1, times λ.
    const at::Tensor stationary = k.sum(-1) / k.sum();
    const at::Tensor square = (stationary.unsqueeze(-1) * e.vectors.square()).sum(0);
    EXPECT_LT(largest_difference(square, e.values.square()), 1e-11);
    const Embedding summed = diffusion_map(w, 3, {.alpha = alpha, .time = 0});
    EXPECT_LT(largest_difference(summed.values, e.values / (1 - e.values)), 1e-9);
    EXPECT_LT(largest_difference(summed.vectors, e.vectors / (1 - e.values)), 1e-8);
  }
}

// brainspace's diffusion_mapping(W, n_components=3, alpha=0.5, diffusion_time=0) by its formulas in numpy: K = D^-α W
// D^-α; w, v = eigh(S K S) with S = diag(K1)^-½; v / v[:, [0]]; λ/(1 − λ) as values and factors; its first component,
// which is constant, left out.
TEST(Eigenmaps, BrainspaceNumbersOfTheKarateClub) {
  const Embedding e = diffusion_map(karate(true), 3, {.alpha = 0.5, .time = 0});
  const auto close = [](const at::Tensor& found, std::vector<double> expected) {
    return largest_difference(found, at::tensor(expected, at::kDouble)) < 1e-8;
  };
  EXPECT_TRUE(close(e.values, {13.856715883421389, 4.632041856597971, 2.3250154277132475}));
  EXPECT_TRUE(close(e.vectors.norm(2, 0), {79.48497081273005, 27.159868577450638, 14.075250826128064}));
  EXPECT_TRUE(close(e.vectors[0].abs(), {10.727894450046485, 3.183353816863519, 0.3104892017002143}));
  EXPECT_TRUE(close(e.vectors[16].abs(), {28.129727533669676, 7.502177213002739, 0.3149992906570073}));
  EXPECT_TRUE(close(e.vectors[33].abs(), {10.776915833936124, 1.1625495893482773, 1.5112947854849823}));
}

TEST(Eigenmaps, SparseEqualsDense) {
  const at::Tensor w = uneven(90);
  const Embedding dense = laplacian_eigenmaps(w, 5), lanczos = laplacian_eigenmaps(sparse(w), 5);
  EXPECT_LT(largest_difference(dense.values, lanczos.values), 1e-11);
  EXPECT_LT(largest_difference(dense.vectors, lanczos.vectors) / dense.vectors.abs().max().item<double>(), 1e-8);
  const Embedding walk = diffusion_map(w, 5), sparse_walk = diffusion_map(sparse(w), 5);
  EXPECT_LT(largest_difference(walk.values, sparse_walk.values) / walk.values.abs().max().item<double>(), 1e-8);
  EXPECT_LT(largest_difference(walk.vectors, sparse_walk.vectors) / walk.vectors.abs().max().item<double>(), 1e-8);
}

TEST(Eigenmaps, GradientsOfWhatTheBasisDoesNotChange) {
  const at::Tensor w = made_up_spd(2, 6).abs();
  EXPECT_LT(gradient_error([](const auto& in) { return laplacian_eigenmaps(in[0], 2).values; }, {w}), 1e-6);
  EXPECT_LT(gradient_error([](const auto& in) { return laplacian_eigenmaps(in[0], 2).vectors; }, {w}, 1e-6), 1e-5);
  EXPECT_LT(gradient_error([](const auto& in) { return diffusion_map(in[0], 2).vectors; }, {w}, 1e-6), 1e-5);
  // A complete network: all eigenvalues repeat, the projector on their space does not.
  const auto projector = [](const std::vector<at::Tensor>& in) {
    const Embedding e = laplacian_eigenmaps(in[0], 4);
    return e.vectors.matmul(e.vectors.mT());
  };
  const at::Tensor complete = 1 - 0.5 * at::eye(5, at::kDouble);
  EXPECT_LT(gradient_error(projector, {complete}, 1e-6), 1e-5);
}

TEST(Eigenmaps, SaysWhatIsWrong) {
  at::Tensor pieces = barbell();
  pieces[2][3] = pieces[3][2] = 0;
  for (const auto& call : std::vector<std::function<void()>>{[&] { laplacian_eigenmaps(pieces, 2); },
                                                             [&] { diffusion_map(sparse(pieces), 2); }}) {
    try {
      call();
      FAIL();
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("found 3 of 6 nodes reachable"));
    }
  }
  at::Tensor alone = barbell();
  alone[5].fill_(0);
  alone.select(1, 5).fill_(0);
  EXPECT_THROW(diffusion_map(alone, 2), DataError);
  EXPECT_THROW(diffusion_map(sparse(alone), 2), DataError);
  EXPECT_THROW(laplacian_eigenmaps(-barbell(), 2), DataError);
  EXPECT_THROW(laplacian_eigenmaps(barbell(), 6), UsageError);
  EXPECT_THROW(laplacian_eigenmaps(sparse(barbell()), 5), UsageError);
  SparseNetwork lopsided = sparse(barbell());
  lopsided.weights[0] = 3;
  EXPECT_THROW(laplacian_eigenmaps(lopsided, 2), DataError);
  lopsided.columns.pop_back();
  EXPECT_THROW(laplacian_eigenmaps(lopsided, 2), ShapeError);
  EXPECT_THROW(diffusion_map(barbell(), 2, {.alpha = 0.5, .time = -1}), UsageError);
}

}  // namespace
}  // namespace noema
