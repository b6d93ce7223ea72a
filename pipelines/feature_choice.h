// pipelines/feature_choice: one mask and one set of features for all runs of a dataset.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "noema/io/dataset.h"
#include "noema/io/series.h"
#include "noema/pipelines/options.h"

namespace noema {

struct FeatureChoice {
  std::shared_ptr<const FeatureSpace> features;
  /// Sentences for the report: where the mask and the features come from.
  std::vector<std::string> notes;
};

/// The mask given, else the voxels in at least half of the runs' masks (their own, else by their mean images); then the
/// atlas's regions, or voxels, or geometric parcels.
/// @throws ShapeError if the grids of runs, mask or atlas differ, naming both files; UsageError for an unknown kind.
FeatureChoice choose_features(const std::vector<Run>& runs, const PrepareOptions& options);

}  // namespace noema
