// glm/tails: probabilities and z values of Student's t, exact in both tails.
#pragma once

namespace noema {

/// P(T > t) with `df` degrees of freedom. NaN for NaN.
double t_upper_tail(double t, double df);
/// P(|T| > |t|).
double t_two_sided_p(double t, double df);
/// The standard normal value with the same tail probability. Computed in the tail the value lies in, which keeps it
/// exact on both sides; probabilities below 1e-300 count as that, so |z| ≤ 37.05. NaN for NaN.
double t_to_z(double t, double df);

}  // namespace noema
