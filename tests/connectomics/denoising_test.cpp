// Confound regression, censored frames and their cleaning: closed forms, independent solutions, gradients, edges.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <span>

#include "gradient_check.h"
#include "noema/connectomics/covariance.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/interpolate.h"
#include "noema/connectomics/qc_fc.h"
#include "noema/connectomics/regression.h"
#include "noema/connectomics/symmetric.h"
#include "noema/core/error.h"
#include "noema/preprocess/clean.h"

namespace noema {
namespace {

using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

at::Tensor mask_without(std::int64_t frames, std::vector<std::int64_t> censored) {
  at::Tensor keep = at::ones({frames}, at::kBool);
  for (const std::int64_t t : censored) keep[t] = false;
  return keep;
}

TEST(Regression, SolvesTheWeightedNormalEquations) {
  const at::Tensor y = made_up({2, 3, 20}), x = made_up({4, 20}, 2), w = made_up({20}, 3).abs();
  const Regression found = regress(y, x, w, {.intercept = true, .trend_degree = 1});
  const at::Tensor design =
      at::cat({x, at::ones({1, 20}, at::kDouble), at::linspace(-1, 1, 20, at::kDouble).unsqueeze(0)});
  const at::Tensor weighted = design * w;
  const at::Tensor direct = at::linalg_solve(weighted.matmul(design.t()), weighted.matmul(y.mT())).mT();
  EXPECT_LT(largest_difference(found.coefficients, direct), 1e-10);
  EXPECT_LT(largest_difference(found.fitted, direct.matmul(design)), 1e-11);
  EXPECT_LT(largest_difference(found.residual, y - direct.matmul(design)), 1e-11);
  EXPECT_LT((found.residual * w).matmul(design.t()).abs().max().item<double>(), 1e-12);
  EXPECT_LT(largest_difference(regress_out(y.to(at::kFloat), x.to(at::kFloat), w.to(at::kFloat)), regress_out(y, x, w)),
            1e-5);
}

TEST(Regression, RidgeIsThePenaltyThatIsAskedFor) {
  // One confound, no constant: B = x·y / (x·x + λ). A penalty of λ² would give another number.
  const at::Tensor y = made_up({1, 30}), x = made_up({1, 30}, 2);
  const double xy = (x * y).sum().item<double>(), xx = (x * x).sum().item<double>();
  const Regression found = regress(y, x, {}, {.intercept = false, .ridge = 5});
  EXPECT_NEAR(found.coefficients.item<double>(), xy / (xx + 5), 1e-13);
  // The constant is not penalised: residuals have mean 0 even with a huge ridge.
  EXPECT_NEAR(regress_out(y + 100, x, {}, {.ridge = 1e9}).mean().item<double>(), 0, 1e-9);
}

TEST(Regression, DesignsWithoutFullRank) {
  const at::Tensor y = made_up({3, 15}), x = made_up({2, 15}, 2);
  const at::Tensor repeated = at::cat({x, 1e4 * x, x.sum(0, true), at::zeros({1, 15}, at::kDouble)});
  EXPECT_LT(largest_difference(regress_out(y, repeated), regress_out(y, x)), 1e-10);
  EXPECT_LT(regress_out(y, made_up({30, 15}, 5)).abs().max().item<double>(), 1e-10);  // more confounds than frames
  EXPECT_LT(gradient_error([&](const auto& in) { return regress_out(in[0], repeated); }, {y}), 1e-8);
  EXPECT_LT(largest_difference(regress_out(y, {}), y - y.mean(-1, true)), 1e-14);
  EXPECT_EQ(largest_difference(regress_out(y, {}, {}, {.intercept = false}), y), 0);
}

TEST(Regression, Gradients) {
  const at::Tensor y = made_up({2, 12}), x = made_up({2, 3, 12}, 2).select(0, 1);
  at::Tensor w = made_up({12}, 3).abs() + 0.2;
  const auto with = [](double ridge) {
    return [ridge](const std::vector<at::Tensor>& in) {
      return regress_out(in[0], in[1], in[2], {.trend_degree = 2, .ridge = ridge});
    };
  };
  EXPECT_LT(gradient_error(with(0), {y, x, w}), 1e-7);
  EXPECT_LT(gradient_error(with(0.7), {y, x, w}), 1e-7);
  // At weights of 0: one-sided differences, since a weight must not be negative.
  w[4] = 0;
  at::Tensor leaf = w.clone().set_requires_grad(true);
  const at::Tensor g = made_up({2, 12}, 6);
  const auto value = [&](const at::Tensor& at_w) { return (regress_out(y, x, at_w) * g).sum(); };
  const at::Tensor gradient = torch::autograd::grad({value(leaf)}, {leaf})[0];
  const double step = 1e-6;
  const auto moved = [&](double by) {
    at::Tensor copy = w.clone();
    copy[4] = by;
    return value(copy).item<double>();
  };
  const double numeric = (-3 * moved(0) + 4 * moved(step) - moved(2 * step)) / (2 * step);
  EXPECT_NEAR(gradient[4].item<double>(), numeric, 1e-6 * std::max(1.0, std::abs(numeric)));
}

// The first derivative holds parts of the solution constant, so a second one would be wrong.
TEST(Regression, RefusesSecondDerivatives) {
  for (const int which : {0, 1, 2}) {
    std::vector<at::Tensor> in{made_up({2, 12}), made_up({3, 12}, 2), made_up({12}, 3).abs() + 0.2};
    const at::Tensor leaf = in[static_cast<std::size_t>(which)].set_requires_grad(true);
    const at::Tensor value = regress_out(in[0], in[1], in[2]).square().sum();
    EXPECT_NO_THROW(torch::autograd::grad({value}, {leaf}, {}, true));
    EXPECT_THROW(torch::autograd::grad({value}, {leaf}, {}, std::nullopt, /*create_graph=*/true), NumericalError);
  }
}

TEST(Regression, CensoredFramesInfluenceNothing) {
  at::Tensor y = made_up({2, 16}), x = made_up({2, 16}, 2);
  at::Tensor w = at::ones({16}, at::kDouble);
  w[3] = 0;
  w[15] = 0;
  const at::Tensor kept = w.nonzero().flatten();
  const at::Tensor expected = regress_out(y.index_select(1, kept), x.index_select(1, kept));
  at::Tensor spoiled = y.clone(), spoiled_x = x.clone();
  spoiled.select(1, 3).fill_(kNan);
  spoiled_x.select(1, 15).fill_(kNan);
  EXPECT_LT(largest_difference(regress_out(spoiled, spoiled_x, w).index_select(1, kept), expected), 1e-12);
  // Each run its own weights.
  const at::Tensor both = regress_out(at::stack({y, y}), x, at::stack({w, at::ones_like(w)}));
  EXPECT_LT(largest_difference(both[0].index_select(1, kept), expected), 1e-12);
  EXPECT_LT(largest_difference(both[1], regress_out(y, x)), 1e-12);
  try {
    regress_out(y, x, at::zeros({16}, at::kDouble));
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("all frames censored"));
  }
  EXPECT_THROW(regress_out(y, x, -w), DataError);
  EXPECT_THROW(regress_out(y, made_up({2, 15})), ShapeError);
  EXPECT_THROW(regress_out(y, x, {}, {.ridge = -1}), UsageError);
  EXPECT_EQ(regress_out(made_up({2, 1}), {}).abs().max().item<double>(), 0);  // one frame
}

TEST(Fill, LinearBetweenKeptFrames) {
  const at::Tensor x = at::tensor({kNan, 1., kNan, kNan, 7., 8., kNan}, at::kDouble);
  const at::Tensor filled = fill_censored(x, mask_without(7, {0, 2, 3, 6}));
  EXPECT_LT(largest_difference(filled, at::tensor({1., 1., 3., 5., 7., 8., 8.}, at::kDouble)), 1e-15);
  EXPECT_EQ(largest_difference(fill_censored(made_up({2, 5}), mask_without(5, {})), made_up({2, 5})), 0);
}

TEST(Fill, CubicIsExactForCubics) {
  const at::Tensor t = at::arange(12, at::kDouble);
  const at::Tensor x = 2 - t + 0.3 * t * t - 0.02 * t * t * t;
  const at::Tensor keep = mask_without(12, {2, 3, 7, 11});
  const at::Tensor filled = fill_censored(x, keep, {FillMethod::cubic});
  EXPECT_LT(largest_difference(filled.slice(0, 0, 11), x.slice(0, 0, 11)), 1e-12);
  EXPECT_DOUBLE_EQ(filled[11].item<double>(), x[10].item<double>());
}

// scipy 1.14: CubicSpline(t[kept], x[kept])(missing), x = sin(0.7 t) + 0.3 cos(1.9 t), t = 0 … 19.
TEST(Fill, CubicIsScipysSpline) {
  const at::Tensor t = at::arange(20, at::kDouble), x = at::sin(0.7 * t) + 0.3 * at::cos(1.9 * t);
  const std::vector<std::int64_t> missing{3, 4, 9, 13, 14, 15};
  const at::Tensor filled = fill_censored(x, mask_without(20, missing), {FillMethod::cubic});
  const at::Tensor expected = at::tensor({0.4376203695849824, -0.1604723396174399, 0.015189665937682895,
                                          0.21020423580774533, -0.3635507934457799, -0.7989374246350946},
                                         at::kDouble);
  EXPECT_LT(largest_difference(filled.index_select(0, at::tensor(missing, at::kLong)), expected), 1e-12);
}

/// Sinusoids below 0.1 cycles per frame, between the frequencies of the grid.
at::Tensor sinusoids(std::int64_t frames) {
  const at::Tensor t = at::arange(frames, at::kDouble) * 2 * std::numbers::pi;
  return at::sin(0.0131 * t + 0.4) + at::sin(0.0372 * t + 2) + at::sin(0.0808 * t + 5);
}

double relative_error(const at::Tensor& found, const at::Tensor& truth, const at::Tensor& keep) {
  const at::Tensor missing = keep.logical_not().nonzero().flatten();
  const at::Tensor expected = truth.index_select(-1, missing);
  return ((found.index_select(-1, missing) - expected).norm() / (expected - truth.mean()).norm()).item<double>();
}

/// Frames lost at random, but the ends.
at::Tensor random_mask(std::int64_t frames, double loss, double seed) {
  at::Tensor keep = made_up({frames}, seed).abs() >= loss;
  keep[0] = keep[-1] = true;
  return keep;
}

at::Tensor row_norms(const at::Tensor& keep, const FillOptions& options) {
  return fill_matrix(keep, options).norm(2, 1);
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The same basis and penalty, by the normal equations.
TEST(Fill, HarmonicIsThePenalisedLeastSquaresFit) {
  const at::Tensor keep = random_mask(70, 0.3, 3), kept = keep.nonzero().flatten(), x = made_up({70}, 5) + 10;
  for (const auto& [oversampling, ridge] : {std::pair{1, 0.0}, std::pair{2, 1e-3}}) {
    std::vector<at::Tensor> columns{at::ones({70}, at::kDouble), at::arange(70, at::kDouble) / 10};
    for (int k = 1; k <= 7 * oversampling; ++k) {
      const at::Tensor phase = at::arange(70, at::kDouble) * (2 * std::numbers::pi * k / (70.0 * oversampling));
      columns.push_back(phase.cos());
      columns.push_back(phase.sin());
    }
    const at::Tensor basis = at::stack(columns, 1), seen = basis.index_select(0, kept);
    at::Tensor penalty = at::full({basis.size(1)}, ridge * 35, at::kDouble);
    penalty.slice(0, 0, 2).fill_(0);
    const at::Tensor fitted = basis.matmul(
        at::linalg_solve(seen.t().matmul(seen) + penalty.diag(), seen.t().matmul(x.index_select(0, kept))));
    const FillOptions options{FillMethod::harmonic, 0.1, oversampling, ridge, kInfinity};
    EXPECT_LT(largest_difference(fill_censored(x, keep, options), at::where(keep, x, fitted)), 1e-8) << oversampling;
    EXPECT_GT(largest_difference(fitted, x), 0.1);
  }
}

TEST(Fill, NoiseIsNotBlownUp) {
  const at::Tensor line = 7 + at::arange(200, at::kDouble);
  const FillOptions unbounded{.method = FillMethod::harmonic, .largest_gain = kInfinity};
  double worst = 0;
  for (const double loss : {0.3, 0.5}) {
    for (const double seed : {11., 16.}) {
      const at::Tensor keep = random_mask(200, loss, seed), free = row_norms(keep, unbounded);
      worst = std::max(worst, free.max().item<double>());
      for (const double gain : {1.0, 2.0}) {
        const at::Tensor bounded = fill_matrix(keep, {.method = FillMethod::harmonic, .largest_gain = gain});
        // No more ridge than the bound asks for.
        EXPECT_LT(largest_difference(bounded.norm(2, 1), free.clamp_max(gain)), 1e-5) << loss << " " << seed;
        EXPECT_LT(largest_difference(bounded.matmul(line), line), 1e-9);
      }
      EXPECT_LE(row_norms(keep, {.method = FillMethod::hybrid, .largest_gain = 2}).max().item<double>(), 2 + 1e-9);
    }
  }
  EXPECT_GT(worst, 2.5);
}

TEST(Fill, EndsHoldTheNearestKeptValue) {
  const at::Tensor x = made_up({150});
  for (const std::int64_t lost : {1, 4, 10}) {
    at::Tensor keep = at::ones({150}, at::kBool);
    keep.slice(0, 0, lost).fill_(false);
    keep.slice(0, 148 - lost, 150).fill_(false);
    keep.slice(0, 60, 75).fill_(false);
    for (const FillMethod method : {FillMethod::linear, FillMethod::cubic, FillMethod::harmonic, FillMethod::hybrid}) {
      const at::Tensor filled = fill_censored(x, keep, {method});
      EXPECT_LT((filled.slice(0, 0, lost) - x[lost]).abs().max().item<double>(), 1e-14);
      EXPECT_LT((filled.slice(0, 148 - lost) - x[147 - lost]).abs().max().item<double>(), 1e-14);
      if (method == FillMethod::cubic) continue;  // a spline swings out in long gaps
      EXPECT_LE(row_norms(keep, {method}).max().item<double>(), 4 + 1e-9);
    }
  }
}

TEST(Fill, HalfOfTheFramesAreEnough) {
  const at::Tensor x = sinusoids(400), noisy = x + 0.3 * std::sqrt(3.0) * made_up({400}, 5);
  const FillOptions noise_free{FillMethod::harmonic, 0.1, 2, 1e-9, kInfinity};
  double with_noise = 0;
  for (const double seed : {11., 12., 13., 14., 15., 16., 17., 18.}) {
    const at::Tensor keep = random_mask(400, 0.5, seed);
    EXPECT_LT(relative_error(fill_censored(x, keep, noise_free), x, keep), 1e-4) << seed;
    const double error = relative_error(fill_censored(noisy, keep, {FillMethod::harmonic}), x, keep);
    EXPECT_LT(error, 0.45) << seed;
    with_noise += error / 8;
  }
  EXPECT_LT(with_noise, 0.3);
}

TEST(Fill, HarmonicRecoversSinusoidsWithOffsetAndTrend) {
  const at::Tensor x = sinusoids(400);
  for (const double loss : {0.1, 0.3}) {
    const at::Tensor keep = random_mask(400, loss, 11);
    ASSERT_GT(keep.logical_not().sum().item<std::int64_t>(), 25);
    const FillOptions harmonic{FillMethod::harmonic};
    EXPECT_LT(relative_error(fill_censored(x, keep, harmonic), x, keep), 4e-4);
    // An offset and a trend cost nothing, and a faint series is filled as well as a strong one beside it.
    const at::Tensor line = 100 + at::linspace(0, 50, 400, at::kDouble);
    const at::Tensor both = fill_censored(at::stack({x + line, x / 10}), keep, harmonic);
    EXPECT_LT(relative_error(both[0] - line, x, keep), 4e-4);
    EXPECT_LT(relative_error(both[1] * 10, x, keep), 4e-4);
    EXPECT_LT(relative_error(fill_censored(x + 0.3 * made_up({400}, 5) * std::sqrt(3.0), keep, harmonic), x, keep),
              0.23);
    EXPECT_GT(relative_error(at::where(keep, x, at::zeros_like(x)), x, keep), 0.9);
  }
}

TEST(Fill, HybridDrawsLinesOverShortGaps) {
  const at::Tensor x = sinusoids(120);
  const FillOptions hybrid{FillMethod::hybrid};
  std::vector<std::int64_t> six{20, 21, 22, 23, 24, 25}, ten;
  for (std::int64_t t = 60; t < 70; ++t) ten.push_back(t);
  const at::Tensor short_gap = mask_without(120, six);
  EXPECT_LT(largest_difference(fill_censored(x, short_gap, hybrid), fill_censored(x, short_gap)), 1e-14);
  const at::Tensor long_gap = mask_without(120, ten);
  const at::Tensor found = fill_censored(x, long_gap, hybrid);
  const at::Tensor inside = fill_censored(x, long_gap, {FillMethod::harmonic});
  EXPECT_LT(largest_difference(found.slice(0, 63, 67), inside.slice(0, 63, 67)), 1e-14);  // four frames
  const double step = (found[63] - found[59]).item<double>() / 4;
  EXPECT_NEAR(found[61].item<double>(), found[59].item<double>() + 2 * step, 1e-12);
}

TEST(Fill, GradientsMasksAndEdges) {
  const at::Tensor x = made_up({2, 2, 14});
  const at::Tensor masks = at::stack({mask_without(14, {0, 4, 5}), mask_without(14, {7, 13})});
  for (const FillMethod method : {FillMethod::linear, FillMethod::cubic, FillMethod::harmonic, FillMethod::hybrid}) {
    const FillOptions options{method};
    EXPECT_LT(gradient_error([&](const auto& in) { return fill_censored(in[0], masks, options); }, {x}), 1e-8);
    const at::Tensor batch = fill_censored(x, masks, options);
    EXPECT_LT(largest_difference(batch[1], fill_censored(x[1], masks[1], options)), 1e-15);
    const at::Tensor one = fill_censored(made_up({3, 1}), mask_without(1, {}), options);
    EXPECT_EQ(largest_difference(one, made_up({3, 1})), 0);
    EXPECT_THROW(fill_censored(x, at::zeros({14}, at::kBool), options), DataError);
    const at::Tensor single = fill_censored(x.to(at::kFloat), masks, options);
    EXPECT_EQ(single.scalar_type(), at::kFloat);
    EXPECT_LT(largest_difference(single, batch), 2e-6);
    EXPECT_LT(second_gradient_error([&](const auto& in) { return fill_censored(in[0].square(), masks, options); }, {x}),
              1e-7);
  }
  EXPECT_LT(largest_difference(fill_censored(made_up({3, 6}), mask_without(6, {0, 1, 2, 4, 5})),
                               made_up({3, 6}).slice(1, 3, 4).expand({3, 6})),
            1e-15);
  EXPECT_THROW(fill_censored(x, at::ones({13}, at::kBool)), ShapeError);
  EXPECT_THROW(fill_censored(x, at::ones({14}, at::kDouble)), ShapeError);
  EXPECT_THROW(fill_censored(x, masks, {FillMethod::harmonic, 0.7}), UsageError);
  EXPECT_THROW(fill_censored(x, masks, {.method = FillMethod::harmonic, .largest_gain = 0.5}), UsageError);
}

MatrixD columns_of(const at::Tensor& rows) {
  const at::Tensor columns = rows.t().contiguous();
  return Eigen::Map<const MatrixD>(columns.const_data_ptr<double>(), columns.size(0), columns.size(1));
}

TEST(CleanCensored, EqualsThePreprocessingOfSeries) {
  const std::int64_t frames = 90;
  const at::Tensor x = made_up({3, frames}).cumsum(1) + 20, confounds = made_up({2, frames}, 2).cumsum(1);
  const at::Tensor keep = mask_without(frames, {0, 1, 20, 21, 22, 50, 88, 89});
  const at::Tensor bytes = keep.to(at::kByte);
  for (const bool filtered : {true, false}) {
    CleanOptions classical;
    classical.standardize = Standardize::none;
    classical.tr_s = 2;
    CensoredCleaning options;
    if (filtered) {
      classical.filter = TemporalFilter::butterworth;
      classical.high_pass_hz = options.band.high_pass_hz = 0.02;
      classical.low_pass_hz = options.band.low_pass_hz = 0.1;
      options.tr_s = 2;
    }
    const MatrixD expected =
        clean(columns_of(x), columns_of(confounds), std::span(bytes.const_data_ptr<std::uint8_t>(), frames), classical);
    const at::Tensor found = clean_censored(x, confounds, keep, options);
    EXPECT_LT((columns_of(found) - expected).cwiseAbs().maxCoeff(), 1e-9) << filtered;
    // What stood at censored frames has no influence, and filtered confounds leave nothing behind.
    const at::Tensor spoiled = at::where(keep, x, at::full_like(x, kNan));
    EXPECT_LT(largest_difference(clean_censored(spoiled, confounds, keep, options), found), 1e-12);
    const at::Tensor batch = clean_censored(at::stack({x, x}), at::stack({confounds, confounds}),
                                            at::stack({keep, at::ones_like(keep)}), options);
    EXPECT_LT(largest_difference(batch[0], found), 1e-12);
  }
}

TEST(CleanCensored, LetsNoConfoundBackIn) {
  // A confound inside the stop band: filtering after regression would bring back what regression changed.
  const std::int64_t frames = 200;
  const at::Tensor confound = made_up({1, frames}, 2), x = made_up({4, frames}) + 0.8 * confound;
  CensoredCleaning options;
  options.band.high_pass_hz = 0.02;
  options.band.low_pass_hz = 0.1;
  options.tr_s = 2;
  const at::Tensor passed = clean_censored(confound, {}, {}, options);
  const at::Tensor filtered = passed - passed.mean();
  const auto correlation = [&](const at::Tensor& series) {
    return ((series * filtered).sum(1) / (series.norm(2, {1}) * filtered.norm())).abs().max().item<double>();
  };
  EXPECT_LT(correlation(clean_censored(x, confound, {}, options)), 1e-12);
  EXPECT_GT(correlation(clean_censored(regress_out(x, confound), {}, {}, options)), 0.02);
  EXPECT_LT(gradient_error([&](const auto& in) { return clean_censored(in[0], in[1], {}, options); },
                           {x.slice(1, 0, 40).slice(0, 0, 1), confound.slice(1, 0, 40)}),
            1e-7);
  EXPECT_THROW(clean_censored(x, confound, at::zeros({frames}, at::kBool), options), DataError);
  EXPECT_THROW(clean_censored(x.slice(1, 0, 20), {}, {}, options), DataError);
}

/// Five tones of frequencies between two, in Hz at 2 s, of phases by the seed: (1, T).
at::Tensor tones(double lowest_hz, double highest_hz, std::int64_t frames, double seed) {
  const at::Tensor phase = 2 * std::numbers::pi * made_up({5, 1}, seed);
  const at::Tensor turn = 4 * std::numbers::pi * at::linspace(lowest_hz, highest_hz, 5, at::kDouble).unsqueeze(1);
  return (turn * at::arange(frames, at::kDouble) + phase).sin().sum(0, true);
}

// 20 subjects whose regions differ in nothing but motion: slow movements enter the series as far as the subject moves,
// the estimate of motion has a faster part too, and the censored volumes hold anything.
TEST(CleanCensored, LeavesNoMotionInConnectivityOverSubjects) {
  const std::int64_t subjects = 20, regions = 12, frames = 200;
  CensoredCleaning options;
  options.band.high_pass_hz = 0.01;
  options.band.low_pass_hz = 0.1;
  options.tr_s = 2;
  const at::Tensor motion = at::linspace(0.1, 1, subjects, at::kDouble);
  const at::Tensor loading = 0.35 * made_up({regions, 1}, 3).abs() + 0.35;
  std::vector<at::Tensor> together, one_by_one;
  for (std::int64_t s = 0; s < subjects; ++s) {
    const auto seed = static_cast<double>(s);
    const at::Tensor slow = tones(0.02, 0.08, frames, seed), moved = slow + tones(0.12, 0.15, frames, seed + 40);
    const at::Tensor keep = random_mask(frames, 0.05, seed + 11), w = keep.to(at::kDouble);
    const at::Tensor brain = normal_numbers({regions, frames}, static_cast<std::uint64_t>(s), "brain");
    const at::Tensor series = at::where(keep, brain + motion[s] * loading * slow, 50 * motion[s]);
    const auto edges = [&](const at::Tensor& cleaned) { return pack_symmetric(correlation(cleaned, {.weights = w})); };
    together.push_back(edges(clean_censored(series, moved, keep, options)));
    one_by_one.push_back(edges(clean_censored(regress_out(series, moved, w), {}, keep, options)));
  }
  const auto median = [&](const std::vector<at::Tensor>& edges) {
    return qc_fc(at::stack(edges), motion)[0].abs().median().item<double>();
  };
  const double chance = correlation_tolerance(subjects, 0.5);  // the median of |r|
  EXPECT_NEAR(median(together), chance, 0.5 * chance);
  EXPECT_GT(median(one_by_one), 2.5 * chance);
}

}  // namespace
}  // namespace noema
