// glm/design: what each volume of a run should show, condition by condition: the design matrix.
#pragma once

#include <Eigen/Core>
#include <functional>
#include <string>
#include <vector>

#include "noema/glm/hrf.h"
#include "noema/io/events.h"
#include "noema/io/series.h"

namespace noema {

struct DesignMatrix {
  MatrixD values;  // (T, P)
  std::vector<std::string> names;
};

enum class DriftModel { cosine, polynomial, none };

struct DesignOptions {
  HrfModel hrf = HrfModel::spm;
  /// Volumes from an event to each column of a finite impulse response (hrf fir alone).
  std::vector<int> fir_delays{0};
  /// Kernels of your own, sampled at tr_s/oversampling; used instead of `hrf`. Later ones are made orthogonal to those
  /// before.
  std::function<std::vector<HrfKernel>(double tr_s, int oversampling)> custom_hrf;
  DriftModel drift = DriftModel::cosine;
  /// Cosine drifts take away what is slower than this.
  double high_pass_hz = 1.0 / 128;
  /// Highest power of time of the polynomial drift.
  int polynomial_order = 1;
  /// Fine samples in one repetition time.
  int oversampling = 50;
  /// Where the fine grid begins, relative to the first volume.
  double min_onset_s = -24;
  /// Further columns (T, R), such as confounds, and their names.
  MatrixD regressors;
  std::vector<std::string> regressor_names;
};

/// The moments at which volumes are taken to be acquired: start + (t + reference)·tr for t in [0, volumes).
/// `slice_time_reference` is the part of the repetition time the slices were interpolated to: 0 begin, 0.5 middle.
Eigen::VectorXd frame_times(std::int64_t volumes, double tr_s, double start_s = 0, double slice_time_reference = 0);

/// The design of one run: conditions in the order of their names (with their derivatives), added regressors, drifts,
/// and "constant" last.
///
/// Each condition is a train of boxcars, `modulation` high, on a fine grid, convolved with the response, read at the
/// frame times by linear interpolation; derivatives are made orthogonal to the columns of the condition before them.
/// An event of no duration is one fine sample long (with a warning), so its effect size depends on `oversampling`.
/// Events may come in any order; those of one condition add up where they overlap, with a warning. A finite impulse
/// response has one column for each delay ("a_delay_2"), none of them orthogonalised. Equals nilearn's
/// make_first_level_design_matrix, except that events over before the fine grid begins are left out with a warning
/// (there they become one short event at its begin), that one onset with two durations is an error, and that nothing is
/// regularised when columns depend on one another: fits use the pseudo-inverse.
/// Cost: O(events·T) per kernel.
/// @param frame_times_s ascending, at least two.
/// @throws UsageError for options out of range, cosine drifts up to Nyquist or above it, and two columns of one name; ShapeError for regressors of another
/// length;
///   DataError for events or regressors that are not finite, events of negative duration, and two events of one
///   condition that begin together and do not end together.
DesignMatrix make_design(const std::vector<Event>& events, const Eigen::VectorXd& frame_times_s,
                         const DesignOptions& options = {});

}  // namespace noema
