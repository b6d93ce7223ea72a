// glm/tails: probabilities and z values of Student's t and Fisher's F, exact in both tails.
#pragma once

namespace noema {

/// P(T > t) with `df` degrees of freedom. NaN for NaN.
double t_upper_tail(double t, double df);
/// P(|T| > |t|).
double t_two_sided_p(double t, double df);
/// P(F > f) with `rows` and `df` degrees of freedom; 1 for f ≤ 0. NaN for NaN.
double f_upper_tail(double f, double rows, double df);

/// The standard normal value with the same upper tail probability. Computed in the tail the value lies in, which keeps
/// it exact on both sides, and through logarithms where the probability is too small for a number. NaN for NaN.
double t_to_z(double t, double df);
/// The same for F: −∞ would be the value of 0, so probabilities of the lower tail below 1e-300 count as that.
double f_to_z(double f, double rows, double df);

}  // namespace noema
