#include "noema/glm/contrast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "noema/core/error.h"
#include "noema/glm/tails.h"

namespace noema {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kColumns{"A", "B", "face", "face-new", "2-back", "red car", "A + B", "constant"};

Eigen::VectorXd weights(std::initializer_list<std::pair<int, double>> entries) {
  Eigen::VectorXd result = Eigen::VectorXd::Zero(std::ssize(kColumns));
  for (const auto& [column, weight] : entries) result[column] = weight;
  return result;
}

TEST(ContrastFormula, Arithmetic) {
  EXPECT_EQ(parse_contrast("A", kColumns), weights({{0, 1}}));
  EXPECT_EQ(parse_contrast(" A+B ", kColumns), weights({{0, 1}, {1, 1}}));
  EXPECT_EQ(parse_contrast("(A+B)/2", kColumns), weights({{0, .5}, {1, .5}}));
  EXPECT_EQ(parse_contrast("-A - 0.5*B", kColumns), weights({{0, -1}, {1, -.5}}));
  EXPECT_EQ(parse_contrast("B*3/4 - -A", kColumns), weights({{0, 1}, {1, .75}}));
  EXPECT_EQ(parse_contrast("2*(A-(B-face))*(1+1)", kColumns), weights({{0, 4}, {1, -4}, {2, 4}}));
  EXPECT_EQ(parse_contrast("A-B-face-constant", kColumns), weights({{0, 1}, {1, -1}, {2, -1}, {7, -1}}));
  EXPECT_EQ(parse_contrast("1e-1*A", kColumns), weights({{0, .1}}));
}

TEST(ContrastFormula, LongestNameAndQuotes) {
  EXPECT_EQ(parse_contrast("face-new - face", kColumns), weights({{3, 1}, {2, -1}}));
  EXPECT_EQ(parse_contrast("2-back - red car", kColumns), weights({{4, 1}, {5, -1}}));
  EXPECT_EQ(parse_contrast("A + B", kColumns), weights({{6, 1}}));
  EXPECT_EQ(parse_contrast("'A' + \"B\"", kColumns), weights({{0, 1}, {1, 1}}));
  EXPECT_EQ(parse_contrast("2*'A + B'", kColumns), weights({{6, 2}}));
}

std::string complaint(std::string_view formula) {
  try {
    parse_contrast(formula, kColumns);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(ContrastFormula, Complaints) {
  EXPECT_THAT(complaint("A - faze"), HasSubstr("no column is called 'faze' (did you mean 'face'?)"));
  EXPECT_THAT(complaint("'faec'"), HasSubstr("did you mean 'face'"));
  EXPECT_THAT(complaint("AB"), HasSubstr("no column is called 'AB'"));
  EXPECT_THAT(complaint("3back"), HasSubstr("no column is called '3back'"));
  EXPECT_THAT(complaint("A B"), HasSubstr("found 'B'"));
  EXPECT_THAT(complaint("(A - B"), HasSubstr("not closed"));
  EXPECT_THAT(complaint("'A"), HasSubstr("not closed"));
  EXPECT_THAT(complaint("A*B"), HasSubstr("cannot be multiplied"));
  EXPECT_THAT(complaint("1/B"), HasSubstr("cannot be multiplied or divided"));
  EXPECT_THAT(complaint("A + 1"), HasSubstr("cannot be added"));
  EXPECT_THAT(complaint("A/0"), HasSubstr("divides by 0"));
  EXPECT_THAT(complaint("A - A"), HasSubstr("names no column"));
  EXPECT_THAT(complaint("3"), HasSubstr("names no column"));
  EXPECT_THAT(complaint(""), HasSubstr("ends too early"));
  EXPECT_THAT(complaint("A -"), HasSubstr("ends too early"));
  EXPECT_THAT(complaint("A + )"), HasSubstr("found ')'"));
}

TEST(Contrast, WeightsMustFitTheDesign) {
  GlmFit fit{.names = {"a", "b"}, .coefficients = MatrixD::Ones(2, 1), .dispersion = Eigen::VectorXd::Ones(1)};
  fit.groups = {{0, Eigen::MatrixXd::Identity(2, 2)}};
  fit.group_of_voxel = {0};
  fit.estimable = Eigen::MatrixXd::Identity(2, 2);
  fit.df = 10;
  EXPECT_THROW(t_contrast(fit, Eigen::VectorXd::Ones(3)), ShapeError);
  EXPECT_THROW(t_contrast(fit, Eigen::VectorXd::Zero(2)), UsageError);
  const ContrastMaps maps = t_contrast(fit, Eigen::Vector2d(1, 2));
  EXPECT_EQ(maps.effect[0], 3);
  EXPECT_EQ(maps.variance[0], 5);
  EXPECT_NEAR(maps.stat[0], 3 / std::sqrt(5.0), 1e-15);
  EXPECT_NEAR(two_sided_p(maps)[0], 2 * one_sided_p(maps)[0], 1e-16);
}

/// P(T > t) for odd df by its finite series (Abramowitz and Stegun 26.7.3), good where it is not tiny.
double upper_tail_of_odd(double t, int df) {
  const double theta = std::atan(t / std::sqrt(df));
  double term = std::cos(theta), sum = 0;
  for (int k = 1; k <= df - 2; k += 2) {
    sum += term;
    term *= std::cos(theta) * std::cos(theta) * (k + 1) / (k + 2);
  }
  return 0.5 - (theta + std::sin(theta) * sum) / M_PI;
}

/// P(T > t) for large t: density·t/df·(1 − …) as the hypergeometric series in df/(df + t²).
double far_tail(double t, double df) {
  const double x = df / (df + t * t);
  double term = 1, sum = 1;
  for (int k = 0; k < 20000 && std::abs(term) > 1e-18 * sum; ++k) {
    term *= x * (df / 2 + k) * (0.5 + k) / ((df / 2 + 1 + k) * (1 + k));
    sum += term;
  }
  const double log_beta = std::lgamma(df / 2) + std::lgamma(0.5) - std::lgamma(df / 2 + 0.5);
  return 0.5 * std::exp(df / 2 * std::log(x) - log_beta) / (df / 2) * sum;
}

TEST(Tails, EqualSeries) {
  for (const int df : {1, 3, 5, 21}) {
    for (const double t : {-2.0, 0.0, 0.3, 1.7}) {
      EXPECT_NEAR(t_upper_tail(t, df), upper_tail_of_odd(t, df), 1e-14) << t << ' ' << df;
    }
  }
  for (const double df : {5.0, 12.0, 55.0, 200.0, 1000.0}) {
    for (const double t : {3.0, 12.0, 40.0}) {
      const double expected = far_tail(t, df);
      // lgamma of the reference is itself good to 1e-12 at the largest df.
      EXPECT_NEAR(t_upper_tail(t, df) / expected, 1, 1e-10) << t << ' ' << df;
      EXPECT_NEAR(1 - t_upper_tail(-t, df), expected, 1e-15);
    }
  }
}

/// P(Z > z) of the standard normal.
double normal_tail(double z) { return 0.5 * std::erfc(z / std::sqrt(2.0)); }

TEST(Tails, ZHasTheTailOfT) {
  for (const double df : {5.0, 17.0, 55.0, 1000.0}) {
    for (const double t : {0.0, 1e-9, 0.5, 3.0, 12.0, 40.0}) {
      const double z = t_to_z(t, df);
      EXPECT_NEAR(normal_tail(z) / far_tail(std::max(t, 0.0), df), 1, t < 3 ? 1 : 1e-9) << t << ' ' << df;
      EXPECT_NEAR(normal_tail(z) / t_upper_tail(t, df), 1, 1e-11) << t << ' ' << df;
      EXPECT_EQ(t_to_z(-t, df), -z);
    }
  }
  EXPECT_NEAR(t_to_z(1e5, 1000), 37.0471, 1e-4);
  EXPECT_EQ(t_to_z(-1e300, 5), -t_to_z(1e300, 5));
  EXPECT_TRUE(std::isnan(t_to_z(std::nan(""), 5)));
}

}  // namespace
}  // namespace noema
