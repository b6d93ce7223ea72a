// connectomics/workflow_blocks: the blocks of workflows as modules with one interface.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "noema/connectomics/workflow_description.h"

namespace noema {

/// The series of one run.
struct RunSeries {
  at::Tensor values;     // (F, T) float64
  at::Tensor confounds;  // (K, T), K ≥ 0
  at::Tensor keep;       // (T) bool
  /// May censored frames be read? They hold what an interpolation put there.
  bool filled = false;
  /// Dimensions that blocks took from the series of kept frames: trends, regressors.
  std::int64_t removed = 0;
  /// The most that filters left of all frames; no filter: no bound.
  double passed = std::numeric_limits<double>::infinity();

  /// How many dimensions the kept frames can still span about their mean: their number less 1, or what filters left of
  /// it, less what was removed.
  std::int64_t degrees_of_freedom() const;
};

struct Flow {
  FlowKind kind = FlowKind::series;
  std::vector<RunSeries> runs;
  /// Of all other kinds, one row a run.
  at::Tensor tensor;
};

/// What a block is told of what flows in.
struct FlowShape {
  /// F, P or E: channels of series, rows of matrices, entries of vectors.
  std::int64_t size = 0;
  std::int64_t confounds = 0;
};

/// What a workflow is made for.
struct WorkflowInput {
  /// F of the runs' series, and K of their confounds.
  std::int64_t features = 0;
  std::int64_t confounds = 0;
  double tr_s = 0;
  /// K of the readout's scores: classes, 1 for numbers, 0 without a target.
  std::int64_t outputs = 0;
  /// (F) int64: the parcel that each voxel starts in, −1 for none: of no parcel, whatever is learned; undefined
  /// without.
  at::Tensor labels;
  std::uint64_t seed = 0;
  /// Names of the confounds, in their order; empty: not known.
  std::vector<std::string> confound_names = {};
  /// Names of the labels in ascending order of the labels; empty: they have none.
  std::vector<std::string> parcel_names = {};
};

class WorkflowBlock : public torch::nn::Module {
 public:
  /// @throws as the block's functions; DataError naming what is missing
  virtual Flow forward(const Flow& in) const = 0;
  virtual FlowShape shape(const FlowShape& in) const { return in; }
  /// Takes starting values from the training runs; nothing by default.
  virtual void calibrate(const Flow& in);
  /// What it applies, by name ("response", "weights" …), learned or not; with gradients where it is learned.
  virtual std::map<std::string, at::Tensor> quantities() const { return {}; }
};

/// @param needs_full_rank  of covariances: a block behind it inverts them or takes logarithms
/// @throws UsageError for settings out of range, or that do not fit the input
std::shared_ptr<WorkflowBlock> make_workflow_block(const BlockDescription& description, const FlowShape& in,
                                                   const WorkflowInput& input, bool needs_full_rank);

}  // namespace noema
