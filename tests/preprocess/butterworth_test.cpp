#include "noema/preprocess/butterworth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <numbers>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/random.h"

namespace noema {
namespace {

using testing::HasSubstr;

/// |H| at a frequency, from the sections.
double magnitude(const Butterworth& filter, double hz, double tr_s) {
  const std::complex<double> z = std::polar(1.0, 2 * std::numbers::pi * hz * tr_s);
  std::complex<double> product = 1;
  for (const Biquad& s : filter.sections()) {
    product *= (s.b0 * z * z + s.b1 * z + s.b2) / (z * z + s.a1 * z + s.a2);
  }
  return std::abs(product);
}

/// |H| of the analogue prototype at the warped frequency: 1/√(1 + w¹⁰).
double expected_magnitude(const PassBand& band, double hz, double tr_s) {
  const auto warp = [&](double f) { return std::tan(std::numbers::pi * f * tr_s); };
  double w = 0;
  if (band.high_pass_hz && band.low_pass_hz) {
    const double low = warp(*band.high_pass_hz), high = warp(*band.low_pass_hz);
    w = (warp(hz) * warp(hz) - low * high) / (warp(hz) * (high - low));
  } else {
    w = band.low_pass_hz ? warp(hz) / warp(*band.low_pass_hz) : warp(*band.high_pass_hz) / warp(hz);
  }
  return 1 / std::sqrt(1 + std::pow(w, 10));
}

TEST(Butterworth, ResponseIsThatOfTheDefinition) {
  for (const double tr_s : {0.4, 2.0}) {
    for (const PassBand& band : {PassBand{0.01, {}}, PassBand{{}, 0.1}, PassBand{0.01, 0.1}, PassBand{0.009, 0.24}}) {
      const Butterworth filter(band, tr_s);
      EXPECT_EQ(filter.padding(), band.high_pass_hz && band.low_pass_hz ? 33 : 18);
      for (const double hz : {0.003, 0.01, 0.03, 0.09, 0.12, 0.2}) {
        const double expected = expected_magnitude(band, hz, tr_s);
        EXPECT_NEAR(magnitude(filter, hz, tr_s), expected, 1e-8 * expected + 1e-14) << hz << " Hz, TR " << tr_s;
      }
    }
  }
}

TEST(Butterworth, EqualsADirectComputation) {
  const Butterworth filter({0.02, 0.15}, 2);
  const Eigen::Index n = 40, pad = filter.padding();
  MatrixD series(n, 37);  // more than one panel of columns
  RandomStream random(1, "filter test");
  for (double& value : series.reshaped()) value = random.normal();
  MatrixD found = series;
  filter.filter(found);
  for (const Eigen::Index c : {0, 31, 36}) {
    std::vector<double> x;
    for (Eigen::Index k = pad; k > 0; --k) x.push_back(2 * series(0, c) - series(k, c));
    for (Eigen::Index t = 0; t < n; ++t) x.push_back(series(t, c));
    for (Eigen::Index k = 1; k <= pad; ++k) x.push_back(2 * series(n - 1, c) - series(n - 1 - k, c));
    for (int direction = 0; direction < 2; ++direction) {
      for (const Biquad& s : filter.sections()) {
        // The past is the first sample for ever, and the output then its steady value.
        const double gain = (s.b0 + s.b1 + s.b2) / (1 + s.a1 + s.a2);
        double x1 = x[0], x2 = x[0], y1 = gain * x[0], y2 = gain * x[0];
        for (double& value : x) {
          const double y = s.b0 * value + s.b1 * x1 + s.b2 * x2 - s.a1 * y1 - s.a2 * y2;
          x2 = x1, x1 = value, y2 = y1, y1 = y;
          value = y;
        }
      }
      std::reverse(x.begin(), x.end());
    }
    for (Eigen::Index t = 0; t < n; ++t) EXPECT_NEAR(found(t, c), x[static_cast<std::size_t>(t + pad)], 1e-12);
  }
}

TEST(Butterworth, NotANumberStaysInItsColumn) {
  MatrixD series = MatrixD::Random(50, 3);
  const MatrixD before = series;
  series(20, 1) = std::numeric_limits<double>::quiet_NaN();
  MatrixD alone = before;
  const Butterworth filter({0.01, 0.1}, 2);
  filter.filter(series);
  filter.filter(alone);
  EXPECT_EQ(series.col(0), alone.col(0));
  EXPECT_EQ(series.col(2), alone.col(2));
}

TEST(Butterworth, NeedsMoreVolumesThanItsPadding) {
  const Butterworth filter({0.01, 0.1}, 2);
  MatrixD enough = MatrixD::Random(34, 2);
  EXPECT_NO_THROW(filter.filter(enough));
  MatrixD short_one = MatrixD::Random(33, 2);
  try {
    filter.filter(short_one);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("33 volumes are too few"));
    EXPECT_THAT(error.what(), HasSubstr("at least 34"));
  }
}

TEST(Butterworth, RefusesImpossibleCutoffs) {
  EXPECT_THROW(Butterworth({}, 2), UsageError);
  EXPECT_THROW(Butterworth({0.25, {}}, 2), UsageError);
  EXPECT_THROW(Butterworth({0.1, 0.1}, 2), UsageError);
  EXPECT_THROW(Butterworth({-0.1, {}}, 2), UsageError);
  EXPECT_THROW(Butterworth({0.01, {}}, 0), UsageError);
}

TEST(Butterworth, LowPassAboveNyquistIsLoweredWithAWarning) {
  const WarningCollector warnings;
  MatrixD series = MatrixD::Random(60, 1);
  const MatrixD before = series;
  Butterworth({{}, 0.4}, 2).filter(series);
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_LT((series - before).cwiseAbs().maxCoeff(), 1e-2);
}

}  // namespace
}  // namespace noema
