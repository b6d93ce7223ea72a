// glm/hrf: the haemodynamic response to a moment of activity, and how it varies in time and width.
#pragma once

#include <Eigen/Core>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// A response as the difference of two gamma densities: a peak and, `ratio` times as large, an undershoot.
/// A gamma density here has shape delay/dispersion and scale dispersion (Friston et al. 1998, Glover 1999).
struct HrfShape {
  double delay_s = 6;
  double undershoot_s = 16;
  double dispersion_s = 1;
  double undershoot_dispersion_s = 1;
  double ratio = 0.167;
};

/// The shape of SPM (the default values above).
HrfShape spm_shape();
/// The shape of Glover (1999) for the auditory cortex.
HrfShape glover_shape();

/// The response `time_s` seconds after the activity, per second and not normalised; 0 before it.
double hrf_at(const HrfShape& shape, double time_s);

/// The response on a fine grid over `kHrfLength_s`, summing to 1.
///
/// The grid has round(length·oversampling/tr_s) points from 0 to the length, both included (so its step is not exactly
/// tr_s/oversampling), and is shifted by `onset_s`; the densities begin one step late. This is nilearn's definition.
/// @throws UsageError unless tr_s > 0, oversampling ≥ 1 and the grid has at least two points.
Eigen::VectorXd sampled_hrf(const HrfShape& shape, double tr_s, int oversampling = 50, double onset_s = 0);

inline constexpr double kHrfLength_s = 32;

Eigen::VectorXd spm_hrf(double tr_s, int oversampling = 50);
Eigen::VectorXd glover_hrf(double tr_s, int oversampling = 50);
/// (h(onset) − h(onset + 0.1 s)) / 0.1 s.
Eigen::VectorXd spm_time_derivative(double tr_s, int oversampling = 50);
Eigen::VectorXd glover_time_derivative(double tr_s, int oversampling = 50);
/// (h(dispersion) − h(dispersion + 0.01 s)) / 0.01 s. Glover's takes 1.0 s for the undershoot's dispersion, not the 0.9
/// s of the response itself: nilearn's definition, kept so that designs agree.
Eigen::VectorXd spm_dispersion_derivative(double tr_s, int oversampling = 50);
Eigen::VectorXd glover_dispersion_derivative(double tr_s, int oversampling = 50);

enum class HrfModel {
  spm,
  spm_derivative,
  spm_derivative_dispersion,
  glover,
  glover_derivative,
  glover_derivative_dispersion,
  fir,   ///< finite impulse response: one column for each delay, which assumes no shape
  none,  ///< no response: the boxcars themselves
};

/// "spm", "spm + derivative", "spm + derivative + dispersion", the same with "glover", "fir" and "none".
std::string_view hrf_model_name(HrfModel model);
/// The model of a name as above; spaces and case do not matter. @throws UsageError listing the names.
HrfModel parse_hrf_model(std::string_view name);

/// One kernel of a model, and what it adds to a condition's name: "", "_derivative", "_dispersion" or "_delay_3".
struct HrfKernel {
  Eigen::VectorXd values;
  std::string suffix;
  /// Fine samples by which the convolution is read later than the frame time (FIR: its window begins there).
  int read_ahead = 0;
};
/// The kernels of a model: the response, then its derivatives. `fir_delays` are whole volumes and count for fir alone:
/// kernel d is a window of one repetition time, d of them after the event.
/// @throws UsageError as `sampled_hrf` does; fir without delays or with a negative one.
std::vector<HrfKernel> hrf_kernels(HrfModel model, double tr_s, int oversampling = 50,
                                   const std::vector<int>& fir_delays = {0});

}  // namespace noema
