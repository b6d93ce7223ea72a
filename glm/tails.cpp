#include "noema/glm/tails.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

namespace noema {
namespace {

constexpr double kSmallestTail = 1e-300;

}  // namespace

double t_upper_tail(double t, double df) {
  if (std::isnan(t)) return t;
  return boost::math::cdf(boost::math::complement(boost::math::students_t(df), t));
}

double t_two_sided_p(double t, double df) { return 2 * t_upper_tail(std::abs(t), df); }

double t_to_z(double t, double df) {
  if (std::isnan(t)) return t;
  const double tail = std::max(t_upper_tail(std::abs(t), df), kSmallestTail);
  return std::copysign(boost::math::quantile(boost::math::complement(boost::math::normal(), tail)), t);
}

}  // namespace noema
