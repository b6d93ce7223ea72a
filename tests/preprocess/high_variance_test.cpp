#include "noema/preprocess/high_variance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "noema/core/error.h"

namespace noema {
namespace {

/// Quiet columns, and two loud ones that are multiples of one wave.
MatrixD series() {
  MatrixD values(40, 100);
  for (Eigen::Index t = 0; t < 40; ++t) {
    for (Eigen::Index f = 0; f < 100; ++f) {
      values(t, f) = 50 + std::sin(static_cast<double>(t * (f + 1)));
    }
    const double wave = std::sin(0.5 * static_cast<double>(t));
    values(t, 30) = 20 * wave;
    values(t, 70) = -30 * wave;
  }
  return values;
}

TEST(HighVariance, FindsWhatTheLoudestSeriesShare) {
  const MatrixD found = high_variance_confounds(series(), {.percentile = 2, .detrend = true});
  ASSERT_EQ(found.cols(), 1);  // two columns, one direction
  EXPECT_NEAR(found.norm(), 1, 1e-12);
  Eigen::VectorXd wave = series().col(30);
  const Eigen::VectorXd time = Eigen::VectorXd::LinSpaced(40, -1, 1);
  wave.array() -= wave.mean();
  wave -= time * (time.dot(wave) / time.squaredNorm());
  EXPECT_NEAR(std::abs(found.col(0).dot(wave)) / wave.norm(), 1, 1e-12);
}

TEST(HighVariance, WithoutDetrendingTheMeanCounts) {
  const MatrixD found = high_variance_confounds(series(), {.confounds = 1, .detrend = false});
  EXPECT_GT(std::abs(found.col(0).sum()) / std::sqrt(40.0), 0.99);  // the constant, from columns around 50
}

TEST(HighVariance, OrderIsByFallingShareAndTheNumberIsBounded) {
  MatrixD values = series();
  for (Eigen::Index t = 0; t < 40; ++t) values(t, 70) = 60 * std::cos(0.9 * static_cast<double>(t));
  const MatrixD two = high_variance_confounds(values, {.percentile = 2});
  ASSERT_EQ(two.cols(), 2);
  EXPECT_LT(std::abs(two.col(0).dot(two.col(1))), 1e-12);
  EXPECT_GT(std::abs(two.col(1).dot(values.col(30))) / values.col(30).norm(), 0.95);
  const MatrixD one = high_variance_confounds(values, {.confounds = 1, .percentile = 2});
  ASSERT_EQ(one.col(0), two.col(0));
  EXPECT_EQ(one.cols(), 1);
  EXPECT_GT(std::abs(one.col(0).dot(values.col(70))) / values.col(70).norm(), 0.98);
}

TEST(HighVariance, LeavesOutWhatIsNotFiniteAndRefusesEqualSeries) {
  MatrixD values = series();
  MatrixD without(40, 99);
  without << values.leftCols(4), values.rightCols(95);
  values.col(4).setConstant(std::numeric_limits<double>::quiet_NaN());
  const MatrixD found = high_variance_confounds(values, {.percentile = 5});
  EXPECT_EQ(found, high_variance_confounds(without, {.percentile = 5}));
  EXPECT_EQ(found.cols(), 4);  // five columns, two of them in one direction
  EXPECT_THROW(high_variance_confounds(MatrixD::Zero(40, 10)), DataError);
  EXPECT_THROW(high_variance_confounds(MatrixD(40, 0)), DataError);
  EXPECT_THROW(high_variance_confounds(values, {.confounds = 0}), UsageError);
  EXPECT_THROW(high_variance_confounds(values, {.percentile = 101}), UsageError);
}

}  // namespace
}  // namespace noema
