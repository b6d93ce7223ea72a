// pipelines/glm: general linear models of a dataset: contrast maps of each subject and of the group, and their report.
#pragma once

#include <vector>

#include "noema/glm/first_level.h"
#include "noema/learn/labels.h"
#include "noema/pipelines/glm_maps.h"
#include "noema/pipelines/group_inference.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

struct GlmOptions {
  /// Runs, mask, smoothing, confounds, censoring and high-pass; cleaning is the design's work.
  PrepareOptions prepare;
  /// Old condition to new one; "n/a": left out of the model.
  std::map<std::string, std::string> rename;
  /// Conditions to model, after renaming, or patterns of them (`fits_pattern`); empty: all.
  std::vector<std::string> conditions;
  HrfModel hrf = HrfModel::spm;
  std::vector<int> fir_delays{0};
  NoiseModel noise = NoiseModel::ar1;
  SignalScaling scaling = SignalScaling::voxel;
  RunWeights run_weights = RunWeights::equal;
  /// Combine the runs of each session first, and keep the maps of sessions.
  bool by_session = false;
  /// Where in the repetition time volumes are taken to be acquired: 0 begin, 0.5 middle.
  double slice_time_reference = 0.5;
  /// Empty: each condition against the mean of the others, and "all": their sum; with a finite impulse response each
  /// condition's delays together (F).
  std::vector<ContrastRequest> contrasts;
  /// Conditions, or patterns of them, each of which is a contrast by itself, after `contrasts`; then there are no
  /// defaults.
  std::vector<std::string> contrast_each;
  /// Names of further columns of the runs' confounds tables, or patterns of them.
  std::vector<std::string> confound_columns;
  /// Highest power of time where there is no high-pass.
  int drift_order = 1;
  /// No drifts at all, for designs whose confounds model them.
  bool no_drift = false;
  /// participants.tsv is that of the dataset.
  GroupModel group;
  /// Keep what each run's model leaves unexplained.
  bool save_residuals = false;
  /// Which voxels of the group's maps count.
  GroupInferenceOptions inference;
};

/// Runs `noema glm`: fits every subject (or takes what an earlier call left), combines its runs by fixed effects, fits
/// the group's model to each contrast's effects where there are several subjects, and writes maps, thresholded maps,
/// tables of clusters, designs, models, contrasts.tsv, results.json and report.html to the output folder.
///
/// A subject that fails leaves a crash file, and the others go on; with level `participant` no group is tested.
/// @throws UsageError for contrasts that cannot be read; DataError if no subject is left; Cancelled
Results run_glm(const GlmOptions& options);

}  // namespace noema
