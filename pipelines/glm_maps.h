// pipelines/glm_maps: first-level models of all subjects, fixed effects over runs, and the group.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "noema/core/error.h"
#include "noema/glm/first_level.h"
#include "noema/io/dataset.h"
#include "noema/pipelines/results.h"
#include "noema/preprocess/run.h"

namespace noema {

/// What is asked of the subjects' effects.
struct GroupModel {
  /// Of participants' columns, as `make_group_design` reads it; empty: the mean over subjects.
  std::string formula;
  /// Instead, columns as `make_group_columns` takes them.
  std::vector<std::string> columns;
  /// Formulas of the group design's columns; empty: each column by itself.
  std::vector<ContrastRequest> contrasts;
  /// participants.tsv, which formulas need.
  std::optional<Table> participants;

  bool is_mean() const { return formula.empty() && columns.empty(); }
};

struct GlmJob {
  /// Runs of all subjects and their events.
  std::vector<Run> runs;
  std::vector<std::vector<Event>> events;
  /// Voxels of the mask.
  std::shared_ptr<const FeatureSpace> voxels;
  /// Smoothing, confounds (as columns of the design), censoring; cleaning is left to the design.
  PreprocessOptions preprocess;
  /// Names of further columns of the runs' confounds tables, or patterns of them (`fits_pattern`).
  std::vector<std::string> confound_columns;
  /// Cosine drifts up to here; without it powers of time up to `drift_order`.
  std::optional<double> high_pass_hz;
  int drift_order = 1;
  /// No drifts at all, for designs whose confounds model them.
  bool no_drift = false;
  std::vector<ContrastRequest> contrasts;
  HrfModel hrf = HrfModel::spm;
  std::vector<int> fir_delays{0};
  NoiseModel noise = NoiseModel::ar1;
  SignalScaling scaling = SignalScaling::voxel;
  RunWeights run_weights = RunWeights::equal;
  /// Combine the runs of each session first, and keep the maps of sessions.
  bool by_session = false;
  /// Where in the repetition time volumes are taken to be acquired: 0 begin, 0.5 middle.
  double slice_time_reference = 0.5;
  GroupModel group;
  /// Where each subject's maps, designs and model are kept, and taken again when nothing that decides them changed;
  /// empty: nothing is kept.
  std::filesystem::path output;
  /// Keeps what each run's model leaves unexplained.
  bool save_residuals = false;
  /// Subjects that are worked on at once.
  int processes = 1;
  /// Told of subjects that fail; they are left out. Without it the first failure is thrown.
  std::function<void(const std::string& subject, const Error& error)> on_failure;
};

/// One contrast over the mask's voxels, in single precision, so that maps that were kept are those that were made.
struct GlmMap {
  std::string contrast;
  std::vector<double> effect;   // (V), percent of the mean; empty for F
  std::vector<double> z;        // (V)
  std::vector<float> t;         // (V), or F
  std::vector<float> variance;  // (V), of the effect; empty for F
  /// Of F the effects of its independent rows, (V) each; empty for t.
  std::vector<std::vector<double>> row_effects;
  std::vector<float> p;  // (V), of the upper tail
  double df = 0;
  double df_numerator = 0;  // of F; 0: t

  bool is_f() const { return df_numerator > 0; }
};

/// What a map of the group asks of the subjects' effects.
struct GroupQuestion {
  std::string contrast;     // of the subjects
  DesignMatrix design;      // of those who have it
  Eigen::MatrixXd weights;  // (q, P); q is 1 for t
};

struct GlmMaps {
  /// Over subjects, or of the one subject.
  std::vector<GlmMap> group;
  /// Of each of these; empty with one subject.
  std::vector<GroupQuestion> questions;
  std::map<std::string, std::vector<GlmMap>> of_subject;
  DesignMatrix design;  // of the first run that was fitted; empty where all subjects were reused
  std::string design_run;
  std::string design_subject;
  /// Of the group, with several subjects and a model that is not their mean.
  DesignMatrix group_design;
  std::vector<std::string> group_subjects;
  int subjects = 0;
  /// By subject: the mean volume of its runs at the mask's voxels.
  std::map<std::string, std::vector<float>> mean;
  /// Sentences for the report.
  std::vector<std::string> notes;
  /// What was kept for each subject, relative to the output folder.
  std::vector<std::string> files;
};

/// Reads each run again, unscaled, fits it, combines the runs of a subject by fixed effects, and with two or more
/// subjects fits the group's model to their effects: t and F contrasts of the group to t contrasts of the subjects, and
/// t contrasts of the group to all rows of F contrasts together (`joint_group_test`). A contrast that fewer than two of
/// several subjects can answer, or too few for its rows, has no group map. One series a worker is in memory.
/// @throws what `first_level`, `preprocess_run` and `make_group_design` throw, with the subject as context; DataError
/// if
///   every subject failed; IoError; Cancelled
GlmMaps fit_glm_maps(const GlmJob& job);

/// (S, V) for each independent row of the contrast, of t one: the effects of those subjects that have it.
std::vector<MatrixD> subject_effects(const GlmMaps& glm, const std::string& contrast);

/// Where a map of the group lies, relative to the output folder; `stat` is "effect", "variance", "t", "F", "p" or "z".
std::string glm_map_file(const std::string& contrast, const std::string& stat, const Grid& grid);

/// The `stat` of the effect of an F contrast's row, from 0.
std::string effect_of_row(std::size_t row);

/// The contrast of a group model's answer: "faces" for the mean, else "faces: patients - controls".
std::string group_map_name(const std::string& contrast, const std::string& group_contrast);

/// Writes the maps of one contrast (effect and variance, of F the effects of its rows: effect1 …; the statistic, p, z)
/// under `stem`, a folder or the
/// beginning of a file name; returns the paths relative to `folder`.
std::vector<std::string> write_glm_map(const std::filesystem::path& folder, const std::string& stem, const GlmMap& map,
                                       const FeatureSpace& voxels, const ImageHeader& like);

/// Writes the maps of the group under `maps/` and, where they were not kept before, of each of several subjects under
/// `sub-<label>/func/`; returns the paths relative to `folder`.
std::vector<std::string> write_glm_maps(const std::filesystem::path& folder, const GlmMaps& maps,
                                        const FeatureSpace& voxels, const ImageHeader& like);

/// A design as a table.
void write_design(const std::filesystem::path& path, const DesignMatrix& design);

/// Writes the design as a table, beside the subject's results.
DesignRecord write_design(const std::filesystem::path& folder, const GlmMaps& maps);

}  // namespace noema
