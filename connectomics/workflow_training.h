// connectomics/workflow_training: how workflows are trained on some runs and judged on others.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "noema/connectomics/workflow_losses.h"
#include "noema/learn/training.h"

namespace noema {

struct WorkflowData {
  std::vector<RunSeries> runs;
  WorkflowTargets targets;
};

/// The value of each loss, and their sum with the weights of the step, without gradients.
LossSum judge(const Workflow& workflow, const WorkflowData& data, std::int64_t step);

/// The training of a workflow's parameters for the loop of learn/training: a sample is a run.
class WorkflowTask : public TrainingTask {
 public:
  /// @param last_step  the weights of the losses on validation data are those of this step
  /// @throws UsageError without a parameter or a loss
  WorkflowTask(Workflow& workflow, const WorkflowData& training, const WorkflowData& validation,
               std::int64_t last_step);

  std::vector<TrainedParameter> parameters() override;
  std::int64_t size() const override { return static_cast<std::int64_t>(training_.runs.size()); }
  at::Tensor loss(std::span<const std::int64_t> batch, StepRandom& random) override;
  std::optional<ValidationScores> validate() override;
  std::string fingerprint() const override;

 private:
  Workflow& workflow_;
  const WorkflowData& training_;
  const WorkflowData& validation_;
  std::int64_t last_step_;
};

}  // namespace noema
