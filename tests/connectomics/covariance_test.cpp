// Covariances against sums written out, the published defects, gradients at ordinary and dangerous points.
#include "noema/connectomics/covariance.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_lstsq.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "gradient_check.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double at2(const at::Tensor& x, std::int64_t i, std::int64_t j) { return x[i][j].item<double>(); }

/// Σ_t w_t (x_i − m_i)(y_j − m_j) / (Σw − ddof Σw²/Σw), in the plainest way.
at::Tensor written_out(const at::Tensor& x, const at::Tensor& y, const at::Tensor& w, double ddof) {
  at::Tensor result = at::zeros({x.size(0), y.size(0)}, at::kDouble);
  double total = 0, squares = 0;
  for (std::int64_t t = 0; t < w.size(0); ++t) {
    total += w[t].item<double>();
    squares += w[t].item<double>() * w[t].item<double>();
  }
  const auto mean = [&](const at::Tensor& z, std::int64_t i) {
    double sum = 0;
    for (std::int64_t t = 0; t < w.size(0); ++t) sum += w[t].item<double>() * at2(z, i, t);
    return sum / total;
  };
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    for (std::int64_t j = 0; j < y.size(0); ++j) {
      double sum = 0;
      const double mx = mean(x, i), my = mean(y, j);
      for (std::int64_t t = 0; t < w.size(0); ++t)
        sum += w[t].item<double>() * (at2(x, i, t) - mx) * (at2(y, j, t) - my);
      result[i][j] = sum / (total - ddof * squares / total);
    }
  }
  return result;
}

at::Tensor positive(at::IntArrayRef shape, double seed = 3) { return made_up(shape, seed).abs() + 0.1; }

CovarianceOptions weighted(const at::Tensor& weights) {
  CovarianceOptions options;
  options.weights = weights;
  return options;
}

CovarianceOptions with_matrix(const at::Tensor& matrix) {
  CovarianceOptions options;
  options.frame_matrix = matrix;
  return options;
}

TEST(Covariance, EqualsTheSumsWrittenOut) {
  const at::Tensor x = made_up({4, 30}) + 3, ones = at::ones({30}, at::kDouble), w = positive({30});
  EXPECT_LT(largest_difference(covariance(x), written_out(x, x, ones, 1)), 1e-13);
  CovarianceOptions options;
  options.ddof = 17;
  EXPECT_LT(largest_difference(covariance(x, options), written_out(x, x, ones, 17)), 1e-13);
  EXPECT_LT(largest_difference(covariance(x, weighted(w)), written_out(x, x, w, 1)), 1e-13);
  const at::Tensor y = made_up({3, 30}, 2) - 1;
  EXPECT_LT(largest_difference(cross_covariance(x, y, weighted(w)), written_out(x, y, w, 1)), 1e-13);
  EXPECT_LT(largest_difference(covariance(x.to(at::kFloat), weighted(w.to(at::kFloat))), written_out(x, x, w, 1)),
            1e-6);
  // numpy.cov([[1, 2, 4], [3, 1, 1]], aweights=[1, 2, 1])
  const at::Tensor small = at::tensor({1., 2., 4., 3., 1., 1.}, at::kDouble).reshape({2, 3});
  const at::Tensor expected = at::tensor({1.9, -1., -1., 1.2}, at::kDouble).reshape({2, 2});
  EXPECT_LT(largest_difference(covariance(small, weighted(at::tensor({1., 2., 1.}, at::kDouble))), expected), 1e-14);
}

// A stack of T vectors of T weights has the shape of one matrix; here the field's name decides, not the shape.
TEST(Covariance, WeightsAreWhatTheirNameSays) {
  const at::Tensor x = made_up({3, 6}), stack = positive({6, 6});
  const at::Tensor each = covariance(x, weighted(stack));
  ASSERT_EQ(each.sizes(), (at::IntArrayRef{6, 3, 3}));
  for (std::int64_t i = 0; i < 6; ++i) EXPECT_LT(largest_difference(each[i], covariance(x, weighted(stack[i]))), 1e-14);
  EXPECT_EQ(covariance(x, with_matrix(stack)).dim(), 2);
}

TEST(Covariance, DiagonalMatrixIsAVectorAndTheResultIsSymmetric) {
  const at::Tensor x = made_up({4, 9}), w = positive({9});
  EXPECT_LT(largest_difference(covariance(x, with_matrix(w.diag())), covariance(x, weighted(w))), 1e-13);
  EXPECT_LT(largest_difference(correlation(x, with_matrix(w.diag())), correlation(x, weighted(w))), 1e-13);
  // (X − μ1ᵀ) W (X − μ1ᵀ)ᵀ / (s − |W1|²/s) with μ = X W 1/s, s = 1ᵀW1, and its transpose.
  const at::Tensor m = positive({9, 9}), rows = (m.sum(1) + m.sum(0)) / 2, s = m.sum();
  const at::Tensor centred = x - x.matmul(rows).unsqueeze(-1) / s;
  const at::Tensor expected = centred.matmul((m + m.mT()) / 2).matmul(centred.mT()) / (s - rows.square().sum() / s);
  EXPECT_LT(largest_difference(covariance(x, with_matrix(m)), expected), 1e-13);
}

TEST(Covariance, FramesOfWeightZeroAreNotLookedAt) {
  at::Tensor x = made_up({2, 3, 8});
  const at::Tensor w = at::tensor({1., 0., 1., 1., 0., 1., 1., 1.}, at::kDouble);
  const at::Tensor kept = x.index_select(-1, at::tensor({0, 2, 3, 5, 6, 7}, at::kLong));
  x.select(-1, 1).fill_(kNaN);
  x.select(-1, 4).fill_(1e30);
  EXPECT_LT(largest_difference(covariance(x, weighted(w)), covariance(kept)), 1e-14);
  EXPECT_LT(largest_difference(correlation(x, weighted(w)), correlation(kept)), 1e-14);
  x.set_requires_grad(true);
  const at::Tensor gradient = torch::autograd::grad({correlation(x, weighted(w)).square().sum()}, {x})[0];
  EXPECT_TRUE(gradient.isfinite().all().item<bool>());
  EXPECT_EQ(gradient.select(-1, 1).abs().max().item<double>(), 0);
}

// The mask of a band of lags is the mask itself: masked with its own square, lags 1 to 3 would keep −2 to 2 and lose 3.
TEST(Covariance, LagBandKeepsItsLags) {
  const at::Tensor matrix = lag_matrix(at::tensor({5., 6., 7.}, at::kDouble), 1, 6);
  for (std::int64_t s = 0; s < 6; ++s) {
    for (std::int64_t t = 0; t < 6; ++t) {
      const std::int64_t lag = std::abs(s - t);
      EXPECT_EQ(at2(matrix, s, t), lag >= 1 && lag <= 3 ? 4 + static_cast<double>(lag) : 0);
    }
  }
  EXPECT_LT(gradient_error([](const auto& in) { return lag_matrix(in[0], 1, 5); }, {made_up({2, 3})}), 1e-9);
  EXPECT_THROW(lag_matrix(at::ones({3}, at::kDouble), 4, 6), UsageError);
  EXPECT_THROW(lag_matrix(at::ones({3}, at::kDouble), -1, 6), UsageError);
}

TEST(Correlation, VariancesAreWeightedAsTheNumeratorIs) {
  const at::Tensor x = made_up({3, 20}), y = made_up({2, 20}, 2), w = positive({20});
  const at::Tensor both = covariance(at::cat({x, y}), weighted(w));
  const at::Tensor r = cross_correlation(x, y, weighted(w));
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 2; ++j) {
      EXPECT_NEAR(at2(r, i, j), at2(both, i, 3 + j) / std::sqrt(at2(both, i, i) * at2(both, 3 + j, 3 + j)), 1e-14);
    }
  }
  EXPECT_LT(largest_difference(cross_correlation(x, x, weighted(w)), correlation(x, weighted(w))), 1e-14);
}

TEST(Correlation, DiagonalIsOneForAnyVarianceAndConstantChannelsHaveFiniteGradients) {
  at::Tensor x = made_up({4, 12});
  x[1] *= 1e-9;
  x[2].fill_(0.1);  // its computed variance is not zero, but rounding
  x[3].fill_(0);
  x.set_requires_grad(true);
  const at::Tensor r = correlation(x);
  for (std::int64_t i = 0; i < 4; ++i) EXPECT_EQ(at2(r, i, i), 1);
  EXPECT_NEAR(at2(r, 0, 1),
              at2(correlation(x.detach().slice(0, 0, 2) * at::tensor({1., 1e9}, at::kDouble).unsqueeze(-1)), 0, 1),
              1e-12);
  for (std::int64_t i : {2, 3}) EXPECT_EQ(at2(r, 0, i), 0);
  const at::Tensor gradient = torch::autograd::grad({(r * made_up({4, 4}, 7)).sum()}, {x})[0];
  EXPECT_TRUE(gradient.isfinite().all().item<bool>());
  EXPECT_EQ(gradient.slice(0, 2, 4).abs().max().item<double>(), 0);
  EXPECT_GT(gradient[0].abs().max().item<double>(), 0);
}

TEST(Covariance, PairwiseOverCommonFrames) {
  at::Tensor x = made_up({3, 15}) + 100;
  const at::Tensor mask = made_up({3, 15}, 5) > -0.5;
  const at::Tensor result = pairwise_covariance(x.masked_fill(mask.logical_not(), kNaN), mask);
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 3; ++j) {
      const at::Tensor common = mask[i].logical_and(mask[j]).nonzero().squeeze(-1);
      const at::Tensor pair = at::stack({x[i].index_select(0, common), x[j].index_select(0, common)});
      EXPECT_NEAR(at2(result, i, j), at2(covariance(pair), 0, 1), 1e-12);
    }
  }
  EXPECT_LT(largest_difference(pairwise_covariance(x, at::ones({15}, at::kBool)), covariance(x)), 1e-12);
  EXPECT_LT(gradient_error([&](const auto& in) { return pairwise_covariance(in[0], mask); }, {made_up({3, 15})}), 1e-8);
  EXPECT_THROW(pairwise_covariance(x, at::zeros({15}, at::kBool)), DataError);
}

// As many runs as channels: a mask (B, T) would also be one of (C, T).
TEST(Covariance, MasksSayWhatTheyAreOf) {
  const at::Tensor x = made_up({3, 3, 15}), mask = made_up({3, 15}, 5) > -0.5;
  const at::Tensor runs = pairwise_covariance(x, mask.unsqueeze(1)), channels = pairwise_covariance(x, mask);
  for (std::int64_t b = 0; b < 3; ++b) {
    EXPECT_LT(largest_difference(runs[b], covariance(x[b], weighted(mask[b].to(at::kDouble)))), 1e-12);
    EXPECT_LT(largest_difference(channels[b], pairwise_covariance(x[b], mask)), 1e-14);
  }
  EXPECT_GT(largest_difference(runs, channels), 0.01);
  EXPECT_THROW(pairwise_covariance(made_up({2, 3, 15}), mask.slice(0, 0, 2)), ShapeError);
  EXPECT_THROW(pairwise_covariance(x, at::ones({3, 3, 14}, at::kBool)), ShapeError);
}

TEST(Covariance, SinglePrecisionFollowsDouble) {
  const at::Tensor x = made_up({4, 40}), y = made_up({3, 40}, 2), w = positive({40}), m = positive({40, 40});
  const auto check = [&](const char* what, const TensorFunction& f, const std::vector<at::Tensor>& in) {
    std::vector<at::Tensor> single;
    for (const at::Tensor& one : in) single.push_back(one.to(at::kFloat));
    const at::Tensor found = f(single);
    EXPECT_EQ(found.scalar_type(), at::kFloat) << what;
    EXPECT_LT(largest_difference(found, f(in)), 1e-6) << what;
  };
  check("correlation", [](const auto& in) { return correlation(in[0], weighted(in[1])); }, {x, w});
  check("matrix", [](const auto& in) { return covariance(in[0], with_matrix(in[1])); }, {x, m});
  check("cross", [](const auto& in) { return cross_correlation(in[0], in[1]); }, {x, y});
  check("conditional", [](const auto& in) { return conditional_covariance(in[0], in[1]); }, {x, y});
  check("conditional correlation", [](const auto& in) { return conditional_correlation(in[0], in[1]); }, {x, y});
  check("pairwise", [&](const auto& in) { return pairwise_covariance(in[0], x > -0.5); }, {x});
  check("stream",
        [](const auto& in) {
          StreamingCovariance stream;
          stream.add(in[0].slice(-1, 0, 13));
          stream.add(in[0].slice(-1, 13));
          return stream.covariance();
        },
        {x});
}

TEST(Covariance, ConditionalIsThatOfLeastSquaresResiduals) {
  const at::Tensor x = made_up({4, 25}) + 2,
                   y = made_up({3, 25}, 2) * at::tensor({1., 1e-3, 1e4}, at::kDouble).unsqueeze(-1);
  const at::Tensor design = at::cat({at::ones({1, 25}, at::kDouble), y}).mT();
  const at::Tensor fit = design.matmul(std::get<0>(at::linalg_lstsq(design, x.mT()))).mT();
  const at::Tensor rest = x - fit;
  const at::Tensor expected = rest.matmul(rest.mT()) / (25. - 1 - 3);
  EXPECT_LT(largest_difference(conditional_covariance(x, y), expected), 1e-12);
  // A repeated and a constant confound change neither the fit nor the degrees of freedom.
  const at::Tensor repeated = at::cat({y, y[0].unsqueeze(0) * 2, at::full({1, 25}, 0.3, at::kDouble)});
  EXPECT_LT(largest_difference(conditional_covariance(x, repeated), expected), 1e-11);
  // The inverse of the precision's block, up to the divisor.
  const at::Tensor precision = covariance(at::cat({x, y})).inverse();
  const at::Tensor schur = precision.slice(0, 0, 4).slice(1, 0, 4).inverse() * (24. / 21);
  EXPECT_LT(largest_difference(conditional_covariance(x, y), schur), 1e-7);
  const at::Tensor w = at::cat({at::ones({20}, at::kDouble), at::zeros({5}, at::kDouble)});
  EXPECT_LT(largest_difference(conditional_covariance(x, y, weighted(w)),
                               conditional_covariance(x.slice(1, 0, 20), y.slice(1, 0, 20))),
            1e-12);
  const at::Tensor explained = at::cat({x, (y[0] * 3 + 1).unsqueeze(0)});
  const at::Tensor r = conditional_correlation(explained, y);
  EXPECT_EQ(at2(r, 0, 4), 0);
  EXPECT_EQ(at2(r, 4, 4), 1);
}

TEST(Covariance, StreamOfBlocksIsTheWhole) {
  const at::Tensor x = made_up({2, 3, 40}) + 1000, w = positive({2, 40});
  StreamingCovariance one, left, right, plain;
  for (std::int64_t first = 0; first < 40; first += 7) {
    const std::int64_t end = std::min<std::int64_t>(first + 7, 40);
    const at::Tensor block = x.slice(-1, first, end), weights = w.slice(-1, first, end);
    one.add(block, weights);
    (first < 20 ? left : right).add(block, weights);
    plain.add(block);
  }
  plain.add(x, at::zeros({2, 40}, at::kDouble));  // nothing
  EXPECT_LT(largest_difference(one.covariance(), covariance(x, weighted(w))), 1e-12);
  left.merge(right);
  EXPECT_LT(largest_difference(left.covariance(0.5),
                               [&] {
                                 CovarianceOptions options = weighted(w);
                                 options.ddof = 0.5;
                                 return covariance(x, options);
                               }()),
            1e-12);
  EXPECT_LT(largest_difference(plain.covariance(), covariance(x)), 1e-12);
  EXPECT_LT(largest_difference(plain.mean(), x.mean(-1)), 1e-11);
  const auto streamed = [](const std::vector<at::Tensor>& in) {
    StreamingCovariance stream;
    stream.add(in[0].slice(-1, 0, 4), in[1].slice(-1, 0, 4));
    stream.add(in[0].slice(-1, 4, 9), in[1].slice(-1, 4, 9));
    return stream.covariance();
  };
  EXPECT_LT(gradient_error(streamed, {made_up({3, 9}), positive({9})}), 1e-8);
  EXPECT_THROW(one.add(made_up({2, 4, 5})), ShapeError);
  EXPECT_THROW(StreamingCovariance().covariance(), DataError);
}

TEST(Covariance, Gradients) {
  const at::Tensor x = made_up({2, 3, 8}), y = made_up({2, 2, 8}, 2), w = positive({8}), m = positive({8, 8});
  const auto check = [&](const char* what, const TensorFunction& f, const std::vector<at::Tensor>& in) {
    EXPECT_LT(gradient_error(f, in), 1e-7) << what;
  };
  check("covariance", [](const auto& in) { return covariance(in[0], weighted(in[1])); }, {x, w});
  check("matrix", [](const auto& in) { return covariance(in[0], with_matrix(in[1])); }, {x, m});
  check("correlation", [](const auto& in) { return correlation(in[0], weighted(in[1])); }, {x, w});
  check("cross", [](const auto& in) { return cross_correlation(in[0], in[1], weighted(in[2])); }, {x, y, w});
  check("conditional", [](const auto& in) { return conditional_covariance(in[0], in[1], weighted(in[2])); }, {x, y, w});
  check("conditional correlation", [](const auto& in) { return conditional_correlation(in[0], in[1]); }, {x, y});
  check("normalised", [](const auto& in) { return correlation_from_covariance(in[0]); }, {made_up_spd(2, 4)});
  // Confounds of one direction: the rank does not change along the first.
  const at::Tensor twice = at::cat({y, y.slice(1, 0, 1)}, 1);
  check("rank-deficient", [&](const auto& in) { return conditional_covariance(in[0], twice); }, {x});
}

TEST(Covariance, SaysWhatIsWrong) {
  const at::Tensor x = made_up({3, 8});
  const auto message = [](const std::function<void()>& call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message([&] { covariance(x[0]); }), HasSubstr("found shape (8), expected (…, C, T)"));
  EXPECT_THAT(message([&] { covariance(x, weighted(positive({7}))); }), HasSubstr("found shape (7), expected 8"));
  EXPECT_THAT(message([&] { covariance(x, weighted(at::zeros({8}, at::kDouble))); }), HasSubstr("degrees of freedom"));
  EXPECT_THAT(message([&] { covariance(made_up({3, 1})); }), HasSubstr("found 0 degrees of freedom"));
  EXPECT_THAT(message([&] { conditional_covariance(x, made_up({7, 8}, 2)); }), HasSubstr("found 0 degrees"));
  EXPECT_THAT(message([&] { cross_covariance(x, made_up({2, 9})); }), HasSubstr("expected 8 in dimension -1"));
  EXPECT_THAT(message([&] { covariance(x, weighted(made_up({8}))); }), HasSubstr("expected them ≥ 0"));
  EXPECT_THROW(pairwise_covariance(x, at::ones({3, 8}, at::kDouble)), ShapeError);
  CovarianceOptions both = weighted(positive({8}));
  both.frame_matrix = positive({8, 8});
  EXPECT_THROW(covariance(x, both), UsageError);
  CovarianceOptions ridge;
  ridge.ridge = 0.5;
  // A ridge is on the diagonal of a covariance, and refused elsewhere instead of ignored.
  EXPECT_LT(largest_difference(covariance(x, ridge), covariance(x) + 0.5 * at::eye(3, at::kDouble)), 1e-15);
  EXPECT_THROW(cross_covariance(x, x, ridge), UsageError);
  EXPECT_THROW(conditional_covariance(x, made_up({2, 8}), ridge), UsageError);
  EXPECT_THROW(correlation_from_covariance(-at::eye(3, at::kDouble)), NumericalError);
}

}  // namespace
}  // namespace noema
