// Workflows are trained: what was planted is found, on runs that were not seen, and an interruption changes nothing.
#include "noema/connectomics/workflow_training.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gradient_check.h"
#include "noema/connectomics/initialisers.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"

namespace noema {
namespace {

/// Two classes of runs that differ in the coupling of two of four regions.
WorkflowData coupled_runs(int count, std::uint64_t seed) {
  WorkflowData data;
  std::vector<std::int64_t> classes;
  for (int r = 0; r < count; ++r) {
    RunSeries run;
    run.values = normal_numbers({4, 80}, seed + static_cast<std::uint64_t>(r), "noise");
    classes.push_back(r % 2);
    run.values[1] = (r % 2 == 0 ? 0.7 : -0.7) * run.values[0] + 0.7 * run.values[1];
    run.confounds = at::zeros({0, 80}, at::kDouble);
    run.keep = at::ones({80}, at::kBool);
    data.runs.push_back(run);
  }
  data.targets.classes = at::tensor(classes, at::kLong);
  return data;
}

WorkflowDescription classifier() {
  WorkflowDescription description;
  for (const char* type : {"standardise", "covariance", "tangent", "vectorise", "readout"}) {
    BlockDescription block;
    block.type = type;
    block.learn = block.type == "tangent";
    description.blocks.push_back(block);
  }
  description.losses = {{"cross-entropy"}, {"norm", "", {{"weight", 0.001}}}};
  return description;
}

TrainingOptions some_training() {
  TrainingOptions options;
  options.epochs = 60;
  options.batch_size = 8;
  options.learning_rate = 0.1;
  options.weight_decay = 0;
  return options;
}

struct Fit {
  WorkflowData training = coupled_runs(12, 1), validation = coupled_runs(8, 101);
  std::shared_ptr<Workflow> workflow;
  Fit() {
    WorkflowInput input;
    input.features = 4;
    input.tr_s = 2;
    input.outputs = 2;
    workflow = std::make_shared<Workflow>(classifier(), input);
    workflow->calibrate(training.runs);
  }
};

TEST(WorkflowTraining, FindsWhatWasPlantedInOtherRuns) {
  Fit fit;
  const double before = judge(*fit.workflow, fit.validation, 0).terms[0].value;
  EXPECT_NEAR(before, std::log(2.0), 1e-12);
  WorkflowTask task(*fit.workflow, fit.training, fit.validation, 0);
  const TrainingHistory history = train(task, some_training());
  const LossSum after = judge(*fit.workflow, fit.validation, 0);
  EXPECT_LT(after.terms[0].value, 0.3 * before);
  EXPECT_NEAR(history.epochs.back().validation_loss, after.total.item<double>(), 1e-12);
  const at::Tensor scores = fit.workflow->forward(fit.validation.runs).at("readout").tensor;
  EXPECT_TRUE(scores.argmax(-1).equal(fit.validation.targets.classes));
}

TEST(WorkflowTraining, GoesOnFromACheckpoint) {
  namespace fs = std::filesystem;
  Fit whole, parts;
  TrainingOptions options = some_training();
  options.epochs = 6;
  WorkflowTask whole_task(*whole.workflow, whole.training, whole.validation, 0);
  train(whole_task, options);

  options.checkpoint = fs::temp_directory_path() / "noema-workflow-checkpoint";
  options.checkpoint_interval_s = 0;
  fs::remove(options.checkpoint);
  /// Stops after some steps as a signal would.
  struct Interrupted : WorkflowTask {
    using WorkflowTask::WorkflowTask;
    int left = 7;
    at::Tensor loss(std::span<const std::int64_t> batch, StepRandom& random) override {
      if (left-- == 0) throw Cancelled("stopped");
      return WorkflowTask::loss(batch, random);
    }
  };
  Interrupted first(*parts.workflow, parts.training, parts.validation, 0);
  EXPECT_THROW(train(first, options), Cancelled);
  Fit again;
  WorkflowTask second(*again.workflow, again.training, again.validation, 0);
  train(second, options);
  fs::remove(options.checkpoint);
  const auto expected = whole.workflow->named_parameters();
  for (const auto& item : again.workflow->named_parameters()) {
    EXPECT_TRUE(item.value().equal(expected[item.key()])) << item.key();
  }
}

TEST(WorkflowTraining, OtherLabelsOrSeedsAreAnotherTraining) {
  Fit fit;
  WorkflowInput input = fit.workflow->input();
  const auto fingerprint = [&] {
    Workflow workflow(classifier(), input);
    return WorkflowTask(workflow, fit.training, fit.validation, 0).fingerprint();
  };
  const std::string none = fingerprint();
  EXPECT_EQ(fingerprint(), none);
  input.labels = at::tensor({0, 0, 1, 1}, at::kLong);
  const std::string first = fingerprint();
  input.labels = at::tensor({0, 1, 1, 1}, at::kLong);
  EXPECT_NE(first, none);
  EXPECT_NE(fingerprint(), first);
  input.seed = 7;
  const std::string seeded = fingerprint();
  input.seed = 8;
  EXPECT_NE(fingerprint(), seeded);
}

TEST(WorkflowTraining, WeightsOfLossesChangeWithTheSteps) {
  Fit fit;
  WorkflowDescription description = classifier();
  description.losses[1].settings = {{"weight", 1.0}, {"last-weight", 3.0}, {"ramp-begin", 10.0}, {"ramp-end", 20.0}};
  Workflow workflow(description, fit.workflow->input());
  EXPECT_EQ(judge(workflow, fit.training, 0).terms[1].weight, 1);
  EXPECT_EQ(judge(workflow, fit.training, 15).terms[1].weight, 2);
  EXPECT_EQ(judge(workflow, fit.training, 99).terms[1].weight, 3);
}

TEST(WorkflowTraining, NeedsSomethingToLearnAndToLose) {
  Fit fit;
  WorkflowDescription fixed;
  fixed.blocks.resize(1);
  fixed.blocks[0].type = "covariance";
  fixed.losses = {{"qc-fc"}};
  Workflow nothing(fixed, fit.workflow->input());
  EXPECT_THROW(WorkflowTask(nothing, fit.training, fit.validation, 0), UsageError);
  WorkflowDescription lossless = classifier();
  lossless.losses.clear();
  Workflow aimless(lossless, fit.workflow->input());
  EXPECT_THROW(WorkflowTask(aimless, fit.training, fit.validation, 0), UsageError);
}

}  // namespace
}  // namespace noema
