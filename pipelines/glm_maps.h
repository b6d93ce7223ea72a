// pipelines/glm_maps: first-level models of all subjects, fixed effects over runs, and the group.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "noema/glm/first_level.h"
#include "noema/io/dataset.h"
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
};

/// One contrast over the mask's voxels.
struct GlmMap {
  std::string contrast;
  std::vector<double> effect;  // (V), percent of the mean; over subjects the mean
  std::vector<double> z;       // (V), over subjects of a one-sample t test
};

struct GlmMaps {
  /// Over subjects, or of the one subject.
  std::vector<GlmMap> group;
  std::map<std::string, std::vector<GlmMap>> of_subject;
  DesignMatrix design;  // of the first run
  int subjects = 0;
  /// Sentences for the report.
  std::vector<std::string> notes;
};

/// Reads each run again, unscaled, fits it, combines the runs of a subject by fixed effects, and with two or more
/// subjects tests each contrast over them. A contrast that fewer than two of several subjects can answer has no group
/// map.
/// @throws what `first_level` and `preprocess_run` throw, with the subject as context; Cancelled
GlmMaps fit_glm_maps(const GlmJob& job);

/// Writes effect and z maps of the group under `maps/` and of each of several subjects under `sub-<label>/func/`;
/// returns the paths relative to `folder`.
std::vector<std::string> write_glm_maps(const std::filesystem::path& folder, const GlmMaps& maps,
                                        const FeatureSpace& voxels, const ImageHeader& like);

}  // namespace noema
