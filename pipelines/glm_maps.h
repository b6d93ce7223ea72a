// pipelines/glm_maps: first-level models of all subjects, fixed effects over runs, and the group.
#pragma once

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

struct GlmJob {
  /// Runs of all subjects and their events.
  std::vector<Run> runs;
  std::vector<std::vector<Event>> events;
  /// Voxels of the mask.
  std::shared_ptr<const FeatureSpace> voxels;
  /// Smoothing, confounds (as columns of the design), censoring; cleaning is left to the design.
  PreprocessOptions preprocess;
  /// Cosine drifts up to here; without it a linear drift.
  std::optional<double> high_pass_hz;
  std::vector<ContrastRequest> contrasts;
  HrfModel hrf = HrfModel::spm;
  NoiseModel noise = NoiseModel::ar1;
  /// Where in the repetition time volumes are taken to be acquired: 0 begin, 0.5 middle.
  double slice_time_reference = 0.5;
  /// Told of subjects that fail; they are left out. Without it the first failure is thrown.
  std::function<void(const std::string& subject, const Error& error)> on_failure;
};

/// One contrast over the mask's voxels.
struct GlmMap {
  std::string contrast;
  std::vector<double> effect;   // (V), percent of the mean; over subjects the mean
  std::vector<double> z;        // (V), over subjects of a one-sample t test
  std::vector<float> t;         // (V), as z
  std::vector<float> variance;  // (V), of the effect
  double df = 0;
};

struct GlmMaps {
  /// Over subjects, or of the one subject.
  std::vector<GlmMap> group;
  std::map<std::string, std::vector<GlmMap>> of_subject;
  DesignMatrix design;  // of the first run that was fitted
  std::string design_run;
  std::string design_subject;
  int subjects = 0;
  /// By subject: the mean volume of its runs at the mask's voxels.
  std::map<std::string, std::vector<float>> mean;
  /// Sentences for the report.
  std::vector<std::string> notes;
};

/// Reads each run again, unscaled, fits it, combines the runs of a subject by fixed effects, and with two or more
/// subjects tests each contrast over them. A contrast that fewer than two of several subjects can answer has no group
/// map.
/// @throws what `first_level` and `preprocess_run` throw, with the subject as context; DataError if every subject
///   failed; Cancelled
GlmMaps fit_glm_maps(const GlmJob& job);

/// (S, V): the effects of those subjects that have the contrast.
MatrixD subject_effects(const GlmMaps& glm, const std::string& contrast);

/// Where a map of the group lies, relative to the output folder; `stat` is "effect", "variance", "t" or "z".
std::string glm_map_file(const std::string& contrast, const std::string& stat);

/// Writes effect, variance, t and z maps of the group under `maps/` and of each of several subjects under
/// `sub-<label>/func/`; returns the paths relative to `folder`.
std::vector<std::string> write_glm_maps(const std::filesystem::path& folder, const GlmMaps& maps,
                                        const FeatureSpace& voxels, const ImageHeader& like);

/// Writes the design as a table, beside the subject's results.
DesignRecord write_design(const std::filesystem::path& folder, const GlmMaps& maps);

}  // namespace noema
