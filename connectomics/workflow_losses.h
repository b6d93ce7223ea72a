// connectomics/workflow_losses: the losses of a workflow, of what its blocks give.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "noema/connectomics/losses.h"
#include "noema/connectomics/workflow.h"

namespace noema {

/// What losses compare with, one row a run. What no loss needs may be undefined.
struct WorkflowTargets {
  at::Tensor classes;  // (N) int64
  at::Tensor numbers;  // (N) float64, centred and scaled
  /// Mean framewise displacement of each run, or another measure of its quality.
  at::Tensor quality;  // (N) float64
  /// Places of the input's features in mm.
  at::Tensor coordinates;  // (F, 3) float64

  /// Of some of the runs.
  WorkflowTargets of(const at::Tensor& runs) const;
};

/// The losses of the workflow's description, of what `forward` gave; weights as they are at a step.
/// @throws DataError for a target that a loss needs and that is undefined, naming both
std::vector<LossTerm> workflow_losses(const Workflow& workflow, const WorkflowOutputs& outputs,
                                      const WorkflowTargets& targets);

/// What a loss is by chance: qc-fc of edges that have nothing to do with the quality, over as many runs; the squared
/// error of always saying the training runs' mean. Nothing for other losses.
std::optional<double> loss_by_chance(const LossDescription& loss, const WorkflowTargets& targets);

/// "qc-fc of edges"
std::string loss_name(const LossDescription& loss);

}  // namespace noema
