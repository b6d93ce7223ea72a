// pipelines/searchlight: how well labels can be told from the voxels around each place, of a whole dataset.
#pragma once

#include "noema/learn/searchlight.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

struct SearchlightCommandOptions {
  PrepareOptions prepare;
  EvaluationOptions evaluation;
  SearchlightOptions searchlight;
};

/// The best place of a searchlight.
struct SearchlightPeak {
  double score = 0;
  std::array<double, 3> ras_mm{0, 0, 0};
};

struct SearchlightResults {
  Results results;
  SearchlightPeak best;
  std::int64_t centres = 0;
};

/// Runs `noema searchlight`: preprocesses the runs, makes labels, samples and the split as `decode` does (with the
/// check for leakage), and cross-validates a linear support vector machine on the sphere around every voxel of the
/// mask; each voxel is z-scored by the training samples of the fold. Writes a map of balanced accuracy and one of what
/// is above chance, split.tsv, results.json and report.html. With level `participant` it ends after preprocessing.
/// @throws UsageError for features that are not voxels; what the stages throw; Cancelled
SearchlightResults run_searchlight(const SearchlightCommandOptions& options);

}  // namespace noema
