// Starting values and surrogates of given statistics.
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gradient_check.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/null_models.h"
#include "noema/core/error.h"

namespace noema {
namespace {

TEST(Starts, Impulse) {
  const at::Tensor one = impulse({2, 3, 4}, {1, 0, 2}, at::kDouble, 5);
  EXPECT_EQ(one[1][0][2].item<double>(), 5);
  EXPECT_EQ(one.abs().sum().item<double>(), 5);
  EXPECT_THROW(impulse({2, 3}, {1, 3}, at::kDouble), UsageError);
  EXPECT_THROW(impulse({2, 3}, {1}, at::kDouble), UsageError);
}

// scipy.linalg.toeplitz([1, 2, 3], [9, 5, 6, 7]) and the same continued with zeros.
TEST(Starts, Toeplitz) {
  const at::Tensor c = at::tensor({1., 2., 3.}, at::kDouble), r = at::tensor({9., 5., 6., 7.}, at::kDouble);
  const at::Tensor expected = at::tensor({1., 5., 6., 7., 2., 1., 5., 6., 3., 2., 1., 5.}, at::kDouble).reshape({3, 4});
  EXPECT_TRUE(toeplitz(c, r, 3, 4).equal(expected));
  const at::Tensor larger = toeplitz(c, r, 5, 6, -1);
  EXPECT_TRUE(larger.slice(0, 0, 3).slice(1, 0, 4).equal(expected));
  EXPECT_TRUE(larger[4].equal(at::tensor({-1., -1., 3., 2., 1., 5.}, at::kDouble)));
  EXPECT_TRUE(larger[0].equal(at::tensor({1., 5., 6., 7., -1., -1.}, at::kDouble)));
  EXPECT_TRUE(toeplitz(c, r, 2, 2).equal(expected.slice(0, 0, 2).slice(1, 0, 2)));
  EXPECT_LT(gradient_error([](const auto& in) { return toeplitz(in[0], in[1], 4, 5); },
                           {made_up({2, 3}), made_up({2, 4}, 2)}),
            1e-9);
  EXPECT_THROW(toeplitz(c, at::zeros({0}, at::kDouble), 3, 3), ShapeError);
  EXPECT_THROW(toeplitz(c, r, 0, 3), UsageError);
}

TEST(Starts, SurrogatesOfGivenSpectrumAndCovariance) {
  const at::Tensor covariance = made_up_spd(1, 3)[0] + 0.2;
  for (const std::int64_t frames : {400, 401}) {
    const at::Tensor place = at::arange(frames / 2 + 1, at::kDouble);
    const at::Tensor amplitudes = 100 / (10 + place) + 3 * (place > 40).logical_and(place < 60).to(at::kDouble);
    at::Tensor power = at::zeros({frames / 2 + 1}, at::kDouble), mean = at::zeros({3, frames}, at::kDouble);
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const at::Tensor x = matched_surrogate(amplitudes, covariance, frames, seed);
      ASSERT_LT(largest_difference(at::cov(x), covariance), 1e-12);
      ASSERT_LT(x.mean(1).abs().max().item<double>(), 1e-12);
      power += (at::fft_rfft(x).abs().square() / covariance.diagonal().unsqueeze(1)).mean(0) / 40;
      mean += x / 40;
    }
    // Over surrogates the power is that of the amplitudes, in units of the variance; all but the two ends.
    const at::Tensor shape = amplitudes.square().slice(0, 1, frames / 2), found = power.slice(0, 1, frames / 2);
    const at::Tensor ratio = found / found.sum() / (shape / shape.sum());
    EXPECT_LT((ratio - 1).abs().max().item<double>(), 0.5);
    EXPECT_LT((ratio - 1).abs().mean().item<double>(), 0.12);
    EXPECT_LT(mean.std().item<double>(), 0.4 * covariance.diagonal().max().sqrt().item<double>());
  }
  EXPECT_FALSE(matched_surrogate(made_up({11}).abs(), covariance, 20, 1)
                   .equal(matched_surrogate(made_up({11}).abs(), covariance, 20, 2)));
  EXPECT_THROW(matched_surrogate(made_up({11}).abs(), covariance, 30, 1), ShapeError);
  EXPECT_THROW(matched_surrogate(made_up({2}).abs(), covariance, 3, 1), UsageError);
  EXPECT_THROW(matched_surrogate(-made_up({11}).abs(), covariance, 20, 1), UsageError);
  EXPECT_THROW(matched_surrogate(impulse({11}, {4}, at::kDouble), covariance, 20, 1), NumericalError);
  EXPECT_THROW(matched_surrogate(made_up({11}).abs(), -covariance, 20, 1), NumericalError);
}

}  // namespace
}  // namespace noema
