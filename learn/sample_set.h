// learn/sample_set: the samples that a model is fitted on or asked about, and their features as matrices.
#pragma once

#include <memory>
#include <vector>

#include "noema/learn/samples.h"

namespace noema {

/// Some samples of some runs. The runs are shared, not copied.
struct SampleSet {
  std::shared_ptr<const std::vector<LearningRun>> runs;
  /// `Sample::run` counts in `runs`.
  std::vector<Sample> samples;
  /// Number of classes of the label table, whether or not all occur here.
  int classes = 0;

  std::int64_t size() const { return static_cast<std::int64_t>(samples.size()); }
  /// Features of the runs' series. @throws DataError without runs.
  std::int64_t features() const;
  /// (N): the label of each sample.
  std::vector<int> labels() const;
};

/// (N, F): for each sample the mean of its volumes by its weights.
MatrixF sample_means(const SampleSet& set);

/// (M, F): every volume of every sample, by sample and time; `sample_of_row`, when given, says whose it is.
MatrixF sample_volumes(const SampleSet& set, std::vector<int>* sample_of_row = nullptr);

/// The samples with these indices.
SampleSet subset(const SampleSet& set, const std::vector<int>& indices);

}  // namespace noema
