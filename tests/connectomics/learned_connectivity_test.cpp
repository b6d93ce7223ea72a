// Modules: what they start as, that parameters stay in their sets, gradients of every parameter, and that they learn.
#include "noema/connectomics/learned_connectivity.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/block_diag.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "gradient_check.h"
#include "module_gradients.h"
#include "noema/connectomics/covariance.h"
#include "noema/connectomics/regression.h"
#include "noema/core/error.h"

namespace noema {
namespace {

/// The same module in float32, by default options, gives outputs and gradients of its parameter as in float64.
template <class Module, class Forward>
void expect_single_follows(Module single, Module exact, const Forward& forward, double tolerance = 1e-4) {
  const auto of = [&](Module& module, at::ScalarType type) {
    const at::Tensor output = forward(module, type);
    EXPECT_EQ(output.scalar_type(), type);
    const at::Tensor contracted = (output * made_up(output.sizes(), 7).to(type)).sum();
    return std::pair{output.detach(), torch::autograd::grad({contracted}, {module.parameters().at(0)})[0]};
  };
  const auto [found, slope] = of(single, at::kFloat);
  const auto [expected, exact_slope] = of(exact, at::kDouble);
  EXPECT_EQ(slope.scalar_type(), at::kFloat);
  EXPECT_GT(exact_slope.abs().max().template item<double>(), 0);
  EXPECT_LT(largest_difference(found, expected), tolerance * expected.abs().max().template item<double>());
  EXPECT_LT(largest_difference(slope, exact_slope), tolerance * exact_slope.abs().max().template item<double>());
}

void descend(torch::nn::Module& module, const std::function<at::Tensor()>& loss, double rate, int steps) {
  at::Tensor parameter = module.parameters().at(0);
  for (int step = 0; step < steps; ++step) {
    const at::Tensor gradient = torch::autograd::grad({loss()}, {parameter})[0];
    const at::NoGradGuard no_gradients;
    parameter -= rate * gradient;
  }
}

TEST(LearnedStates, StartAndGradient) {
  const at::Tensor series = made_up({2, 3, 30});
  LearnedStates one({.states = 1, .frames = 30, .type = at::kDouble});
  EXPECT_LT(largest_difference(one.forward(series).select(1, 0), covariance(series)), 1e-12);
  LearnedStates states({.states = 3, .frames = 30, .seed = 2, .type = at::kDouble});
  const at::Tensor share = states.probabilities();
  EXPECT_LT(largest_difference(share.sum(0), at::ones({30}, at::kDouble)), 1e-14);
  EXPECT_GT(share.min().item<double>(), 0.1);
  ASSERT_EQ(states.forward(series).sizes(), (at::IntArrayRef{2, 3, 3, 3}));
  const at::Tensor second = covariance(series, {.weights = share[1]});
  EXPECT_LT(largest_difference(states.forward(series).select(1, 1), second), 1e-13);
  EXPECT_LT(parameter_error(states, [&] { return states.forward(series); }), 1e-7);
  LearnedStates correlated({.states = 2, .frames = 30, .correlations = true, .type = at::kDouble});
  EXPECT_LT(largest_difference(correlated.forward(series).diagonal(0, -2, -1), at::ones({2, 2, 3}, at::kDouble)),
            1e-14);
  EXPECT_EQ(LearnedStates({.states = 2, .frames = 30}).forward(series.to(at::kFloat)).scalar_type(), at::kFloat);
  EXPECT_THROW(states.forward(made_up({3, 29})), ShapeError);
  EXPECT_THROW(LearnedStates({.states = 0, .frames = 5}), UsageError);
}

TEST(LearnedFrameWeights, FramesAndLags) {
  const at::Tensor series = made_up({2, 3, 25}).cumsum(-1);
  LearnedFrameWeights frames({.outputs = 2, .frames = 25, .type = at::kDouble});
  EXPECT_LT(largest_difference(frames.forward(series).select(1, 1), covariance(series)), 1e-12);
  EXPECT_LT(parameter_error(frames, [&] { return frames.forward(series); }), 1e-6);
  EXPECT_LT(largest_difference(frames.weights().mean(-1), at::ones({2}, at::kDouble)), 1e-14);
  EXPECT_GT(frames.weights().std().item<double>(), 0.05);  // moved, in its set
  LearnedFrameWeights lags({.frames = 25, .largest_lag = 3, .type = at::kDouble});
  EXPECT_LT(largest_difference(lags.weights()[0], at::exp(-at::arange(4, at::kDouble))), 1e-14);
  const at::Tensor direct = covariance(series, {.frame_matrix = lag_matrix(lags.weights()[0], 0, 25)});
  EXPECT_LT(largest_difference(lags.forward(series).select(1, 0), direct), 1e-12);
  EXPECT_GT(largest_difference(lags.forward(series).select(1, 0), covariance(series)), 0.1);
  EXPECT_LT(parameter_error(lags, [&] { return lags.forward(series); }), 1e-6);
  EXPECT_LT(lags.weights().slice(1, 1).abs().max().item<double>(), 1);
  EXPECT_THROW(LearnedFrameWeights({.frames = 5, .largest_lag = 5}), UsageError);
  EXPECT_THROW(lags.forward(made_up({3, 24})), ShapeError);
}

TEST(LearnedTangent, ReferenceStaysDefinite) {
  const at::Tensor matrices = made_up_spd(4, 3);
  LearnedTangent tangent(3, at::kDouble);
  EXPECT_LT(largest_difference(tangent.reference(), at::eye(3, at::kDouble)), 1e-12);
  tangent.start_from(matrices);
  EXPECT_LT(largest_difference(tangent.reference(), spd_mean(matrices, SpdMean::karcher)), 1e-11);
  EXPECT_LT(tangent.forward(matrices).mean(0).abs().max().item<double>(), 1e-9);  // at the Karcher mean
  EXPECT_LT(parameter_error(tangent, [&] { return tangent.forward(matrices); }), 1e-6);
  // Descent on the lengths of the tangents finds the Karcher mean from elsewhere.
  LearnedTangent found(3, at::kDouble);
  descend(
      found, [&] { return found.forward(matrices).square().sum() / 4; }, 0.02, 400);
  EXPECT_LT(largest_difference(found.reference(), spd_mean(matrices, SpdMean::karcher)), 1e-4);
  EXPECT_THROW(LearnedTangent(0), UsageError);
  EXPECT_THROW(tangent.start_from(made_up_spd(4, 2)), ShapeError);
}

TEST(LearnedCommunities, FindPlantedOnes) {
  const at::Tensor network =
      at::block_diag({at::ones({4, 4}, at::kDouble), at::ones({5, 5}, at::kDouble), at::ones({6, 6}, at::kDouble)}) +
      0.1;
  LearnedCommunities communities({.nodes = 15, .communities = 3, .seed = 4, .type = at::kDouble});
  EXPECT_LT(largest_difference(communities.memberships().sum(-1), at::ones({15}, at::kDouble)), 1e-14);
  EXPECT_NEAR(communities.forward(network).item<double>(),
              -modularity(network, communities.memberships()).item<double>(), 1e-14);
  // The best of five starts.
  at::Tensor labels;
  double least = 0;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    LearnedCommunities start({.nodes = 15, .communities = 3, .seed = seed, .type = at::kDouble});
    descend(
        start, [&] { return start.forward(network); }, 20, 200);
    const double loss = start.forward(network).item<double>();
    if (loss >= least) continue;
    least = loss;
    labels = start.labels();
  }
  for (std::int64_t i = 0; i < 15; ++i) {
    for (std::int64_t j = 0; j < 15; ++j) EXPECT_EQ(labels[i].equal(labels[j]), network[i][j].item<double>() > 1);
  }
  LearnedCommunities fresh({.nodes = 15, .communities = 3, .temperature = 0.5, .type = at::kDouble});
  EXPECT_LT(parameter_error(fresh, [&] { return fresh.forward(at::stack({network, network.square()})); }), 1e-8);
  EXPECT_THROW(LearnedCommunities({.nodes = 15}), UsageError);
}

TEST(LearnedSmoothing, FindsTheWidth) {
  const at::Tensor line =
      at::stack({at::arange(40, at::kDouble), at::zeros({40}, at::kDouble), at::zeros({40}, at::kDouble)}, 1);
  const Neighbours near = neighbours_within(line, 12);
  const at::Tensor series = made_up({40, 5});
  LearnedSmoothing smoothing(near, 0.5, 4, at::kDouble);
  EXPECT_NEAR(smoothing.sigma().item<double>(), 2.25, 1e-12);
  EXPECT_LT(
      largest_difference(smoothing.forward(series), smooth_vertices(series, near, at::full({}, 2.25, at::kDouble))),
      1e-13);
  EXPECT_LT(parameter_error(smoothing, [&] { return smoothing.forward(series); }), 1e-7);
  const at::Tensor wanted = smooth_vertices(series, near, at::full({}, 1.3, at::kDouble));
  descend(
      smoothing, [&] { return (smoothing.forward(series) - wanted).square().sum(); }, 0.03, 400);
  EXPECT_NEAR(smoothing.sigma().item<double>(), 1.3, 1e-3);
  EXPECT_THROW(LearnedSmoothing(near, 0, 2), UsageError);
  EXPECT_THROW(LearnedSmoothing(near, 1, 7), UsageError);
}

TEST(LearnedConfounds, MixturesAndDelays) {
  const at::Tensor confounds = made_up({4, 60}), series = made_up({3, 60}, 2);
  LearnedConfounds learned({.confounds = 4, .mixtures = 2, .delays = 2, .seed = 1, .type = at::kDouble});
  ASSERT_EQ(learned.mixing().sizes(), (at::IntArrayRef{2, 12}));
  // Copies that come one and two frames later, by hand.
  const at::Tensor zero = at::zeros({4, 2}, at::kDouble);
  const at::Tensor one = at::cat({zero.slice(1, 0, 1), confounds.slice(1, 0, 59)}, 1),
                   two = at::cat({zero, confounds.slice(1, 0, 58)}, 1);
  const at::Tensor mixtures = learned.mixing().matmul(at::cat({confounds, one, two}, 0));
  EXPECT_LT(largest_difference(learned.forward(series, confounds), regress_out(series, mixtures)), 1e-12);
  const at::Tensor keep = (made_up({60}, 3) > -0.5).to(at::kDouble);
  EXPECT_LT(largest_difference(learned.forward(series, confounds, keep), regress_out(series, mixtures, keep)), 1e-12);
  EXPECT_LT(parameter_error(learned, [&] { return learned.forward(series, confounds, keep); }), 1e-6);
  EXPECT_LT(largest_difference(learned.mixing().norm(2, {1}), at::ones({2}, at::kDouble)), 1e-14);
  // Descent finds the mixture that is in the series, a frame late.
  const at::Tensor nuisance = (one[0] - 2 * one[2]).unsqueeze(0),
                   mixed = at::ones({3, 1}, at::kDouble).matmul(nuisance);
  LearnedConfounds found({.confounds = 4, .mixtures = 1, .delays = 1, .seed = 3, .type = at::kDouble});
  descend(
      found, [&] { return found.forward(mixed, confounds).square().mean(); }, 0.3, 500);
  const at::Tensor w = found.mixing()[0] * found.mixing()[0][4].sign();
  EXPECT_NEAR(w[4].item<double>(), 1 / std::sqrt(5), 1e-2);
  EXPECT_NEAR(w[6].item<double>(), -2 / std::sqrt(5), 1e-2);
  EXPECT_THROW(learned.forward(series, made_up({5, 60})), ShapeError);
  EXPECT_THROW(LearnedConfounds({.confounds = 2, .mixtures = 3}), UsageError);
}

TEST(LearnedModules, SinglePrecisionFollows) {
  const at::Tensor series = made_up({2, 3, 30}), confounds = made_up({4, 30}, 2), network = made_up_spd(1, 8)[0].abs();
  const auto of_series = [&](const auto& module, at::ScalarType type) { return module.forward(series.to(type)); };
  const LearnedStatesOptions states{.states = 3, .frames = 30, .seed = 2};
  LearnedStatesOptions exact_states = states;
  exact_states.type = at::kDouble;
  expect_single_follows(LearnedStates(states), LearnedStates(exact_states), of_series);
  for (const std::int64_t lag : {0, 3}) {
    SCOPED_TRACE(lag);
    expect_single_follows(LearnedFrameWeights({.frames = 30, .largest_lag = lag}),
                          LearnedFrameWeights({.frames = 30, .largest_lag = lag, .type = at::kDouble}), of_series);
  }
  const at::Tensor matrices = made_up_spd(4, 3);
  expect_single_follows(LearnedTangent(3), LearnedTangent(3, at::kDouble),
                        [&](const auto& module, at::ScalarType type) { return module.forward(matrices.to(type)); });
  expect_single_follows(LearnedCommunities({.nodes = 8, .communities = 3, .seed = 4}),
                        LearnedCommunities({.nodes = 8, .communities = 3, .seed = 4, .type = at::kDouble}),
                        [&](const auto& module, at::ScalarType type) { return module.forward(network.to(type)); });
  const Neighbours near = neighbours_within(made_up({3, 3}), 2);
  expect_single_follows(LearnedSmoothing(near, 0.3, 0.8), LearnedSmoothing(near, 0.3, 0.8, at::kDouble), of_series);
  expect_single_follows(
      LearnedConfounds({.confounds = 4, .mixtures = 2, .delays = 1}),
      LearnedConfounds({.confounds = 4, .mixtures = 2, .delays = 1, .type = at::kDouble}),
      [&](const auto& module, at::ScalarType type) { return module.forward(series.to(type), confounds.to(type)); });
}

}  // namespace
}  // namespace noema
