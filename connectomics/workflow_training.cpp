#include "noema/connectomics/workflow_training.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include "noema/core/error.h"
#include "noema/core/hash.h"

namespace noema {
namespace {

void add_tensor(Hasher& hasher, const at::Tensor& tensor) {
  if (!tensor.defined()) return;
  const at::Tensor flat = tensor.detach().to(at::kDouble).contiguous();
  hasher.add(std::as_bytes(std::span(flat.const_data_ptr<double>(), static_cast<std::size_t>(flat.numel()))));
}

void add_data(Hasher& hasher, const WorkflowData& data) {
  for (const RunSeries& run : data.runs) {
    for (const at::Tensor* part : {&run.values, &run.confounds, &run.keep}) add_tensor(hasher, *part);
  }
  for (const at::Tensor* part :
       {&data.targets.classes, &data.targets.numbers, &data.targets.quality, &data.targets.coordinates}) {
    add_tensor(hasher, *part);
  }
}

}  // namespace

LossSum judge(const Workflow& workflow, const WorkflowData& data, std::int64_t step) {
  const at::NoGradGuard no_gradients;
  const WorkflowOutputs outputs = workflow.forward(data.runs);
  return evaluate_losses(workflow_losses(workflow, outputs, data.targets), step);
}

WorkflowTask::WorkflowTask(Workflow& workflow, const WorkflowData& training, const WorkflowData& validation,
                           std::int64_t last_step)
    : workflow_(workflow), training_(training), validation_(validation), last_step_(last_step) {
  if (workflow.named_parameters().is_empty()) {
    throw UsageError("workflow: found nothing to learn, expected learn = true in some block, or a readout");
  }
  if (workflow.description().losses.empty()) throw UsageError("workflow: found no losses, expected at least one");
}

std::vector<TrainedParameter> WorkflowTask::parameters() {
  std::vector<TrainedParameter> all;
  for (const auto& item : workflow_.named_parameters()) all.push_back({item.key(), item.value(), 1, false});
  return all;
}

at::Tensor WorkflowTask::loss(std::span<const std::int64_t> batch, StepRandom& random) {
  std::vector<RunSeries> runs;
  for (const std::int64_t run : batch) runs.push_back(training_.runs.at(static_cast<std::size_t>(run)));
  const WorkflowTargets targets =
      training_.targets.of(at::tensor(at::ArrayRef<std::int64_t>(batch.data(), batch.size()), at::kLong));
  const WorkflowOutputs outputs = workflow_.forward(runs);
  return evaluate_losses(workflow_losses(workflow_, outputs, targets), random.step).total;
}

std::optional<ValidationScores> WorkflowTask::validate() {
  if (validation_.runs.empty()) return std::nullopt;
  ValidationScores scores;
  scores.loss = judge(workflow_, validation_, last_step_).total.item<double>();
  scores.balanced_accuracy = std::numeric_limits<double>::quiet_NaN();
  return scores;
}

std::string WorkflowTask::fingerprint() const {
  Hasher hasher;
  const WorkflowInput& input = workflow_.input();
  hasher.add(to_json_text(workflow_.description()));
  hasher.add(fmt::format("{} {} {} {} {}", input.features, input.confounds, input.tr_s, input.outputs, input.seed));
  add_tensor(hasher, input.labels);
  for (const auto& item : workflow_.named_parameters()) hasher.add(item.key());
  add_data(hasher, training_);
  add_data(hasher, validation_);
  return fmt::format("workflow {} {}", last_step_, hasher.digest());
}

}  // namespace noema
