#include "noema/glm/tails.h"

#include <algorithm>
#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numbers>

namespace noema {
namespace {

constexpr double kSmallestTail = 1e-300;

/// log of the regularised incomplete beta function I_x(a, b), by its continued fraction, for x near 0 or beyond any
/// bulk of the distribution (x < (a+1)/(a+b+2)); `log_x` and `log_rest` are log x and log(1−x).
double log_incomplete_beta(double log_x, double log_rest, double a, double b) {
  constexpr double kTiny = 1e-300, kPrecision = 1e-15;
  constexpr int kMost = 100'000;
  const double x = std::exp(log_x);
  double c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), fraction = d;
  for (int m = 1; m < kMost; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / std::max(1 + even * d, kTiny);
    c = std::max(1 + even / c, kTiny);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / std::max(1 + odd * d, kTiny);
    c = std::max(1 + odd / c, kTiny);
    fraction *= d * c;
    if (std::abs(d * c - 1) < kPrecision) break;
  }
  const double log_beta = std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b);
  return a * log_x + b * log_rest - std::log(a) - log_beta + std::log(fraction);
}

/// z > 0 with log P(Z > z) = `log_tail`, far out (below log 1e-290), by Newton's method on the asymptotic series.
double z_of_log_tail(double log_tail) {
  double z = std::sqrt(-2 * log_tail);
  for (int step = 0; step < 20; ++step) {
    const double w = 1 / (z * z);
    const double series = 1 - w * (1 - 3 * w * (1 - 5 * w * (1 - 7 * w)));
    const double found = -z * z / 2 - std::log(z) - std::log(2 * std::numbers::pi) / 2 + std::log(series);
    const double change = (found - log_tail) / (z + 1 / z);
    z += change;
    if (std::abs(change) < 1e-14 * z) break;
  }
  return z;
}

double z_of_tail(double tail) { return boost::math::quantile(boost::math::complement(boost::math::normal(), tail)); }

/// log(1 + ratio), where the ratio's square root may be too large to be squared: `log_ratio` is the ratio's logarithm.
double log_of_sum(double log_ratio) { return log_ratio > 700 ? log_ratio : std::log1p(std::exp(log_ratio)); }

/// log P(F > f); |T| > t is F > t² with one row.
double log_f_tail(double log_f, double rows, double df) {
  const double log_ratio = log_f + std::log(rows / df);  // of explained and unexplained
  const double log_x = -log_of_sum(log_ratio);           // x = df/(df + rows·f)
  return log_incomplete_beta(log_x, log_ratio + log_x, df / 2, rows / 2);
}

}  // namespace

double t_upper_tail(double t, double df) {
  if (std::isnan(t)) return t;
  return boost::math::cdf(boost::math::complement(boost::math::students_t(df), t));
}

double t_two_sided_p(double t, double df) { return 2 * t_upper_tail(std::abs(t), df); }

double f_upper_tail(double f, double rows, double df) {
  if (std::isnan(f)) return f;
  if (f <= 0) return 1;
  return boost::math::cdf(boost::math::complement(boost::math::fisher_f(rows, df), f));
}

double t_to_z(double t, double df) {
  if (std::isnan(t)) return t;
  const double tail = t_upper_tail(std::abs(t), df);
  if (tail > kSmallestTail) return std::copysign(z_of_tail(tail), t);
  return std::copysign(z_of_log_tail(log_f_tail(2 * std::log(std::abs(t)), 1, df) - std::numbers::ln2), t);
}

double f_to_z(double f, double rows, double df) {
  if (std::isnan(f)) return f;
  const double tail = f_upper_tail(f, rows, df);
  if (tail > 0.5) {
    const double below = f <= 0 ? 0 : boost::math::cdf(boost::math::fisher_f(rows, df), f);
    return -z_of_tail(std::max(below, kSmallestTail));
  }
  return tail > kSmallestTail ? z_of_tail(tail) : z_of_log_tail(log_f_tail(std::log(f), rows, df));
}

}  // namespace noema
