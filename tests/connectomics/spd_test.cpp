// Functions, means and tangent spaces of SPD matrices: closed forms, conditions of optimality, dangerous spectra.
#include "noema/connectomics/spd.h"

#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_eigvals.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/real.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "gradient_check.h"
#include "noema/connectomics/spd_means.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using testing::HasSubstr;

at::Tensor rotation(std::int64_t n, double seed = 4) { return std::get<0>(at::linalg_qr(made_up({n, n}, seed))); }

at::Tensor with_spectrum(const std::vector<double>& values, double seed = 4) {
  const at::Tensor q = rotation(static_cast<std::int64_t>(values.size()), seed);
  return (q * at::tensor(values, at::kDouble)).matmul(q.mT());
}

/// log by the inverse scaling of Taylor's series: 2^k log(A^(1/2^k)), square roots by Denman and Beavers.
at::Tensor plain_log(at::Tensor a) {
  const at::Tensor identity = at::eye(a.size(-1), at::kDouble);
  double factor = 1;
  while ((a - identity).norm().item<double>() > 0.05) {
    at::Tensor y = a, z = identity;
    for (int i = 0; i < 30; ++i) {
      const at::Tensor next = (y + z.inverse()) / 2;
      z = (z + y.inverse()) / 2;
      y = next;
    }
    a = y;
    factor *= 2;
  }
  // log A = 2 atanh((A − I)(A + I)⁻¹)
  const at::Tensor x = (a - identity).matmul((a + identity).inverse()), square = x.matmul(x);
  at::Tensor term = x, sum = x;
  for (int k = 3; k < 40; k += 2) {
    term = term.matmul(square);
    sum = sum + term / k;
  }
  return 2 * factor * sum;
}

const std::vector<std::vector<double>> kSpectra = {
    {0.3, 1.1, 2.5, 4.0}, {2, 2, 2, 2}, {1, 1, 3, 3}, {1, 1 + 1e-9, 1 + 1e-5, 2}, {1e-3, 1, 1, 50}};

TEST(Spd, FunctionsInvertEachOtherAndEqualPlainSeries) {
  const at::Tensor a = made_up_spd(3, 6);
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_LT(largest_difference(spd_log(a[i]), plain_log(a[i])), 1e-11);
  EXPECT_LT(largest_difference(spd_exp(spd_log(a)), a), 1e-13);
  EXPECT_LT(largest_difference(spd_exp(a), a.matrix_exp()), 1e-12);
  const at::Tensor root = spd_sqrt(a);
  EXPECT_LT(largest_difference(root.matmul(root), a), 1e-13);
  EXPECT_LT(largest_difference(spd_inverse_sqrt(a).matmul(root), at::eye(6, at::kDouble).expand({3, 6, 6})), 1e-12);
  EXPECT_LT(largest_difference(spd_power(a, -1), a.inverse()), 1e-11);
  EXPECT_LT(largest_difference(spd_power(a, 3), a.matmul(a).matmul(a)), 1e-12);
  EXPECT_LT(largest_difference(spd_log(a.to(at::kFloat)), spd_log(a)), 1e-5);
}

TEST(Spd, GradientsAtOrdinaryAndRepeatedEigenvalues) {
  for (const std::vector<double>& spectrum : kSpectra) {
    const at::Tensor a = with_spectrum(spectrum);
    const double step = 2e-5 * spectrum.front(), tolerance = 1e-6;
    EXPECT_LT(gradient_error([](const auto& in) { return spd_log(in[0]); }, {a}, step), tolerance);
    EXPECT_LT(gradient_error([](const auto& in) { return spd_sqrt(in[0]); }, {a}, step), tolerance);
    EXPECT_LT(gradient_error([](const auto& in) { return spd_inverse_sqrt(in[0]); }, {a}, step), tolerance);
    EXPECT_LT(gradient_error([](const auto& in) { return spd_power(in[0], 2.5); }, {a}, step), tolerance);
    EXPECT_LT(gradient_error([](const auto& in) { return spd_exp(in[0]); }, {a / 10}), 1e-8);
  }
  EXPECT_LT(gradient_error([](const auto& in) { return spd_log(in[0]); }, {made_up_spd(2, 4)}), 1e-6);
}

// Where exp and its gradient are finite numbers, no intermediate overflows: (e⁰ − e^(−s))/s.
TEST(Spd, GradientOfTheExponentialFarApart) {
  for (const auto& [type, spread] : {std::pair{at::kFloat, 180.0}, std::pair{at::kDouble, 1500.0}}) {
    at::Tensor a = at::tensor({-spread, 0.0}, at::kDouble).to(type).diag().set_requires_grad(true);
    const at::Tensor g = torch::autograd::grad({spd_exp(a)[0][1]}, {a})[0];
    EXPECT_TRUE(g.isfinite().all().item<bool>());
    EXPECT_NEAR(g[0][1].item<double>() * 2 * spread, 1, 1e-6);
  }
}

// The divided differences keep their digits however close two eigenvalues are.
TEST(Spd, DerivativeOfTheLogarithmAtNearlyEqualEigenvalues) {
  for (const double gap : {1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 0.0}) {
    at::Tensor a = at::tensor({1., 1. + gap}, at::kDouble).diag().set_requires_grad(true);
    const at::Tensor g = torch::autograd::grad({spd_log(a)[0][1]}, {a})[0];
    EXPECT_NEAR(g[0][1].item<double>() * 2, gap > 0 ? std::log1p(gap) / gap : 1, 1e-13) << gap;
  }
}

TEST(Spd, EighOfInvariantFunctionsAtRepeatedEigenvalues) {
  const auto through_eigh = [](const std::vector<at::Tensor>& in) {
    const Eigensystem system = safe_eigh(in[0]);
    return (system.vectors * system.values.log().unsqueeze(-2)).matmul(system.vectors.mT());
  };
  const at::Tensor apart = with_spectrum({0.3, 1.1, 2.5, 4.0});
  EXPECT_LT(gradient_error(through_eigh, {apart}), 1e-7);
  EXPECT_LT(gradient_error([](const auto& in) { return safe_eigh(in[0]).values; }, {apart}), 1e-8);
  // Only the sum of a repeated pair is a function of the matrix.
  const auto sums = [](const std::vector<at::Tensor>& in) { return safe_eigh(in[0]).values.square().sum(-1); };
  EXPECT_LT(gradient_error(sums, {with_spectrum({1, 1, 3, 3})}), 1e-7);
  for (const std::vector<double>& spectrum : kSpectra) {
    at::Tensor a = with_spectrum(spectrum).set_requires_grad(true);
    const Eigensystem system = safe_eigh(a);
    const at::Tensor g = torch::autograd::grad({(system.vectors * made_up({4, 4})).sum()}, {a})[0];
    EXPECT_TRUE(g.isfinite().all().item<bool>());
  }
  at::Tensor identity = at::eye(3, at::kDouble).set_requires_grad(true);
  const at::Tensor g = torch::autograd::grad({through_eigh({identity}).sum()}, {identity})[0];
  EXPECT_LT(largest_difference(g.diagonal(), at::ones({3}, at::kDouble)), 1e-14);
}

TEST(Spd, SaysWhatIsWrong) {
  try {
    spd_log(at::stack({with_spectrum({1, 2, 3}), with_spectrum({-0.5, 1, 2})}));
    FAIL();
  } catch (const NumericalError& error) {
    EXPECT_THAT(error.what(), HasSubstr("found 1 of 2 not positive definite (smallest eigenvalue -0.5)"));
  }
  EXPECT_THROW(spd_sqrt(with_spectrum({0, 1, 2})), NumericalError);
  EXPECT_NO_THROW(spd_log(recondition(with_spectrum({0, 1, 2}), 1e-3)));
  EXPECT_THROW(recondition(made_up_spd(1, 3), 1.5), UsageError);
  EXPECT_THROW(spd_log(made_up({3, 4})), ShapeError);
  EXPECT_THROW(spd_exp(at::full({2, 2}, std::numeric_limits<double>::quiet_NaN(), at::kDouble)), NumericalError);
  const at::Tensor a = made_up_spd(1, 3).set_requires_grad(true);
  EXPECT_THROW(torch::autograd::grad({safe_eigh(a).values.sum()}, {a}, {}, std::nullopt, /*create_graph=*/true),
               NumericalError);
}

constexpr SpdMean kMeans[] = {SpdMean::euclidean, SpdMean::log_euclidean, SpdMean::harmonic, SpdMean::karcher,
                              SpdMean::bures};

TEST(SpdMean, CommutingMatricesHaveClosedForms) {
  const at::Tensor q = rotation(4), values = made_up({5, 4}).abs() + 0.1;
  const at::Tensor w = at::tensor({1., 2., 3., 0.5, 1.}, at::kDouble), share = (w / w.sum()).unsqueeze(-1);
  const at::Tensor matrices = (q * values.unsqueeze(-2)).matmul(q.mT());
  const at::Tensor geometric = (share * values.log()).sum(0).exp();
  const at::Tensor expected[] = {(share * values).sum(0), geometric, (share / values).sum(0).reciprocal(), geometric,
                                 (share * values.sqrt()).sum(0).square()};
  for (std::size_t k = 0; k < 5; ++k) {
    SpdMeanOptions options;
    options.weights = w;
    const at::Tensor mean = spd_mean(matrices, kMeans[k], options);
    EXPECT_LT(largest_difference(mean, (q * expected[k]).matmul(q.mT())), 1e-11) << k;
  }
}

at::Tensor karcher_residual(const at::Tensor& matrices, const at::Tensor& mean) {
  return to_tangent(matrices, mean).mean(-3).square().sum({-2, -1}).sqrt();
}

TEST(SpdMean, KarcherSolvesItsEquationAndMovesWithTheMatrices) {
  const at::Tensor a = made_up_spd(8, 5), mean = spd_mean(a, SpdMean::karcher);
  EXPECT_LT(karcher_residual(a, mean).item<double>(), 1e-11);
  const at::Tensor m = made_up({5, 5}, 9) + 2 * at::eye(5, at::kDouble);
  EXPECT_LT(largest_difference(spd_mean(m.matmul(a).matmul(m.mT()), SpdMean::karcher), m.matmul(mean).matmul(m.mT())),
            1e-9);
  EXPECT_LT(largest_difference(spd_mean(a.inverse(), SpdMean::karcher), mean.inverse()), 1e-9);
  // Two matrices: A # B = A^(1/2) (A^(−1/2) B A^(−1/2))^(1/2) A^(1/2).
  const at::Tensor s = spd_sqrt(a[0]), i = spd_inverse_sqrt(a[0]);
  const at::Tensor middle = s.matmul(spd_sqrt(i.matmul(a[1]).matmul(i))).matmul(s);
  EXPECT_LT(largest_difference(spd_mean(a.slice(0, 0, 2), SpdMean::karcher), middle), 1e-12);
  EXPECT_LT(largest_difference(spd_mean(a.reshape({2, 4, 5, 5}), SpdMean::karcher)[1],
                               spd_mean(a.slice(0, 4, 8), SpdMean::karcher)),
            1e-14);
}

// 50 covariances of 10 channels in 12 and in 11 frames: ten unit steps without a test of convergence are not enough.
TEST(SpdMean, KarcherConvergesForIllConditionedMatrices) {
  for (const auto& [frames, left, tolerance] : {std::tuple{12, 1e-4, 1e-10}, std::tuple{11, 1e-2, 1e-8}}) {
    const at::Tensor x = made_up({50, 10, frames});
    const at::Tensor centred = x - x.mean(-1, true), a = centred.matmul(centred.mT()) / (frames - 1);
    at::Tensor stepped = a.mean(0);
    for (int i = 0; i < 10; ++i) stepped = from_tangent(to_tangent(a, stepped).mean(0), stepped);
    EXPECT_GT(karcher_residual(a, stepped).item<double>(), left);
    EXPECT_LT(karcher_residual(a, spd_mean(a, SpdMean::karcher)).item<double>(), tolerance);
  }
}

// The same matrices: the other means keep the equations that define them.
TEST(SpdMean, OtherMeansOfIllConditionedMatrices) {
  for (const std::int64_t frames : {12, 11}) {
    const at::Tensor x = made_up({50, 10, frames});
    const at::Tensor centred = x - x.mean(-1, true), a = centred.matmul(centred.mT()) / static_cast<double>(frames - 1);
    const at::Tensor bures = spd_mean(a, SpdMean::bures), root = spd_sqrt(bures);
    EXPECT_LT(largest_difference(spd_sqrt(root.matmul(a).matmul(root)).mean(0), bures), 1e-11);
    EXPECT_LT(largest_difference(spd_log(spd_mean(a, SpdMean::log_euclidean)), spd_log(a).mean(0)), 1e-11);
    const at::Tensor harmonic = spd_mean(a, SpdMean::harmonic), inverse = a.inverse().mean(0);
    EXPECT_LT(largest_difference(harmonic.matmul(inverse), at::eye(10, at::kDouble)), frames == 12 ? 1e-10 : 1e-5);
    EXPECT_GT(at::linalg_eigvalsh(bures).min().item<double>(), 5e-3);
  }
}

// Thirty unit steps find the mean of well-conditioned matrices alone; of others the rule is an error, not a mean.
TEST(SpdMean, PublishedStepsEndOrSayThatTheyDoNot) {
  SpdMeanOptions published;
  published.published = true;
  const at::Tensor well = made_up_spd(8, 5);
  EXPECT_LT(largest_difference(spd_mean(well, SpdMean::karcher, published), spd_mean(well, SpdMean::karcher)), 1e-5);
  const at::Tensor x = made_up({50, 10, 11}), centred = x - x.mean(-1, true);
  try {
    spd_mean(centred.matmul(centred.mT()) / 10, SpdMean::karcher, published);
    FAIL();
  } catch (const NumericalError& error) {
    EXPECT_THAT(error.what(), HasSubstr("after 30 iterations"));
  }
}

// The residuals go 3.99, 1.68, 1.71, 1.70, …: the step is halved twice, for each is compared with the smallest so far,
// not with the last. nilearn 0.14's numbers (_geometric_mean, max_iter=30); by the last residual 1.9e-7 away.
TEST(SpdMean, PublishedStepsAreHalvedByTheSmallestResidual) {
  const auto turned = [](double first, double second, double angle) {
    const double c = std::cos(angle), s = std::sin(angle);
    const at::Tensor q = at::tensor({c, -s, s, c}, at::kDouble).view({2, 2});
    return (q * at::tensor({std::exp(first), std::exp(second)}, at::kDouble)).matmul(q.mT());
  };
  SpdMeanOptions published;
  published.published = true;
  const at::Tensor matrices = at::stack({turned(3.5, -3.5, 0), turned(4, -4, 0.4), turned(4, 0, 2)});
  const at::Tensor expected =
      at::tensor({5.335746586744265, 0.9246400790819874, 0.9246400790819874, 0.8712233789506747}, at::kDouble);
  EXPECT_LT(largest_difference(spd_mean(matrices, SpdMean::karcher, published), expected.view({2, 2})), 1e-10);
}

TEST(SpdMean, SinglePrecisionFollowsDouble) {
  const at::Tensor a = made_up_spd(6, 5);
  for (const SpdMean kind : kMeans) {
    EXPECT_LT(largest_difference(spd_mean(a.to(at::kFloat), kind), spd_mean(a, kind)), 1e-5) << static_cast<int>(kind);
  }
}

TEST(SpdMean, BuresSolvesItsEquation) {
  const at::Tensor a = made_up_spd(6, 4), mean = spd_mean(a, SpdMean::bures), root = spd_sqrt(mean);
  EXPECT_LT(largest_difference(spd_sqrt(root.matmul(a).matmul(root)).mean(0), mean), 1e-11);
}

TEST(SpdMean, GradientsAreThoseOfTheDefiningEquation) {
  const at::Tensor ordinary = made_up_spd(3, 4), w = at::tensor({0.5, 1., 2.}, at::kDouble);
  const at::Tensor repeated =
      at::stack({with_spectrum({1, 1, 2}), with_spectrum({2, 2, 2}), with_spectrum({1, 3, 3}, 5)});
  for (const SpdMean kind : kMeans) {
    const auto mean = [&](const std::vector<at::Tensor>& in) {
      SpdMeanOptions options;
      options.weights = in[1];
      return spd_mean(in[0], kind, options);
    };
    EXPECT_LT(gradient_error(mean, {ordinary, w}), 1e-6) << static_cast<int>(kind);
    EXPECT_LT(gradient_error(mean, {repeated, w}), 1e-6) << static_cast<int>(kind);
  }
}

TEST(SpdMean, SaysWhatIsWrong) {
  EXPECT_THROW(spd_mean(made_up_spd(1, 3)[0], SpdMean::euclidean), ShapeError);
  EXPECT_THROW(spd_mean(made_up({2, 3, 4}), SpdMean::karcher), ShapeError);
  SpdMeanOptions options;
  options.weights = at::tensor({1., -1.}, at::kDouble);
  EXPECT_THROW(spd_mean(made_up_spd(2, 3), SpdMean::karcher, options), UsageError);
  const at::Tensor singular = at::stack({with_spectrum({0, 1, 2}), with_spectrum({1, 1, 2})});
  EXPECT_THROW(spd_mean(singular, SpdMean::karcher), NumericalError);
  SpdMeanOptions hurried;
  hurried.max_iterations = 1;
  try {
    spd_mean(made_up_spd(4, 5), SpdMean::karcher, hurried);
    FAIL();
  } catch (const NumericalError& error) {
    EXPECT_THAT(error.what(), HasSubstr("after 1 iterations"));
  }
  EXPECT_THROW(spd_mean(made_up_spd(4, 5), SpdMean::bures, hurried), NumericalError);
}

TEST(Tangent, RoundTripsAndGradients) {
  const at::Tensor a = made_up_spd(3, 4), reference = made_up_spd(1, 4, 6)[0];
  const at::Tensor v = to_tangent(a, reference);
  EXPECT_LT(largest_difference(from_tangent(v, reference), a), 1e-12);
  EXPECT_LT(to_tangent(reference, reference).abs().max().item<double>(), 1e-13);
  // The norm is the distance: Σ log² of the eigenvalues of R⁻¹ A.
  const at::Tensor eigenvalues = at::real(at::linalg_eigvals(reference.inverse().matmul(a[0])));
  EXPECT_NEAR(v[0].square().sum().item<double>(), eigenvalues.log().square().sum().item<double>(), 1e-10);
  EXPECT_LT(gradient_error([](const auto& in) { return to_tangent(in[0], in[1]); }, {a, reference}), 1e-6);
  EXPECT_LT(gradient_error([](const auto& in) { return from_tangent(in[0], in[1]); }, {v, reference}), 1e-6);
  // At the reference itself all whitened eigenvalues are 1.
  EXPECT_LT(gradient_error([](const auto& in) { return to_tangent(in[0], in[1]); }, {reference, reference}), 1e-6);
  EXPECT_THROW(to_tangent(a, made_up_spd(1, 3)[0]), ShapeError);
}

TEST(Tangent, SpaceIsTheMeanAndTheTangentsThere) {
  const at::Tensor a = made_up_spd(9, 12);
  for (const SpdMean kind : kMeans) {
    SpdMeanOptions options;
    options.weights = made_up({9}, 3).abs() + 0.1;
    const TangentSpace space = tangent_space(a, kind, options);
    EXPECT_LT(largest_difference(space.mean, spd_mean(a, kind, options)), 1e-10) << static_cast<int>(kind);
    EXPECT_LT(largest_difference(space.tangents, to_tangent(a, space.mean)), 1e-10) << static_cast<int>(kind);
  }
  // A tolerance at which the last step is seen in the tangents, which follow it.
  SpdMeanOptions loose;
  loose.tolerance = 1e-7;
  const TangentSpace space = tangent_space(a, SpdMean::karcher, loose);
  EXPECT_LT(karcher_residual(a, space.mean).item<double>(), 1e-7 * std::sqrt(12.0));
  EXPECT_LT(largest_difference(space.tangents, to_tangent(a, space.mean)), 1e-7);
  EXPECT_LT(gradient_error([](const auto& in) { return tangent_space(in[0], SpdMean::karcher).tangents; },
                           {made_up_spd(3, 4)}),
            1e-6);
  EXPECT_THROW(tangent_space(a.unsqueeze(0), SpdMean::karcher), ShapeError);
}

}  // namespace
}  // namespace noema
