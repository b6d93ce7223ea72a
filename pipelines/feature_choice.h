// pipelines/feature_choice: one mask and one set of features for all runs of a dataset.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "noema/core/error.h"
#include "noema/io/dataset.h"
#include "noema/io/series.h"
#include "noema/pipelines/options.h"

namespace noema {

struct FeatureChoice {
  std::shared_ptr<const FeatureSpace> features;
  /// Sentences for the report: where the mask and the features come from.
  std::vector<std::string> notes;
  /// Subjects with a file that could not be read, which had no say, and why.
  std::map<std::string, Error> unreadable;
};

/// The mask given, else the voxels in at least half of the runs' masks (their own, else by their mean images); then the
/// atlas's regions, or spheres, or voxels, or geometric parcels; as "atlas-voxels" the mask's voxels that the atlas
/// labels.
/// @throws ShapeError if the grids of runs, mask or atlas differ, naming both files; DataError if the runs' TR differ,
/// or
///         if no subject's files can be read; UsageError for an unknown kind.
FeatureChoice choose_features(const std::vector<Run>& runs, const PrepareOptions& options);

/// What is learned from all series at once must fit in memory. Warns when three copies of them do not.
/// @throws UsageError when not even one does, with the sizes and what to do.
void check_memory(std::int64_t volumes, std::int64_t features, std::int64_t memory_bytes);

}  // namespace noema
