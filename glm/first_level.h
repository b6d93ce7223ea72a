// glm/first_level: from the runs of one subject to a map for each contrast.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "noema/glm/fixed_effects.h"

namespace noema {

/// One run: its series (not standardised; censored volumes marked in `keep`) and what happened in it.
struct RunData {
  /// For messages, such as "sub-01 run-02".
  std::string name;
  /// Counts with `by_session`.
  std::string session = {};
  const Series* series = nullptr;
  std::vector<Event> events;
  /// Columns (T, R) to explain away, such as motion, and their names; may be empty.
  MatrixD confounds;
  std::vector<std::string> confound_names;
};

/// A named question, such as {"faces", "face - (house + scene)/2"}; with a ';' it is F: {"any", "face; house"}.
struct ContrastRequest {
  std::string name;
  std::string formula;
};

/// What effects are in percent of.
enum class SignalScaling {
  voxel,   ///< of each voxel's mean over the run's kept volumes
  grand,   ///< of the mean of all voxels and kept volumes of the run
  volume,  ///< of the mean over voxels of each volume: also takes away what all voxels share
  none,    ///< of nothing: in the unit of the series
};
/// "voxel", "grand", "volume" or "none". @throws UsageError for another name.
SignalScaling parse_signal_scaling(std::string_view name);
std::string_view signal_scaling_name(SignalScaling scaling);
/// For people: "percent of the voxel's mean", …
std::string_view effect_unit(SignalScaling scaling);

struct FirstLevelOptions {
  /// How designs are made; the regressors of each run are its confounds.
  DesignOptions design;
  NoiseModel noise = NoiseModel::ar1;
  RunWeights run_weights = RunWeights::equal;
  /// Where in the repetition time volumes are taken to be acquired: 0 begin, 0.5 middle.
  double slice_time_reference = 0;
  /// Combine the runs of each session first, and then the sessions.
  bool by_session = false;
  SignalScaling scaling = SignalScaling::voxel;
};

struct ContrastResult {
  ContrastRequest request;
  ContrastMaps maps;
  /// Indices of the runs that could answer.
  std::vector<std::size_t> runs;
};

/// What the fit of one run leaves.
struct RunFacts {
  std::string name;
  std::string session;
  DesignMatrix design;
  Eigen::Index rank = 0;
  double df = 0;
  double tr_s = 0;
  Eigen::VectorXf r_squared;  // (V), see GlmFit
};

struct FirstLevelResult {
  std::vector<RunFacts> runs;
  std::vector<ContrastResult> contrasts;
  /// With `by_session` those of each session that can answer.
  std::map<std::string, std::vector<ContrastResult>> sessions;
  /// Voxels left at 0 because their series is constant in some run, or its mean is 0 and percent were asked for.
  std::int64_t empty_voxels = 0;
};

/// A model to which runs are given one after the other, so that one series at a time is in memory.
///
/// Each run is fitted at once and asked every contrast; `result` combines the answers by fixed effects, with
/// `by_session` first those of each session and then the sessions, which count alike whatever their number of runs
/// (with precision weights that is the same as all runs at once). Formulas may name the columns of any run. A run whose
/// design lacks a column of a contrast, or cannot estimate it, is left out of that contrast with a warning. Percent are
/// of the voxel's own mean whatever its size (nilearn takes means below 1 as 1); voxels with a mean of 0 (below 1e-4 of
/// their noise) have no percent and are left at 0, with a warning. Memory beyond one series: coefficients of one run,
/// (P, V) doubles, and effects and covariances of each contrast and run; with `SignalScaling::volume` a scaled copy of
/// the series.
class FirstLevelModel {
 public:
  /// @param columns  all names that formulas may use: the columns of all runs, as far as they are known beforehand.
  /// @throws UsageError without contrasts.
  FirstLevelModel(std::vector<ContrastRequest> contrasts, FirstLevelOptions options,
                  std::vector<std::string> columns = {});

  /// Fits a run. @throws DataError for a volume (or run) whose mean is 0, where percent of it are asked for; UsageError
  /// for formulas that name no column of any run; ShapeError when runs differ in voxels;
  ///   and what `make_design` and `fit_glm` throw, with the name of the run in front.
  void add(const RunData& run);
  /// What the last run's model leaves unexplained (T, V), in the unit of the effects and not whitened; dropped volumes
  /// too. Voxels without effects have 0. @throws UsageError before the first run.
  MatrixF last_residuals(const Series& series) const;

  /// @throws UsageError without runs; DataError when no run can answer a contrast.
  FirstLevelResult result();

 private:
  JointEffects combined(std::size_t contrast);

  std::vector<ContrastRequest> contrasts_;
  FirstLevelOptions options_;
  std::vector<std::string> columns_;
  std::vector<std::vector<JointEffects>> answers_;  // of each contrast
  Eigen::VectorX<bool> empty_;
  GlmFit last_fit_;
  Eigen::VectorXd last_scale_;         // (V)
  Eigen::VectorXd last_volume_scale_;  // (T)
  FirstLevelResult result_;
};

/// All runs at once. @throws as `FirstLevelModel`.
FirstLevelResult first_level(const std::vector<RunData>& runs, const std::vector<ContrastRequest>& contrasts,
                             const FirstLevelOptions& options = {});

/// The design of a run: its events, confounds and the options' drifts. @throws as `make_design`.
DesignMatrix design_of_run(const RunData& run, const FirstLevelOptions& options);

}  // namespace noema
