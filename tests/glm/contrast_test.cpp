#include "noema/glm/contrast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "noema/core/error.h"
#include "noema/core/log.h"
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

TEST(ContrastFormula, ConditionsNamedByNumbers) {
  const std::vector<std::string> columns{"1", "2", "3"};
  EXPECT_EQ(parse_contrast("'1' - ('2' + '3')/2", columns), Eigen::Vector3d(1, -.5, -.5));
  EXPECT_EQ(parse_contrast("1*'1' + -1*'2'", columns), Eigen::Vector3d(1, -1, 0));
  EXPECT_EQ(parse_contrast("1 - 3", columns), Eigen::Vector3d(1, 0, -1));
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

TEST(ContrastFormula, RowsOfF) {
  EXPECT_FALSE(is_f_formula("A - B"));
  EXPECT_FALSE(is_f_formula("'A;B'"));
  EXPECT_TRUE(is_f_formula("A; B"));
  EXPECT_TRUE(is_f_formula("A;"));
  const Eigen::MatrixXd rows = parse_contrast_rows("A - B; 2*face", kColumns);
  ASSERT_EQ(rows.rows(), 2);
  EXPECT_EQ(rows.row(0).transpose(), weights({{0, 1}, {1, -1}}));
  EXPECT_EQ(rows.row(1).transpose(), weights({{2, 2}}));
  EXPECT_EQ(parse_contrast_rows("A; ", kColumns).rows(), 1);
  EXPECT_THROW(parse_contrast_rows("A;; B", kColumns), UsageError);
}

/// Two orthogonal columns of norm 2 and their constant, and one voxel.
GlmFit small_fit() {
  DesignMatrix design{MatrixD(8, 3), {"a", "b", "constant"}};
  design.values << 1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1, 1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1;
  MatrixD data(8, 1);
  data << 3, 1, 4, 1, 5, 9, 2, 6;
  return fit_glm(data, design, NoiseModel::ols);
}

TEST(Contrast, TAndFOfASmallDesign) {
  const GlmFit fit = small_fit();  // a: (3+1−4−1+5+9−2−6)/8, b: (3−1+4−1+5−9+2−6)/8
  EXPECT_NEAR(fit.coefficients(0, 0), 5.0 / 8, 1e-14);
  EXPECT_NEAR(fit.coefficients(1, 0), -3.0 / 8, 1e-14);
  const double rest = 173 - 8 * (25.0 / 64 + 9.0 / 64) - 31.0 * 31 / 8;
  EXPECT_NEAR(fit.dispersion[0], rest / 5, 1e-12);
  const ContrastMaps t = t_contrast(fit, Eigen::Vector3d(1, 2, 0));
  EXPECT_NEAR(t.effect[0], -1.0 / 8, 1e-14);
  EXPECT_NEAR(t.variance[0], 5.0 / 8 * rest / 5, 1e-12);
  EXPECT_NEAR(t.stat[0], t.effect[0] / std::sqrt(t.variance[0]), 1e-14);
  EXPECT_NEAR(two_sided_p(t)[0], 2 * (1 - one_sided_p(t)[0]), 1e-14);  // t is below 0
  const ContrastMaps f = f_contrast(fit, "a; b");
  EXPECT_NEAR(f.stat[0], 8 * (25.0 / 64 + 9.0 / 64) / 2 / (rest / 5), 1e-12);
  EXPECT_EQ(f.df_numerator, 2);
  EXPECT_EQ(f.df, 5);
  EXPECT_NEAR(one_sided_p(f)[0], std::pow(1 + 2 * f.stat[0] / 5, -2.5), 1e-12);
  EXPECT_EQ(one_sided_p(f), two_sided_p(f));
}

TEST(Contrast, FOfOneRowIsTSquaredAndDependentRowsCountOnce) {
  const GlmFit fit = small_fit();
  const ContrastMaps t = t_contrast(fit, "a - b");
  const ContrastMaps f = f_contrast(fit, "a - b;");
  EXPECT_NEAR(f.stat[0], t.stat[0] * t.stat[0], 1e-12);
  EXPECT_NEAR(one_sided_p(f)[0], two_sided_p(t)[0], 1e-12);
  const ContrastMaps twice = f_contrast(fit, "a; 3*b; a - b; 2*a");
  EXPECT_EQ(twice.df_numerator, 2);
  EXPECT_NEAR(twice.stat[0], f_contrast(fit, "a; b").stat[0], 1e-12);
}

TEST(Contrast, WeightsMustFitTheDesign) {
  const GlmFit fit = small_fit();
  EXPECT_THROW(t_contrast(fit, Eigen::VectorXd::Ones(4)), ShapeError);
  EXPECT_THROW(t_contrast(fit, Eigen::VectorXd::Zero(3)), UsageError);
  EXPECT_THROW(f_contrast(fit, Eigen::MatrixXd::Identity(4, 4)), ShapeError);
  EXPECT_THROW(f_contrast(fit, Eigen::MatrixXd(0, 3)), ShapeError);
  EXPECT_THROW(t_maps(joint_effects(fit, std::vector<Eigen::MatrixXd>{Eigen::MatrixXd::Identity(2, 3)})[0]),
               ShapeError);
  WarningCollector warnings;
  EXPECT_EQ(t_contrast(fit, Eigen::Vector2d(1, -1)).stat, t_contrast(fit, "a - b").stat);
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_THAT(warnings.entries()[0].message, HasSubstr("2 weights for 3 columns"));
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
  EXPECT_EQ(t_to_z(-1e300, 5), -t_to_z(1e300, 5));
  EXPECT_TRUE(std::isnan(t_to_z(std::nan(""), 5)));
}

/// log P(Z > z) far out, by the continued fraction of Mills' ratio.
double log_normal_tail(double z) {
  double ratio = z;
  for (int k = 200; k > 0; --k) ratio = z + k / ratio;
  return -z * z / 2 - std::log(2 * M_PI) / 2 - std::log(ratio);
}

// Where probabilities underflow, both tails are closed forms of logarithms: F of two rows, (1 + 2f/df)^(−df/2).
TEST(Tails, ZBeyondTheSmallestNumber) {
  for (const double f : {2e3, 1e4, 1e8}) {
    const double z = f_to_z(f, 2, 1000);
    EXPECT_NEAR(log_normal_tail(z) / (-500 * std::log1p(2 * f / 1000)), 1, 1e-12) << f;
    EXPECT_GT(z, 37);
  }
  EXPECT_NEAR(f_to_z(200, 2, 1e9), 19.7, 0.2);  // nearly χ² of 400 with two degrees: e⁻²⁰⁰
  double before = 0;
  for (double t = 5; t < 1e6; t *= 1.1) {  // goes on smoothly over the place where p ends
    const double z = t_to_z(t, 300);
    EXPECT_GT(z, before);
    EXPECT_NEAR(log_normal_tail(f_to_z(t * t, 1, 300)), log_normal_tail(z) + std::log(2), 1e-9 * z * z) << t;
    before = z;
  }
}

TEST(Tails, FEqualsClosedForms) {
  for (const double df : {3.0, 20.0, 500.0}) {
    for (const double f : {0.01, 0.5, 1.0, 7.0, 60.0}) {
      EXPECT_NEAR(f_upper_tail(f, 2, df) / std::pow(1 + 2 * f / df, -df / 2), 1, 1e-11) << f << ' ' << df;
      EXPECT_NEAR(f_upper_tail(f, 1, df) / t_two_sided_p(std::sqrt(f), df), 1, 1e-11) << f << ' ' << df;
      const double z = f_to_z(f, 2, df);
      const double above = f_upper_tail(f, 2, df);
      EXPECT_NEAR(normal_tail(z) / above, 1, 1e-10);
      EXPECT_NEAR(normal_tail(-z) / -std::expm1(-df / 2 * std::log1p(2 * f / df)), 1, 1e-10);
    }
  }
  EXPECT_EQ(f_upper_tail(0, 3, 20), 1);
  EXPECT_LT(f_to_z(0, 3, 20), -37);
  EXPECT_TRUE(std::isnan(f_to_z(std::nan(""), 2, 5)));
}

// Of an even number of rows the tails are finite sums: with x = df/(df + q·f) the upper one is
// x^(df/2)·Σ_{k < q/2} (df/2)(df/2 + 1)…(df/2 + k − 1)/k!·(1 − x)^k.
TEST(Tails, FOfManyRowsEqualsFiniteSums) {
  for (const int rows : {4, 6, 10}) {
    for (const double df : {3.0, 20.0, 500.0}) {
      for (const double f : {0.3, 1.0, 3.0, 20.0}) {
        const double x = df / (df + rows * f);
        double sum = 0, term = 1;
        for (int k = 0; k < rows / 2; ++k) {
          sum += term;
          term *= (df / 2 + k) / (k + 1) * (1 - x);
        }
        const double above = std::pow(x, df / 2) * sum;
        EXPECT_NEAR(f_upper_tail(f, rows, df) / above, 1, 1e-10) << rows << ' ' << f << ' ' << df;
        const double z = f_to_z(f, rows, df);
        EXPECT_NEAR(normal_tail(z) / above, 1, 1e-10) << rows << ' ' << f << ' ' << df;
      }
    }
  }
}

}  // namespace
}  // namespace noema
