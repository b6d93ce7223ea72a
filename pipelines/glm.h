// pipelines/glm: general linear models of a dataset: contrast maps of each subject and of the group, and their report.
#pragma once

#include <vector>

#include "noema/glm/first_level.h"
#include "noema/learn/labels.h"
#include "noema/pipelines/group_inference.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

struct GlmOptions {
  /// Runs, mask, smoothing, confounds, censoring and high-pass; cleaning is the design's work.
  PrepareOptions prepare;
  /// Old condition to new one; "n/a": left out of the model.
  std::map<std::string, std::string> rename;
  HrfModel hrf = HrfModel::spm;
  NoiseModel noise = NoiseModel::ar1;
  /// Where in the repetition time volumes are taken to be acquired: 0 begin, 0.5 middle.
  double slice_time_reference = 0.5;
  /// Empty: each condition against the mean of the others, and "all": their sum.
  std::vector<ContrastRequest> contrasts;
  /// Which voxels of the group's maps count.
  GroupInferenceOptions inference;
};

/// Runs `noema glm`: fits every subject, combines its runs by fixed effects, tests each contrast over subjects where
/// there are several, and writes maps, thresholded maps, tables
/// of clusters, contrasts.tsv, results.json and report.html to the output folder.
///
/// A subject that fails leaves a crash file, and the others go on; with level `participant` no group is tested.
/// @throws UsageError for contrasts that cannot be read; DataError if no subject is left; Cancelled
Results run_glm(const GlmOptions& options);

}  // namespace noema
