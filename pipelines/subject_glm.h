// pipelines/subject_glm: the contrasts of one subject, made or taken from an earlier call.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "noema/pipelines/glm_maps.h"

namespace noema {

struct SubjectGlm {
  std::vector<GlmMap> maps;
  /// Of each session, where runs are combined by session and the result was not reused.
  std::map<std::string, std::vector<GlmMap>> sessions;
  /// The mean over runs of the mean volumes, at the mask's voxels.
  std::vector<float> mean;
  /// Empty where the result was reused.
  std::vector<RunFacts> runs;
  bool reused = false;
  /// Why an earlier result was not taken; empty where there was none.
  std::string reason;
  /// What was kept, relative to the output folder.
  std::vector<std::string> files;
};

/// A contrast as it is kept.
GlmMap glm_map(const std::string& contrast, const ContrastMaps& maps);

/// Fits the runs (indices in `job.runs`), one series in memory at a time. With `job.output` the maps, the mean image,
/// the design of every run (`<run>_design.tsv`), residuals where asked for and the model
/// (`sub-<label>_desc-glm_model.json`) are kept in `sub-<label>/func/`, maps of sessions in
/// `sub-<label>/ses-<label>/func/`, the model last; or they are read back when
/// version, options, mask, events, runs and inputs agree with what the model file says.
/// @throws as `fit_glm_maps`
SubjectGlm subject_glm(const GlmJob& job, const std::string& subject, const std::vector<std::size_t>& runs);

}  // namespace noema
