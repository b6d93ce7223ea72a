// Models on small made-up series in memory: their samples, their training data, their scores and their maps.
#include "noema/pipelines/trained_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/random.h"
#include "noema/learn/linear_classifier.h"
#include "noema/learn/majority.h"
#include "noema/pipelines/evaluation.h"
#include "noema/pipelines/explain.h"
#include "noema/pipelines/final_model.h"

namespace noema {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kFeatures = 6;

/// Voxels 0 to 5 of a row.
std::shared_ptr<const FeatureSpace> row_of_voxels() {
  auto space = std::make_shared<FeatureSpace>();
  space->mask.grid.shape = {kFeatures, 1, 1};
  for (int v = 0; v < kFeatures; ++v) space->mask.voxels.push_back(v);
  return space;
}

/// Four blocks of each label, 6 volumes of 2 s each with as much rest; label k raises voxel k, `delay_s` later.
LearningRun run_with_blocks(const std::string& subject, const std::vector<std::string>& labels, double delay_s,
                            double signal = 2) {
  LearningRun run;
  run.id = "sub-" + subject;
  run.subject = subject;
  run.series.tr_s = 2;
  run.series.features = row_of_voxels();
  const int blocks = 4 * static_cast<int>(labels.size());
  run.series.values.resize(12 * blocks + 6, kFeatures);
  run.series.keep.assign(static_cast<std::size_t>(run.series.values.rows()), 1);
  RandomStream random(3, run.id);
  for (Eigen::Index i = 0; i < run.series.values.size(); ++i) {
    run.series.values.data()[i] = static_cast<float>(random.normal());
  }
  for (int b = 0; b < blocks; ++b) {
    const int label = b % static_cast<int>(labels.size());
    const double onset_s = 24.0 * b;
    run.events.push_back({onset_s, 12, labels[static_cast<std::size_t>(label)], 1});
    const VolumeRange range = volumes_between(run.series, onset_s + delay_s, onset_s + delay_s + 12);
    for (int v = range.first; v < range.end; ++v) run.series.values(v, label) += static_cast<float>(signal);
  }
  return run;
}

using Runs = std::shared_ptr<const std::vector<LearningRun>>;

Runs two_subjects(const std::vector<std::string>& labels, double delay_s) {
  return std::make_shared<const std::vector<LearningRun>>(
      std::vector<LearningRun>{run_with_blocks("01", labels, delay_s), run_with_blocks("02", labels, delay_s)});
}

/// A ridge model of blocks that was trained on two subjects with a delay of 4 s.
TrainedModel trained_ridge(const std::vector<std::string>& labels = {"face", "house"}) {
  const Runs runs = two_subjects(labels, 4);
  LabelRule rule;
  rule.delay = DelayKind::fixed;
  rule.delay_s = 4;
  const LearningProblem problem = make_unsplit_problem(runs, {labels}, rule, SampleUnit::blocks);
  const FinalModel fitted = fit_on_all(problem, linear_factory());
  InputContract contract;
  contract.features = *row_of_voxels();
  contract.tr_s = 2;
  contract.labels = labels;
  contract.unit = SampleUnit::blocks;
  contract.window_volumes = 6;
  contract.delay_s = 4;
  contract.provenance =
      R"({"inputs":[{"path":"a_bold.nii","size_bytes":1,"modified_unix_s":2,"hash_xxh3_128":"seen"}]})";
  TrainedModel model;
  model.path = "model-ridge.safetensors";
  model.contract = std::make_shared<const InputContract>(contract);
  model.content = std::make_shared<const SafeTensors>(fitted.model->save());
  model.classifier = LinearClassifier::load(*model.content);
  return model;
}

template <class Wanted>
std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Wanted& error) {
    return error.what();
  }
  ADD_FAILURE() << "threw nothing";
  return "";
}

TEST(UnsplitProblem, TestsEverythingByTheRule) {
  LabelRule rule;
  rule.delay = DelayKind::fixed;
  rule.delay_s = 4;
  const LearningProblem problem = make_unsplit_problem(two_subjects({"face", "house"}, 4), {{"face", "house"}}, rule);
  EXPECT_EQ(problem.unit, SampleUnit::blocks);  // eight blocks of each label
  ASSERT_EQ(problem.folds.size(), 1U);
  EXPECT_EQ(problem.test_set(0).size(), 16);
  EXPECT_EQ(problem.train_set(0).size(), 0);
  EXPECT_THAT(problem.test_set(0).samples[1].volumes, ElementsAre(14, 15, 16, 17, 18, 19));  // (24 + 4) s / 2 s
  EXPECT_EQ(all_samples(problem).set.size(), 16);
  EXPECT_EQ(describe_split(problem).unit, "none");
  auto one = std::make_shared<const std::vector<LearningRun>>(1, run_with_blocks("01", {"face", "house"}, 4));
  EXPECT_EQ(make_unsplit_problem(one, {{"face", "house"}}, rule).unit, SampleUnit::volumes);  // four of each
}

TEST(SlidingWindows, CoverTheRunAsTheUnitSays) {
  LearningRun run = run_with_blocks("01", {"face", "house"}, 4);
  const int volumes = static_cast<int>(run.series.volumes());  // 102
  InputContract contract;
  contract.unit = SampleUnit::blocks;
  contract.window_volumes = 6;
  const std::vector<Sample> by_four = sliding_windows(contract, run, 3, 4);
  ASSERT_EQ(by_four.size(), 25U);  // first volumes 0, 4, … 96
  EXPECT_THAT(by_four[1].volumes, ElementsAre(4, 5, 6, 7, 8, 9));
  EXPECT_EQ(by_four[1].run, 3);
  EXPECT_FLOAT_EQ(by_four[1].weights[0], 1.0F / 6);
  EXPECT_EQ(sliding_windows(contract, run, 0, 1).size(), static_cast<std::size_t>(volumes - 5));
  run.series.keep[5] = 0;
  EXPECT_THAT(sliding_windows(contract, run, 0, 4)[1].volumes, ElementsAre(4, 6, 7, 8, 9));
  EXPECT_FLOAT_EQ(sliding_windows(contract, run, 0, 4)[1].weights[0], 0.2F);
  contract.unit = SampleUnit::volumes;
  EXPECT_EQ(sliding_windows(contract, run, 0, 7).size(), static_cast<std::size_t>(volumes - 1));
  contract.unit = SampleUnit::runs;
  const std::vector<Sample> whole = sliding_windows(contract, run, 0, 1);
  ASSERT_EQ(whole.size(), 1U);
  EXPECT_EQ(whole[0].volumes.size(), static_cast<std::size_t>(volumes - 1));
  contract.unit = SampleUnit::trials;
  contract.window_volumes = 200;
  const WarningCollector warnings;
  EXPECT_EQ(sliding_windows(contract, run, 0, 1).size(), 1U);
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_THAT(warnings.entries()[0].message, HasSubstr("fewer than the 200"));
}

TEST(TrainedModelSamples, FollowTheContract) {
  const TrainedModel model = trained_ridge();
  const LearningProblem problem = labelled_problem(model, two_subjects({"house", "face"}, 4), {});
  EXPECT_EQ(problem.folds[0].delay_s, 4);
  EXPECT_EQ(problem.unit, SampleUnit::blocks);
  EXPECT_THAT(problem.labels.names, ElementsAre("face", "house"));
  EXPECT_EQ(problem.test_set(0).samples[0].label, 1);  // "house" comes first in these runs
  EXPECT_EQ(problem.test_set(0).samples[0].volumes.front(), 2);
  InputContract contract = *model.contract;
  contract.hrf_weighted = true;
  EXPECT_EQ(rule_of(contract).delay, DelayKind::hrf);
  contract.unit = SampleUnit::trials;
  EXPECT_EQ(rule_of(contract).trial_s, 12);
}

TEST(TrainedModelSamples, RefuseUnknownLabelsAndListThem) {
  const TrainedModel model = trained_ridge();
  const Runs runs = two_subjects({"cat", "face", "shoe"}, 4);
  const std::string message = message_of<DataError>([&] { labelled_problem(model, runs, {}); });
  EXPECT_THAT(message, HasSubstr("does not know 2 of the data's labels: cat, shoe"));
  EXPECT_THAT(message, HasSubstr("face, house"));
  LabelRule rule;
  rule.conditions = {"face"};
  EXPECT_EQ(labelled_problem(model, runs, rule).test_set(0).size(), 8);
  rule.conditions = {"house"};
  EXPECT_THAT(message_of<UsageError>([&] { labelled_problem(model, runs, rule); }), HasSubstr("no event is labelled"));
  rule = {};
  rule.rename = {{"cat", "house"}, {"shoe", "n/a"}};
  EXPECT_EQ(labelled_problem(model, runs, rule).test_set(0).size(), 16);
}

PreparedData data_of(const Runs& runs, const std::vector<std::string>& hashes) {
  PreparedData data;
  data.runs = runs;
  for (std::size_t r = 0; r < hashes.size(); ++r) {
    Run file;
    file.bold = runs->at(r).id + "_bold.nii";
    data.files.push_back(file);
    data.inputs.push_back({file.bold.string(), 1, 2, hashes[r]});
  }
  return data;
}

TEST(TrainingOverlap, IsFoundByTheFilesFingerprints) {
  TrainedModel model = trained_ridge();
  const Runs runs = two_subjects({"face", "house"}, 4);
  LearningProblem problem = labelled_problem(model, runs, {});
  LeakageReport overlap = check_training_overlap(model, data_of(runs, {"new", "other"}));
  EXPECT_TRUE(overlap.violations.empty());
  EXPECT_EQ(overlap.checks.size(), 1U);
  add_training_overlap(problem, overlap, false);

  overlap = check_training_overlap(model, data_of(runs, {"new", "seen"}));
  ASSERT_EQ(overlap.violations.size(), 1U);
  const std::string message = message_of<DataError>([&] {
    LearningProblem refused = problem;
    add_training_overlap(refused, overlap, false);
  });
  EXPECT_THAT(message, HasSubstr("1 of the 2 runs"));
  EXPECT_THAT(message, HasSubstr("sub-02"));
  EXPECT_THAT(message, HasSubstr("--allow-leakage"));
  add_training_overlap(problem, overlap, true);
  EXPECT_THAT(describe_split(problem).violations, ElementsAre("the model was trained on the run 'sub-02'"));

  InputContract silent = *model.contract;
  silent.provenance = "{}";
  model.contract = std::make_shared<const InputContract>(silent);
  overlap = check_training_overlap(model, data_of(runs, {"new", "seen"}));
  EXPECT_TRUE(overlap.violations.empty());
  EXPECT_THAT(overlap.notes, ElementsAre(HasSubstr("could not be checked")));
}

TEST(ScoresOfATrainedModel, AreThoseOfItsPredictions) {
  const TrainedModel model = trained_ridge();
  const LearningProblem problem = labelled_problem(model, two_subjects({"face", "house"}, 4), {});
  const SampleSet test = problem.test_set(0);
  const ModelEvaluation evaluation = score_predictions(problem, "ridge", predictions_of(ask(model, test), test, 0), 0);
  EXPECT_GE(evaluation.scores.balanced_accuracy, 0.9);
  EXPECT_EQ(evaluation.scores.samples, 16);
  EXPECT_EQ(evaluation.scores.group_unit, "subjects");
  EXPECT_EQ(evaluation.scores.confusion.sum(), 16);
  EXPECT_EQ(evaluation.scores.per_fold.size(), 1U);

  Predictions wrong = predictions_of(ask(model, test), test, 0);
  wrong.predicted = wrong.truth;
  for (int n = 0; n < 4; ++n)
    wrong.predicted[static_cast<std::size_t>(n)] = 1 - wrong.truth[static_cast<std::size_t>(n)];
  EXPECT_DOUBLE_EQ(score_predictions(problem, "x", wrong, 0).scores.balanced_accuracy, 0.75);  // 2 of 8 wrong for each

  // With the wrong delay the samples lie beside the response.
  InputContract late = *model.contract;
  late.delay_s = 14;
  TrainedModel shifted = trained_ridge();
  shifted.contract = std::make_shared<const InputContract>(late);
  const LearningProblem beside = labelled_problem(shifted, two_subjects({"face", "house"}, 4), {});
  const SampleSet off = beside.test_set(0);
  EXPECT_LT(score_predictions(beside, "ridge", predictions_of(ask(shifted, off), off, 0), 0).scores.balanced_accuracy,
            evaluation.scores.balanced_accuracy);
}

TEST(Ask, RefusesAModelWithOtherClassesThanLabels) {
  TrainedModel model = trained_ridge();
  InputContract more = *model.contract;
  more.labels = {"cat", "face", "house"};
  model.contract = std::make_shared<const InputContract>(more);
  const LearningProblem problem = labelled_problem(model, two_subjects({"face", "house"}, 4), {});
  EXPECT_THAT(message_of<DataError>([&] { ask(model, problem.test_set(0)); }), HasSubstr("2 classes but names 3"));
}

TEST(RunLabels, FitModelsOfRunsOnly) {
  TrainedModel model = trained_ridge();
  PrepareOptions options;
  require_run_labels(model, options);
  options.run_label = "task";
  EXPECT_THROW(require_run_labels(model, options), UsageError);
  InputContract runs = *model.contract;
  runs.unit = SampleUnit::runs;
  model.contract = std::make_shared<const InputContract>(runs);
  require_run_labels(model, options);
  EXPECT_THAT(message_of<UsageError>([&] { require_run_labels(model, {}); }), HasSubstr("--run-label"));
}

TEST(ExplainSamples, OfALinearModelAreItsWeights) {
  const TrainedModel model = trained_ridge();
  const LearningProblem problem = labelled_problem(model, two_subjects({"face", "house"}, 4), {});
  ExplainOptions options;
  options.methods = {"gradient"};
  const Explanation explanation = explain_samples("ridge", {{*model.classifier, problem.test_set(0)}}, options, 0);
  ASSERT_EQ(explanation.maps.size(), 2U);  // and the pattern
  const MatrixD weights = dynamic_cast<const LinearClassifier&>(*model.classifier).weights();
  // The margin of two labels is the difference of their decisions; summed over time the weights of volumes are 1.
  const MatrixD expected = weights.row(0) - weights.row(1);
  EXPECT_LT((explanation.maps[0].values.row(0) - expected).cwiseAbs().maxCoeff(), 1e-5);
  EXPECT_LT((explanation.maps[0].values.row(1) + expected).cwiseAbs().maxCoeff(), 1e-5);
  EXPECT_EQ(explanation.maps[1].method, "pattern");
  ASSERT_EQ(explanation.faithfulness.size(), 1U);
  EXPECT_GT(explanation.faithfulness[0].gain, 0);
  EXPECT_EQ(explanation.faithfulness[0].samples, 16);
  MajorityClassifier majority;
  majority.fit(problem.test_set(0));
  EXPECT_TRUE(explain_samples("majority", {{majority, problem.test_set(0)}}, options, 0).maps.empty());
}

}  // namespace
}  // namespace noema
