// Losses, schedules, initialisers, low-rank templates, dynamic states and the modules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "gradient_check.h"
#include "module_gradients.h"
#include "noema/connectomics/dynamic_states.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/k_means.h"
#include "noema/connectomics/learned_blocks.h"
#include "noema/connectomics/losses.h"
#include "noema/connectomics/parcel_quality.h"
#include "noema/connectomics/recursive_filter.h"
#include "noema/connectomics/spatial.h"
#include "noema/core/error.h"
#include "noema/core/log.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

at::Tensor rows(std::vector<double> values, std::int64_t columns) {
  return at::tensor(values, at::kDouble).reshape({-1, columns});
}

TEST(Losses, NormsOfOneMatrix) {
  const at::Tensor x = rows({-1, 2, 0, 2, 1, 0, 1, 0, 0, -1, 3, -1, 0, -2, 0}, 5);
  EXPECT_EQ(norm_reduction(0)(x).item<double>(), 9);
  EXPECT_EQ(norm_reduction(1)(x).item<double>(), 14);
  EXPECT_NEAR(norm_reduction(2)(x).item<double>(), std::sqrt(26.0), 1e-14);
  EXPECT_EQ(norm_reduction(0)(unilateral(x)).item<double>(), 5);
  EXPECT_EQ(norm_reduction(1)(unilateral(x)).item<double>(), 9);
  EXPECT_NEAR(norm_reduction(2)(unilateral(x)).item<double>(), std::sqrt(19.0), 1e-14);
  EXPECT_EQ(norm_reduction(1)(unilateral(-x)).item<double>(), 5);
  EXPECT_NEAR(norm_reduction(2)(unilateral(-x)).item<double>(), std::sqrt(7.0), 1e-14);
  EXPECT_NEAR(mean_reduction({}, norm_reduction(2, {1}))(x).item<double>(),
              (std::sqrt(10.0) + std::sqrt(2.0) + std::sqrt(14.0)) / 3, 1e-14);
  at::Tensor zeros = at::zeros({3}, at::kDouble).set_requires_grad(true);
  EXPECT_EQ(torch::autograd::grad({norm_reduction(2)(zeros)}, {zeros})[0].abs().max().item<double>(), 0);
}

TEST(Losses, ReductionsNest) {
  const at::Tensor x = made_up({3, 4});
  EXPECT_NEAR(sum_reduction()(x).item<double>(), x.sum().item<double>(), 1e-15);
  EXPECT_NEAR(mean_square_reduction()(x).item<double>(), (x * x).mean().item<double>(), 1e-15);
  EXPECT_LT(largest_difference(max_reduction({0})(x), x.amax(0)), 1e-16);
  EXPECT_NEAR(max_reduction({}, sum_reduction({0}))(x).item<double>(), x.sum(0).max().item<double>(), 1e-15);
  const at::Tensor w = made_up({4}, 2).abs();
  EXPECT_LT(largest_difference(weighted_mean_reduction(w, {1})(x), x.matmul(w) / w.sum()), 1e-14);
  EXPECT_THROW(weighted_mean_reduction(0 * w, {1})(x), DataError);
  EXPECT_NEAR(soft_max_reduction(1e-4)(x).item<double>(), x.max().item<double>(), 1e-12);
  EXPECT_NEAR(soft_max_reduction(1e6)(x).item<double>(), x.mean().item<double>(), 1e-6);
  const Reduction soft = soft_max_reduction(0.5, true, {1});
  EXPECT_LT(gradient_error([&](const auto& in) { return soft(in[0]); }, {x}), 1e-8);
  at::Tensor leaf = x.clone().set_requires_grad(true);
  const at::Tensor fixed = torch::autograd::grad({soft_max_reduction(0.5)(leaf)}, {leaf})[0];
  EXPECT_LT(largest_difference(fixed, at::softmax(x.flatten() / 0.5, 0).reshape({3, 4})), 1e-14);
}

TEST(Losses, ScoresOfKnownValues) {
  const at::Tensor x = rows({1, -1, -2, 1, -1, 2, 0, 0}, 2);
  EXPECT_EQ(constraint_violation({x}).sum().item<double>(), 4);
  EXPECT_EQ(constraint_violation({x.sum(1)}).sum().item<double>(), 1);
  EXPECT_EQ(constraint_violation({x.select(1, 1) - x.select(1, 0)}).sum().item<double>(), 6);
  EXPECT_EQ(norm_reduction(0)(constraint_violation({x.select(1, 0), x.select(1, 1)})).item<double>(), 3);
  const at::Tensor y = at::tensor({-1., 1., 1., -1., 1.}, at::kDouble);
  EXPECT_EQ(hinge(at::zeros_like(y), y).sum().item<double>(), 5);
  EXPECT_EQ(hinge(at::ones_like(y), y).sum().item<double>(), 4);
  EXPECT_EQ(hinge(-at::ones_like(y), y).sum().item<double>(), 6);
  EXPECT_THROW(hinge(y, at::ones({4}, at::kDouble)), ShapeError);
  const at::Tensor steps = rows({0, .1, .2, .3, .2, .3, .4, .5, .4, .5, .6, .7}, 4);
  EXPECT_NEAR(mean_reduction({}, norm_reduction(2, {0}))(roughness(steps, 0)).item<double>(), .2828427, 1e-7);
  EXPECT_NEAR(mean_reduction({}, norm_reduction(2, {1}))(roughness(steps, 1)).item<double>(), .1732051, 1e-7);
  EXPECT_NEAR(roughness(at::arange(5, at::kDouble).square(), 0, 2).mean().item<double>(), 2, 1e-14);
  EXPECT_NEAR(bimodality(at::tensor({.8, .5, .1}, at::kDouble), .05, .95).sum().item<double>(), .65, 1e-14);
}

TEST(Losses, SchedulesAndSums) {
  const Schedule ramp = ramp_schedule(1, 3, 10, 20);
  EXPECT_EQ(ramp(0), 1);
  EXPECT_EQ(ramp(15), 2);
  EXPECT_EQ(ramp(99), 3);
  EXPECT_NEAR(decay_schedule(2, 10)(10), 2 / std::exp(1.0), 1e-15);
  const Schedule cascade = cascade_schedule({0.1, 1e-4, 0.5}, {100, 200});
  EXPECT_DOUBLE_EQ(cascade(99), 0.1);
  EXPECT_NEAR(cascade(100), 1e-4, 1e-15);
  EXPECT_NEAR(cascade(250), 0.5, 1e-15);
  EXPECT_NEAR(cascade_schedule({0, 1}, {100}, 5)(100), 0.5, 1e-15);
  EXPECT_THROW(cascade_schedule({0, 1}, {100, 200}), UsageError);
  EXPECT_THROW(ramp_schedule(0, 1, 5, 5), UsageError);

  at::Tensor x = made_up({4}).set_requires_grad(true);
  const std::vector<LossTerm> terms{
      {"size", [&] { return mean_square_reduction()(x); }, ramp},
      {"sum", [&] { return x.sum(); }, constant_schedule(-2)},
      {"off", []() -> at::Tensor { throw DataError("not to be computed"); }, constant_schedule(0)}};
  const LossSum found = evaluate_losses(terms, 15);
  EXPECT_NEAR(found.total.item<double>(), 2 * x.square().mean().item<double>() - 2 * x.sum().item<double>(), 1e-14);
  EXPECT_LT(largest_difference(torch::autograd::grad({found.total}, {x})[0], x.detach() - 2), 1e-14);
  EXPECT_EQ(found.terms[0].weight, 2);
  EXPECT_TRUE(std::isnan(found.terms[2].value));
  EXPECT_THROW(evaluate_losses({{"x", [&] { return x; }, nullptr}}, 0), ShapeError);
  EXPECT_THROW(evaluate_losses({terms[0], terms[0]}, 0), UsageError);
  EXPECT_THROW(evaluate_losses({}, 0), UsageError);
}

TEST(Initialisers, MomentsAndBases) {
  const at::Tensor weights = dirichlet_columns(5, 4000, 50, 1);
  EXPECT_LT(largest_difference(weights.sum(0), at::ones({4000}, at::kDouble)), 1e-14);
  EXPECT_NEAR(weights[2].mean().item<double>(), 0.2, 2e-3);
  // Var of Dirichlet(50·1): (1/5)(4/5)/251.
  EXPECT_NEAR(weights[2].var().item<double>(), 0.16 / 251, 0.16 / 251 * 0.1);
  EXPECT_NEAR(dirichlet_columns(4, 4000, 0.3, 1)[0].var().item<double>(), 0.1875 / 2.2, 0.01);
  EXPECT_LT(largest_difference(dirichlet_columns(5, 4, 1e9, 3), at::full({5, 4}, 0.2, at::kDouble)), 1e-4);
  EXPECT_TRUE(dirichlet_columns(5, 4, 2, 3).equal(dirichlet_columns(5, 4, 2, 3)));
  EXPECT_FALSE(dirichlet_columns(5, 4, 2, 3).equal(dirichlet_columns(5, 4, 2, 4)));
  const at::TensorOptions options(at::kDouble);
  const at::Tensor basis = cosine_basis(4, 30, options);
  EXPECT_LT(largest_difference(basis.matmul(basis.t()), at::eye(4, at::kDouble)), 1e-14);
  EXPECT_LT(basis.sum(1).abs().max().item<double>(), 1e-13);
  EXPECT_EQ((basis[3].diff().sign().diff() != 0).sum().item<double>(), 3);  // four half waves
  const at::Tensor profile = laplace_profile(9, 4, 2, options);
  EXPECT_NEAR((profile[6] / profile[4]).item<double>(), std::exp(-1.0), 1e-14);
  EXPECT_NEAR(profile.sum().item<double>(), 1, 1e-15);
  const at::Tensor noise = symmetric_noise({500}, 6, 4, 1);
  EXPECT_EQ(largest_difference(noise, noise.mT()), 0);
  EXPECT_NEAR(noise.select(1, 0).slice(1, 1).var().item<double>(), 4, 0.4);
  EXPECT_NEAR(uniform_numbers({5000}, 1, "u").mean().item<double>(), 0.5, 0.02);
  EXPECT_THROW(cosine_basis(30, 30, options), UsageError);
  EXPECT_THROW(dirichlet_columns(0, 4, 1, 1), UsageError);
}

TEST(LowRank, OuterProducts) {
  const at::Tensor l = made_up({2, 4, 2}), r = made_up({2, 4, 2}, 2), c = made_up({2}, 3);
  const at::Tensor direct = l.matmul(at::diag_embed(c)).matmul(r.mT());
  EXPECT_LT(largest_difference(expand_outer(l, r, c), direct), 1e-15);
  EXPECT_LT(largest_difference(expand_outer(l, r, c, OuterSymmetry::cross), (direct + direct.mT()) / 2), 1e-15);
  EXPECT_LT(largest_difference(expand_outer(l, r, c, OuterSymmetry::skew), (direct - direct.mT()) / 2), 1e-15);
  EXPECT_GE(at::linalg_eigvalsh(expand_outer(l)).min().item<double>(), -1e-14);
  EXPECT_LT(
      gradient_error([](const auto& in) { return expand_outer(in[0], in[1], in[2], OuterSymmetry::cross); }, {l, r, c}),
      1e-8);
  EXPECT_THROW(expand_outer(l, made_up({2, 4, 3})), ShapeError);
}

TEST(LowRank, CrosshairsEntryByEntry) {
  const at::Tensor a = made_up({3, 4}), b = made_up({3, 4}, 2);
  const at::Tensor found = crosshair_product(a, b), length = crosshair_norm(a), size = crosshair_norm(a, 1);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) {
      double dot = 0, square = 0, sum = 0;
      for (int p = 0; p < 3; ++p) {
        for (int q = 0; q < 4; ++q) {
          if (p != i && q != j) continue;
          dot += a[p][q].item<double>() * b[p][q].item<double>();
          square += std::pow(a[p][q].item<double>(), 2);
          sum += std::abs(a[p][q].item<double>());
        }
      }
      EXPECT_NEAR(found[i][j].item<double>(), dot, 1e-12);
      EXPECT_NEAR(length[i][j].item<double>(), std::sqrt(square), 1e-12);
      EXPECT_NEAR(size[i][j].item<double>(), sum, 1e-12);
    }
  }
  const at::Tensor x = made_up({2, 3, 4, 4}), w = made_up({5, 3, 4, 4}, 2);
  const at::Tensor similar = crosshair_similarity(x, w);
  at::Tensor direct = at::zeros({4, 4}, at::kDouble), cosine = at::zeros({4, 4}, at::kDouble);
  for (int i = 0; i < 3; ++i) {
    direct += crosshair_product(x[1][i], w[2][i]);
    cosine += crosshair_product(x[1][i], w[2][i]) / crosshair_norm(x[1][i]) / crosshair_norm(w[2][i]);
  }
  EXPECT_LT(largest_difference(similar[1][2], direct), 1e-13);
  EXPECT_LT(largest_difference(crosshair_similarity(x, w, CrosshairSimilarity::cosine)[1][2], cosine), 1e-13);
  EXPECT_LT(
      gradient_error([](const auto& in) { return crosshair_similarity(in[0], in[1], CrosshairSimilarity::cosine); },
                     {x.slice(0, 0, 1).slice(1, 0, 2), w.slice(0, 0, 2).slice(1, 0, 2)}),
      1e-7);
  at::Tensor leaf = at::zeros({1, 1, 3, 3}, at::kDouble).set_requires_grad(true);
  const at::Tensor at_zero = crosshair_similarity(leaf, made_up({1, 1, 3, 3}), CrosshairSimilarity::cosine).sum();
  EXPECT_TRUE(torch::autograd::grad({at_zero}, {leaf})[0].isfinite().all().item<bool>());
  EXPECT_THROW(crosshair_similarity(x, made_up({5, 2, 4, 4})), ShapeError);
  // The start keeps the variance of products with white matrices.
  const at::Tensor start = symmetric_template_start(6, 3, 20, 4, 1);
  const at::Tensor white = normal_numbers({8, 3, 20, 20}, 2, "test");
  EXPECT_NEAR(crosshair_similarity(white, expand_outer(start)).var().item<double>(), 1, 0.35);
}

TEST(KMeans, FindsPlantedClustersAndTheirSpread) {
  const at::Tensor middle = at::tensor({0., 10., 20., 0., 5., -30.}, at::kDouble).reshape({3, 2});
  const at::Tensor own = at::arange(60, at::kLong).remainder(3);
  const at::Tensor points = middle.index_select(0, own) + 0.1 * made_up({60, 2});
  const KMeans found = k_means(points, {.clusters = 3, .starts = 5, .seed = 4});
  EXPECT_EQ(adjusted_rand_index(found.labels, own), 1);
  double spread = 0;
  for (std::int64_t k = 0; k < 3; ++k) {
    const at::Tensor members = points.index_select(0, (found.labels == k).nonzero().flatten());
    EXPECT_LT(largest_difference(found.centres[k], members.mean(0)), 1e-13);
    spread += (members - members.mean(0)).square().sum().item<double>();
  }
  EXPECT_NEAR(found.spread, spread, 1e-10);
  EXPECT_LT(found.spread, k_means(points, {.clusters = 2}).spread);
  EXPECT_TRUE(found.labels.equal(k_means(points, {.clusters = 3, .starts = 5, .seed = 4}).labels));
  EXPECT_NO_THROW(k_means(at::zeros({4, 2}), {.clusters = 3}));  // coincident points leave clusters empty
  EXPECT_THROW(k_means(points.slice(0, 0, 2), {.clusters = 3}), DataError);
  EXPECT_THROW(k_means(points * kInfinity, {.clusters = 3}), DataError);
  EXPECT_THROW(k_means(points, {.clusters = 0}), UsageError);
}

TEST(Windows, WeightsOfFrames) {
  const at::TensorOptions options(at::kDouble);
  const at::Tensor w = window_weights(11, {.length = 4, .step = 3}, options);
  EXPECT_EQ(w.sizes().vec(), (std::vector<std::int64_t>{3, 11}));
  EXPECT_LT(largest_difference(w[1], rows({0, 0, 0, .25, .25, .25, .25, 0, 0, 0, 0}, 11)[0]), 1e-16);
  const at::Tensor tapered = window_weights(60, {.length = 20, .step = 20, .taper_sd = 3}, options);
  EXPECT_NEAR(tapered[1].sum().item<double>(), 1, 1e-14);
  EXPECT_LT(largest_difference(tapered[1], tapered[1].flip(0)), 1e-14);
  EXPECT_NEAR((tapered[1][20] / tapered[1][30]).item<double>(), 0.5 + 0.5 * std::erf(0.5 / 3 / std::sqrt(2.0)), 1e-3);
  EXPECT_THROW(window_weights(10, {.length = 11}, options), UsageError);
  const SoftStates states = soft_states(made_up({2, 3, 5}));
  EXPECT_NEAR(states.probability.sum().item<double>(), 10, 1e-13);
  EXPECT_NEAR(states.weights.sum().item<double>(), 6, 1e-13);
  EXPECT_LT(gradient_error([](const auto& in) { return soft_states(in[0], 0.5).weights; }, {made_up({2, 3, 4})}), 1e-8);
}

TEST(HiddenStates, PosteriorByAllPaths) {
  const at::Tensor density = made_up({4, 3}), initial = at::log_softmax(made_up({3}, 2), 0);
  const at::Tensor transition = at::log_softmax(made_up({3, 3}, 3), 1);
  at::Tensor probability = at::zeros({4, 3}, at::kDouble), moves = at::zeros({3, 3}, at::kDouble);
  double evidence = 0, best = -kInfinity;
  std::int64_t best_path = 0;
  for (std::int64_t path = 0; path < 81; ++path) {
    const std::int64_t s[4] = {path / 27, path / 9 % 3, path / 3 % 3, path % 3};
    double log_p = (initial[s[0]] + density[0][s[0]]).item<double>();
    for (int t = 1; t < 4; ++t) log_p += (transition[s[t - 1]][s[t]] + density[t][s[t]]).item<double>();
    evidence += std::exp(log_p);
    if (log_p > best) best = log_p, best_path = path;
    for (int t = 0; t < 4; ++t) probability[t][s[t]] += std::exp(log_p);
    for (int t = 1; t < 4; ++t) moves[s[t - 1]][s[t]] += std::exp(log_p);
  }
  const ChainPosterior found = chain_posterior(density, initial, transition);
  EXPECT_NEAR(found.log_evidence.item<double>(), std::log(evidence), 1e-12);
  EXPECT_LT(largest_difference(found.probability, probability / evidence), 1e-12);
  EXPECT_LT(largest_difference(found.transitions, moves / evidence), 1e-12);
  const at::Tensor path = most_probable_path(density, initial, transition);
  EXPECT_EQ((path * at::tensor({27, 9, 3, 1}, at::kLong)).sum().item<std::int64_t>(), best_path);
  // The gradient of the evidence is the posterior.
  at::Tensor leaf = density.clone().set_requires_grad(true);
  const at::Tensor gradient =
      torch::autograd::grad({chain_posterior(leaf, initial, transition).log_evidence}, {leaf})[0];
  EXPECT_LT(largest_difference(gradient, found.probability), 1e-12);
  EXPECT_LT(gradient_error([](const auto& in) { return chain_posterior(in[0], in[1], in[2]).probability; },
                           {density, initial, transition}),
            1e-7);
  // In batches, one frame, and with transitions that cannot be.
  const at::Tensor batch = at::stack({density, made_up({4, 3}, 8)});
  EXPECT_LT(largest_difference(chain_posterior(batch, initial, transition).probability[0], found.probability), 1e-14);
  EXPECT_LT(largest_difference(chain_posterior(density.slice(0, 0, 1), initial, transition).probability[0],
                               at::softmax(initial + density[0], 0)),
            1e-14);
  const at::Tensor blocked = at::eye(3, at::kDouble).log();
  EXPECT_TRUE(chain_posterior(density, initial, blocked).probability.isfinite().all().item<bool>());
  EXPECT_THROW(chain_posterior(density, initial.slice(0, 1), transition), ShapeError);
}

// States that are passed through from the first to the last: most logarithms are −∞, and their gradients 0.
TEST(HiddenStates, LeftToRightChainsHaveGradients) {
  const at::Tensor density = made_up({5, 3}), initial = at::tensor({0., -kInfinity, -kInfinity}, at::kDouble);
  const at::Tensor possible = at::tensor({1, 1, 0, 0, 1, 1, 0, 0, 1}, at::kLong).reshape({3, 3}) == 1;
  const auto transition_of = [&](const at::Tensor& free) {
    return at::log_softmax(at::where(possible, free, at::full_like(free, -kInfinity)), 1);
  };
  const auto chain = [&](const std::vector<at::Tensor>& in) {
    const ChainPosterior found = chain_posterior(in[0], initial, transition_of(in[1]));
    return at::cat({found.probability.flatten(), found.transitions.flatten(), found.log_evidence.reshape({1})});
  };
  EXPECT_LT(gradient_error(chain, {density, made_up({3, 3}, 3)}), 1e-7);
  EXPECT_LT(second_gradient_error(chain, {density, made_up({3, 3}, 3)}), 1e-6);
  std::vector<at::Tensor> leaves{density.clone(), initial.clone(), transition_of(made_up({3, 3}, 3)).detach().clone()};
  for (at::Tensor& leaf : leaves) leaf.set_requires_grad(true);
  const ChainPosterior found = chain_posterior(leaves[0], leaves[1], leaves[2]);
  const auto gradients = torch::autograd::grad({found.log_evidence}, leaves);
  EXPECT_LT(largest_difference(gradients[0], found.probability), 1e-12);
  EXPECT_LT(largest_difference(gradients[1], found.probability[0]), 1e-12);
  EXPECT_LT(largest_difference(gradients[2], found.transitions), 1e-12);
  EXPECT_EQ(found.probability[0][0].item<double>(), 1);
  EXPECT_EQ(found.probability[1][2].item<double>(), 0);
  const at::Tensor single =
      chain_posterior(density.to(at::kFloat), initial.to(at::kFloat), leaves[2].detach().to(at::kFloat)).probability;
  EXPECT_LT(largest_difference(single, found.probability), 1e-6);
}

TEST(HiddenStates, DensityOfNormalFrames) {
  const at::Tensor covariance = made_up_spd(2, 3) + 0.1 * at::eye(3, at::kDouble), means = made_up({2, 3}, 4),
                   x = made_up({3, 5}, 5);
  const at::Tensor found = normal_log_density(x, means, covariance);
  const at::Tensor centred = x.select(1, 4) - means[1];
  const double square = (centred * at::linalg_solve(covariance[1], centred)).sum().item<double>();
  const double expected =
      -0.5 * (square + std::log(at::linalg_det(covariance[1]).item<double>()) + 3 * std::log(2 * std::numbers::pi));
  EXPECT_NEAR(found[4][1].item<double>(), expected, 1e-12);
  EXPECT_LT(gradient_error(
                [&](const auto& in) {
                  return normal_log_density(in[0], in[1],
                                            covariance + symmetric_noise({2}, 3, 0, 0) + in[2].matmul(in[2].mT()));
                },
                {x, means, made_up({2, 3, 3}, 6)}),
            1e-6);
  EXPECT_THROW(normal_log_density(x, {}, -covariance), NumericalError);
}

TEST(HiddenStates, FitsPlantedStates) {
  // Three states of equal variances that differ in correlations alone.
  const std::int64_t frames = 400, subjects = 4;
  const at::Tensor planted =
      (at::arange(subjects * frames, at::kLong) / 40).floor().to(at::kLong).reshape({subjects, frames});
  const at::Tensor state = at::remainder(planted * planted + planted / 3, 3).to(at::kLong);
  const at::Tensor noise = normal_numbers({subjects, 6, frames}, 5, "test");
  at::Tensor x = noise.clone();
  for (std::int64_t k = 0; k < 3; ++k) {
    const at::Tensor here = (state == k).unsqueeze(1);
    const at::Tensor shared = noise.slice(1, 2 * k, 2 * k + 1);  // one feature drives the next two
    for (std::int64_t f = 1; f < 3; ++f) {
      const std::int64_t target = (2 * k + f) % 6;
      const at::Tensor mixed = 0.9 * shared + std::sqrt(1 - 0.81) * noise.slice(1, target, target + 1);
      x.slice(1, target, target + 1).copy_(at::where(here, mixed, x.slice(1, target, target + 1)));
    }
  }
  const HiddenStates fitted =
      fit_hidden_states(x, {.states = 3, .iterations = 40, .tolerance = 1e-4, .starts = 2, .seed = 1});
  const at::Tensor found = state_posterior(fitted, x).probability.argmax(-1);
  EXPECT_GT(adjusted_rand_index(found.flatten(), state.flatten()), 0.9);
  EXPECT_NEAR(fitted.log_evidence, state_posterior(fitted, x).log_evidence.sum().item<double>() / 1600, 1e-12);
  EXPECT_TRUE(fitted.converged);
  // Stopped early, it says so; the evidence is that of the states that are returned.
  const WarningCollector warnings;
  const HiddenStates early = fit_hidden_states(x, {.states = 3, .iterations = 1, .starts = 1, .seed = 1});
  EXPECT_FALSE(early.converged);
  EXPECT_EQ(early.iterations, 1);
  EXPECT_NEAR(early.log_evidence, state_posterior(early, x).log_evidence.sum().item<double>() / 1600, 1e-12);
  ASSERT_EQ(warnings.entries().size(), 1u);
  EXPECT_THAT(warnings.entries()[0].message, HasSubstr("after 1 iterations"));
  const HiddenStates single =
      fit_hidden_states(x.to(at::kFloat), {.states = 3, .iterations = 40, .tolerance = 1e-4, .starts = 2, .seed = 1});
  EXPECT_GT(
      adjusted_rand_index(state_posterior(single, x.to(at::kFloat)).probability.argmax(-1).flatten(), state.flatten()),
      0.9);
  at::Tensor spoiled = x.clone();
  spoiled[0][0][0] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(fit_hidden_states(spoiled, {.states = 3}), DataError);
  EXPECT_THROW(fit_hidden_states(x.slice(2, 0, 2), {.states = 3}), DataError);
  EXPECT_THROW(fit_hidden_states(x[0], {.states = 3}), ShapeError);
  EXPECT_THROW(fit_hidden_states(x, {.states = 0}), UsageError);
}

TEST(LearnedBlocks, ParcellationKeepsCompartmentsApart) {
  ParcellationOptions options{.compartments = {{2, 5}, {3, 4}}, .type = at::kDouble};
  Parcellation parcellation(options);
  for (const at::Tensor& w : parcellation.weights())
    EXPECT_LT(largest_difference(w.sum(0), at::ones_like(w[0])), 1e-12);
  EXPECT_LT((parcellation.weights()[0] - 0.5).abs().max().item<double>(), 0.3);
  EXPECT_GT(parcellation.weights()[0].std().item<double>(), 0);
  const at::Tensor labels = at::tensor({0, 1, 1, 0, 0, 2, 4, 3, 2}, at::kLong);
  parcellation.start_from(labels, 0.8);
  EXPECT_TRUE(parcellation.labels().equal(labels));
  EXPECT_NEAR(parcellation.weights()[1][0][0].item<double>(), 0.8, 1e-12);
  const at::Tensor x = made_up({2, 9, 6});
  const at::Tensor y = parcellation.forward(x);
  EXPECT_EQ(y.sizes().vec(), (std::vector<std::int64_t>{2, 5, 6}));
  EXPECT_LT(largest_difference(y.slice(1, 0, 2), extract_parcels(x.slice(1, 0, 5), parcellation.weights()[0])), 1e-14);
  parcellation.set_temperature(1e-3);
  EXPECT_LT(largest_difference(parcellation.forward(x), extract_parcels(x, parcels_of_labels(labels, -1).weights)),
            1e-12);
  EXPECT_EQ(parcellation.parameters().size(), 2u);
  parcellation.set_temperature(0.8);
  EXPECT_LT(parameter_error(parcellation, [&] { return parcellation.forward(x); }), 1e-7);
  EXPECT_THROW(parcellation.start_from(at::flip(labels, {0})), UsageError);
  EXPECT_THROW(parcellation.forward(made_up({8, 6})), ShapeError);
  EXPECT_THROW(Parcellation({}), UsageError);
  options.straight_through = true;
  const Parcellation hard(options);
  const at::Tensor w = hard.weights()[1];
  EXPECT_EQ((w.detach() * (1 - w.detach())).abs().max().item<double>(), 0);
}

TEST(LearnedBlocks, ParcellationRecoversPlantedParcels) {
  // 40 voxels follow one of four signals; homogeneity is raised by plain gradient steps from a random start.
  const at::Tensor truth = (at::arange(40, at::kLong) / 10).floor().to(at::kLong);
  const at::Tensor signals = normal_numbers({4, 60}, 3, "signals");
  const at::Tensor x = signals.index_select(0, truth) + 0.7 * normal_numbers({40, 60}, 4, "noise");
  Parcellation parcellation({.compartments = {{4, 40}}, .seed = 2, .type = at::kDouble});
  const std::vector<at::Tensor> parameters = parcellation.parameters();
  for (int step = 0; step < 300; ++step) {
    const at::Tensor w = parcellation.weights()[0];
    const at::Tensor loss = -(parcel_variance_explained(x, w) * w.sum(1)).sum() / 40;
    const at::Tensor gradient = torch::autograd::grad({loss}, {parameters[0]})[0];
    const at::NoGradGuard no_gradient;
    parameters[0].sub_(gradient / gradient.norm() * 1.0);
  }
  EXPECT_GT(adjusted_rand_index(parcellation.labels(), truth), 0.9);
}

TEST(LearnedBlocks, SparseParcellationIsTheDenseOneOfItsWeights) {
  const at::Tensor candidates = at::tensor({0, 1, 2, 1, -1, 0, 3, 2, 1, 0, 3, -1}, at::kLong).reshape({6, 2});
  SparseParcellation parcels({.parcels = 5, .candidates = candidates, .seed = 3, .type = at::kDouble});
  const SparseWeights sparse = parcels.weights();
  const at::Tensor dense = at::zeros({5, 6}, at::kDouble).index_put({sparse.parcel, sparse.voxel}, sparse.weight, true);
  EXPECT_LT(largest_difference(dense.sum(0), at::ones({6}, at::kDouble)), 1e-14);
  EXPECT_EQ(dense[0][2].item<double>(), 1);  // its only candidate
  EXPECT_EQ((dense > 0).sum().item<std::int64_t>(), 10);
  const at::Tensor series = made_up({2, 6, 4});
  EXPECT_LT(largest_difference(parcels.forward(series), extract_parcels(series, dense)), 1e-14);
  EXPECT_EQ(parcels.forward(series).select(1, 4).abs().max().item<double>(), 0);  // nobody's candidate
  EXPECT_TRUE(parcels.labels().equal(dense.argmax(0)));
  // Gradient of the free numbers: by differences of the parameter itself.
  at::Tensor logits = parcels.parameters()[0];
  const at::Tensor mixed = made_up({2, 5, 4}, 7);
  const at::Tensor found = torch::autograd::grad({(parcels.forward(series) * mixed).sum()}, {logits})[0];
  for (const std::int64_t voxel : {0, 2, 4}) {
    double values[2] = {0, 0};
    for (int side = 0; side < 2; ++side) {
      const at::NoGradGuard no_gradient;
      logits[voxel][1] += side == 0 ? 1e-5 : -2e-5;
      values[side] = (parcels.forward(series) * mixed).sum().item<double>();
    }
    {
      const at::NoGradGuard no_gradient;
      logits[voxel][1] += 1e-5;
    }
    EXPECT_NEAR(found[voxel][1].item<double>(), (values[0] - values[1]) / 2e-5, 1e-8) << voxel;
  }
  EXPECT_GT(found.abs().max().item<double>(), 1e-3);
  EXPECT_THROW(SparseParcellation({.parcels = 3, .candidates = candidates}), UsageError);
  EXPECT_THROW(SparseParcellation({.parcels = 5, .candidates = at::full({2, 2}, -1, at::kLong)}), UsageError);
  EXPECT_THROW(SparseParcellation({.parcels = 5, .candidates = at::zeros({2, 2})}), ShapeError);
}

TEST(LearnedBlocks, SparseParcellationOfManyVoxels) {
  const std::int64_t voxels = 23000;
  const at::Tensor places = made_up({voxels, 3}).to(at::kFloat);
  const at::Tensor centres = made_up({400, 3}, 5).to(at::kFloat);
  const at::Tensor candidates = nearest_centres(places, centres, 8);
  const at::Tensor some = candidates.slice(0, 0, 50);
  const at::Tensor far = (places.slice(0, 0, 50).unsqueeze(1) - centres).norm(2, 2);
  EXPECT_TRUE(some.equal(far.argsort(true, 1).slice(1, 0, 8)));
  SparseParcellation parcels({.parcels = 400, .candidates = candidates});
  const at::Tensor means = parcels.forward(places);  // of the coordinates: near the centres
  EXPECT_EQ(means.sizes(), at::IntArrayRef({400, 3}));
  EXPECT_LT((means - centres).norm(2, 1).mean().item<double>(), 0.25);
  means.square().sum().backward();
  const at::Tensor gradient = parcels.parameters()[0].grad();
  EXPECT_EQ(gradient.numel(), voxels * 8);
  EXPECT_GT(gradient.abs().max().item<double>(), 0);
}

TEST(LearnedBlocks, FiltersHaveTrueAmplitudesAndStayStable) {
  const std::vector<Clamp> clamps{{0, 0}};
  LearnedFilterOptions options{
      .filters = 2, .frames = 40, .tr_s = 2, .padding = 10, .clamps = clamps, .type = at::kDouble};
  LearnedFilter filter(options);
  EXPECT_EQ(filter.response().sizes().vec(), (std::vector<std::int64_t>{2, 31}));
  EXPECT_EQ(filter.response()[0][0].item<double>(), 0);
  EXPECT_DOUBLE_EQ(filter.response()[1][5].item<double>(), 0.5);
  const at::Tensor x = made_up({3, 40});
  EXPECT_EQ(filter.forward(x).sizes().vec(), (std::vector<std::int64_t>{2, 3, 40}));
  options.bands = {{0.02, 0.1}, {std::nullopt, 0.05}};
  const LearnedFilter started(options);
  EXPECT_NEAR(started.response()[1][1].item<double>(), 1, 1e-3);
  EXPECT_LT(started.response()[0][29].item<double>(), 1e-3);
  EXPECT_LT(largest_difference(started.forward(x), frequency_filter(x, started.response(), EdgePadding::odd, 10)),
            1e-14);
  EXPECT_LT(parameter_error(filter, [&] { return filter.forward(x); }), 1e-8);
  EXPECT_THROW(filter.forward(made_up({3, 43})), ShapeError);
  options.bands.pop_back();
  EXPECT_THROW(LearnedFilter{options}, UsageError);

  const Butterworth design({0.02, 0.1}, 2);
  LearnedRecursiveFilter recursive(design.sections(), true, at::kDouble);
  EXPECT_LT(largest_difference(recursive.sections(), section_tensor(design.sections(), x.options())), 1e-10);
  EXPECT_LT(
      largest_difference(recursive.forward(x), zero_phase_filter(x, section_tensor(design.sections(), x.options()))),
      1e-8);
  EXPECT_LT(parameter_error(recursive, [&] { return recursive.forward(x); }), 1e-6);
}

TEST(LearnedBlocks, SymmetricLayerKeepsSymmetry) {
  SymmetricLayer layer({.inputs = 2, .outputs = 3, .size = 5, .rank = 2, .signed_coupling = true, .type = at::kDouble});
  const at::Tensor x = made_up_spd(4, 5).reshape({2, 2, 5, 5});
  const at::Tensor y = layer.forward(x);
  EXPECT_EQ(y.sizes().vec(), (std::vector<std::int64_t>{2, 3, 5, 5}));
  EXPECT_LT(largest_difference(y, y.mT()), 1e-14);
  EXPECT_LT(at::linalg_eigvalsh(layer.templates()).min().item<double>(), 0);  // of both signs
  EXPECT_LT(largest_difference(y, crosshair_similarity(x, layer.templates())), 1e-14);
  EXPECT_EQ(layer.parameters().size(), 3u);  // factor, bias and coupling
  EXPECT_LT(parameter_error(layer, [&] { return layer.forward(x); }), 1e-8);
  EXPECT_THROW(layer.forward(made_up({2, 2, 4, 4})), ShapeError);
}

}  // namespace
}  // namespace noema
