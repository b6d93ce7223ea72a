#include "noema/learn/cross_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "made_up.h"
#include "noema/core/cancel.h"
#include "noema/core/settings.h"
#include "noema/learn/linear_classifier.h"
#include "noema/learn/majority.h"

namespace noema {
namespace {

using made_up::message_of;
using made_up::warnings_of;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Runs = std::shared_ptr<const std::vector<LearningRun>>;

/// Runs with blocks of 10 s every 20 s, TR 2 s; features 0 and 1 answer to labels a and b `delay_s` later, 2 to 5 to
/// any event.
std::vector<LearningRun> study(int runs, double signal, double delay_s = 4, const std::string& labels = "abbaab",
                               int features = 12) {
  std::vector<LearningRun> made;
  for (int r = 0; r < runs; ++r) {
    const auto events = made_up::letters(labels, 20);
    const int volumes = static_cast<int>(labels.size()) * 10 + 5;
    LearningRun run = made_up::run("1", std::to_string(r + 1), 2, volumes, events, features);
    for (const Event& event : events) {
      const VolumeRange seen = volumes_between(run.series, event.onset_s + delay_s, event.end_s() + delay_s);
      for (int t = seen.first; t < seen.end; ++t) {
        run.series.values(t, event.label == "a" ? 0 : 1) += static_cast<float>(signal);
        for (int f = 2; f < 6; ++f) run.series.values(t, f) += 3;
      }
    }
    made.push_back(std::move(run));
  }
  return made;
}

Runs shared(std::vector<LearningRun> runs) { return std::make_shared<const std::vector<LearningRun>>(std::move(runs)); }

TEST(Problem, EstimatesDelaysAndMakesSamplesPerFold) {
  const LearningProblem problem = make_problem(shared(study(4, 1)), {});
  EXPECT_THAT(problem.labels.names, ElementsAre("a", "b"));
  EXPECT_EQ(problem.split.unit, "run");
  EXPECT_EQ(problem.unit, SampleUnit::blocks);
  EXPECT_THAT(problem.blocks, SizeIs(24));
  ASSERT_THAT(problem.folds, SizeIs(4));
  for (const FoldData& fold : problem.folds) {
    EXPECT_NEAR(fold.delay_s, 4, 1.01) << fold.name;
    EXPECT_EQ(fold.delay_s, fold.estimate.delay_s);
    EXPECT_EQ(fold.dropped_blocks, 0);
  }
  EXPECT_THAT(problem.leakage.violations, IsEmpty());
}

// The run that is tested answers at another time than the one that is trained on, whose time must be taken.
TEST(Problem, TakesNoDelayFromTestRuns) {
  std::vector<LearningRun> runs = study(2, 1, 0);
  runs[1] = study(2, 1, 6)[1];
  const LearningProblem problem = make_problem(shared(std::move(runs)), {});
  ASSERT_THAT(problem.folds, SizeIs(2));
  EXPECT_NEAR(problem.folds[0].delay_s, 6, 1.01);
  EXPECT_NEAR(problem.folds[1].delay_s, 0, 1.01);
}

TEST(Problem, TakesFixedDelaysAndSaysWhenTheyContradictTheData) {
  LabelRule rule;
  rule.delay = DelayKind::fixed;
  rule.delay_s = 4;
  const Runs runs = shared(study(4, 1));
  LearningProblem problem;
  EXPECT_THAT(warnings_of([&] { problem = make_problem(runs, rule); }), IsEmpty());
  EXPECT_EQ(problem.folds[2].delay_s, 4);
  rule.delay_s = 0;
  const std::string warnings = warnings_of([&] { problem = make_problem(runs, rule); });
  EXPECT_THAT(warnings, HasSubstr("in 4 of 4 folds"));
  EXPECT_EQ(problem.folds[2].delay_s, 0);
  rule.delay = DelayKind::hrf;
  EXPECT_EQ(make_problem(runs, rule).folds[0].delay_s, 0);
}

// Estimates of trials fill one volume each, so no rest is left and a response at another time means nothing.
TEST(Problem, EstimatesNothingOfADelayWhereThereIsNone) {
  std::vector<LearningRun> runs = study(4, 1);
  LabelRule rule;
  rule.trial_s = 2;
  ProblemOptions options;
  options.unit = SampleUnit::trials;
  rule.delay = DelayKind::fixed;
  EXPECT_THAT(warnings_of([&] { make_problem(shared(runs), rule, options); }), HasSubstr("disagrees"));
  for (LearningRun& run : runs) {
    run.series.keep.assign(run.series.keep.size(), 0);
    for (const Event& event : run.events) {
      run.series.keep[static_cast<std::size_t>(volumes_between(run.series, event.onset_s, 1e9).first)] = 1;
    }
  }
  LearningProblem fixed, none;
  EXPECT_THAT(warnings_of([&] { fixed = make_problem(shared(runs), rule, options); }),
              HasSubstr("cannot be estimated"));
  rule.delay = DelayKind::none;
  EXPECT_THAT(warnings_of([&] { none = make_problem(shared(runs), rule, options); }), IsEmpty());
  ASSERT_EQ(none.folds.size(), fixed.folds.size());
  for (std::size_t f = 0; f < none.folds.size(); ++f) {
    EXPECT_THAT(none.folds[f].estimate.shifts_s, IsEmpty());
    EXPECT_EQ(none.folds[f].delay_s, 0);
    ASSERT_EQ(none.folds[f].samples.size(), fixed.folds[f].samples.size());
    ASSERT_FALSE(none.folds[f].test.empty());
    EXPECT_EQ(none.folds[f].test, fixed.folds[f].test);
    for (std::size_t s = 0; s < none.folds[f].samples.size(); ++s) {
      EXPECT_EQ(none.folds[f].samples[s].volumes, fixed.folds[f].samples[s].volumes);
    }
  }
}

TEST(Problem, RefusesLeaksUnlessAllowed) {
  const Runs runs = shared(study(2, 1));
  ProblemOptions options;
  options.shuffled_folds = 3;
  EXPECT_THAT(message_of<DataError>([&] { make_problem(runs, {}, options); }), HasSubstr("leaks"));
  options.allow_leakage = true;
  const LearningProblem problem = make_problem(runs, {}, options);
  EXPECT_TRUE(problem.leakage.allowed);
  EXPECT_EQ(problem.unit, SampleUnit::volumes);
  EXPECT_EQ(problem.split.unit, "sample");
  std::vector<int> tested;
  for (const FoldData& fold : problem.folds) tested.insert(tested.end(), fold.test.begin(), fold.test.end());
  std::sort(tested.begin(), tested.end());
  EXPECT_EQ(tested.size(), problem.folds[0].samples.size());
  EXPECT_EQ(std::unique(tested.begin(), tested.end()), tested.end());
  EXPECT_EQ(cross_validate(problem, linear_factory()).predictions.size(), static_cast<std::int64_t>(tested.size()));
  EXPECT_THROW(make_problem(nullptr, {}), UsageError);
}

TEST(Problem, CountsBlocksThatGaveNoSample) {
  std::vector<LearningRun> runs = study(3, 1);
  auto& keep = runs[1].series.keep;
  std::fill(keep.begin(), keep.begin() + 10, 0);
  const LearningProblem problem = make_problem(shared(std::move(runs)), {});
  EXPECT_EQ(problem.folds[0].dropped_blocks, 1);
  EXPECT_THAT(samples_per_label(problem.folds[1], problem.folds[1].test, problem.labels), ElementsAre(2, 3));
}

TEST(CrossValidate, CollectsTestSamplesOfAllFolds) {
  const LearningProblem problem = make_problem(shared(study(4, 3)), {});
  CrossValidationOptions options;
  options.keep_models = true;
  const CrossValidation result = cross_validate(problem, linear_factory(), options);
  EXPECT_NO_THROW(result.predictions.validate());
  EXPECT_EQ(result.predictions.size(), 24);
  EXPECT_EQ(score(result.predictions).accuracy, 1);
  EXPECT_THAT(result.models, SizeIs(4));
  EXPECT_THAT(result.fold_scores, SizeIs(4));
  std::int64_t row = 0;
  for (std::size_t f = 0; f < 4; ++f) {
    const SampleSet test = problem.test_set(static_cast<int>(f));
    const MatrixD decisions = result.models[f]->predict(test).decisions;
    for (std::int64_t n = 0; n < test.size(); ++n, ++row) {
      const auto index = static_cast<std::size_t>(row);
      EXPECT_EQ(result.predictions.fold[index], static_cast<int>(f));
      EXPECT_EQ(result.predictions.run[index], test.samples[static_cast<std::size_t>(n)].run);
      EXPECT_EQ(result.predictions.block[index], test.samples[static_cast<std::size_t>(n)].block);
      EXPECT_EQ(result.predictions.decisions.row(row), decisions.row(n));
    }
  }
  EXPECT_THAT(cross_validate(problem, linear_factory()).models, IsEmpty());
}

TEST(CrossValidate, DoesNotDependOnThreads) {
  const LearningProblem problem = make_problem(shared(study(4, 0.7)), {});
  const int before = thread_count();
  PermutationOptions permutations;
  permutations.permutations = 20;
  set_thread_count(1);
  const CrossValidation one = cross_validate(problem, linear_factory());
  const PermutationTest one_test = permutation_test(problem, linear_factory(), permutations);
  set_thread_count(2);
  EXPECT_EQ(cross_validate(problem, linear_factory()).predictions.decisions, one.predictions.decisions);
  EXPECT_EQ(permutation_test(problem, linear_factory(), permutations).null, one_test.null);
  set_thread_count(before);
  CrossValidationOptions serial;
  serial.parallel = false;
  EXPECT_EQ(cross_validate(problem, linear_factory(), serial).predictions.decisions, one.predictions.decisions);
}

TEST(CrossValidate, GainsNothingFromWhatOnlyTestDataKnow) {
  // In each test run a feature that is noise elsewhere gives the label away. A model that saw test data in screening,
  // scaling or fitting would use it.
  std::vector<LearningRun> runs = study(6, 0, 4, "abbaab", 300);
  const LearningProblem plain = make_problem(shared(runs), {});
  FeatureTransformOptions screened;
  screened.screening = Screening::anova;
  screened.keep = 5;
  const ClassifierFactory factory = linear_factory({.transform = screened});
  for (int r = 0; r < 6; ++r) {
    for (const Block& block : plain.blocks) {
      if (block.run != r) continue;
      auto& series = runs[static_cast<std::size_t>(r)].series;
      const VolumeRange seen = volumes_between(series, block.onset_s + 4, block.end_s + 4);
      for (int t = seen.first; t < seen.end; ++t) series.values(t, 20 + r) += block.label == 0 ? 4.0F : -4.0F;
    }
  }
  CrossValidationOptions keep;
  keep.keep_models = true;
  const LearningProblem planted = make_problem(shared(runs), {});
  const CrossValidation result = cross_validate(planted, factory, keep);
  EXPECT_LT(score(result.predictions).accuracy, 0.8);
  for (int fold = 0; fold < 6; ++fold) {
    // The model is the one that data without the test run give.
    std::vector<LearningRun> blanked = runs;
    blanked[static_cast<std::size_t>(fold)].series.values.setZero();
    CrossValidationOptions others;
    others.keep_models = true;
    others.runs = shared(blanked);
    const auto models = cross_validate(planted, factory, others).models;
    const auto index = static_cast<std::size_t>(fold);
    EXPECT_EQ(dynamic_cast<LinearClassifier&>(*models[index]).weights(),
              dynamic_cast<LinearClassifier&>(*result.models[index]).weights());
  }
}

TEST(CrossValidate, LearnsFromOtherSeries) {
  const LearningProblem problem = make_problem(shared(study(4, 3)), {});
  CrossValidationOptions options;
  options.runs = shared(study(4, 0));
  EXPECT_LT(score(cross_validate(problem, linear_factory(), options).predictions).accuracy, 0.9);
  options.runs = shared(study(3, 0));
  EXPECT_THROW(cross_validate(problem, linear_factory(), options), ShapeError);
  std::vector<LearningRun> shorter = study(4, 0);
  shorter[2].series.values.conservativeResize(30, 12);
  options.runs = shared(shorter);
  EXPECT_THROW(cross_validate(problem, linear_factory(), options), ShapeError);
}

TEST(CrossValidate, MajorityIsAtChance) {
  const CrossValidation result = cross_validate(make_problem(shared(study(4, 3)), {}),
                                                [](std::uint64_t) { return std::make_unique<MajorityClassifier>(); });
  EXPECT_EQ(score(result.predictions).balanced_accuracy, 0.5);
}

TEST(CrossValidate, NamesTheFoldOfAnError) {
  LearningProblem problem = make_problem(shared(study(4, 1)), {});
  std::erase_if(problem.folds[2].train,
                [&](int i) { return problem.folds[2].samples[static_cast<std::size_t>(i)].label == 1; });
  const std::string message = message_of<DataError>([&] { cross_validate(problem, linear_factory()); });
  EXPECT_THAT(message, HasSubstr(problem.folds[2].name));
  EXPECT_THAT(message, HasSubstr("no training sample"));
}

TEST(CrossValidate, RefusesDecisionsThatAreNoNumbers) {
  LearningProblem problem = make_problem(shared(study(4, 3)), {});
  problem.folds = std::vector<FoldData>{problem.folds[2]};
  std::vector<LearningRun> broken = study(4, 3);
  broken[2].series.values.col(1).setConstant(std::numeric_limits<float>::quiet_NaN());
  CrossValidationOptions options;
  options.runs = shared(std::move(broken));
  EXPECT_THAT(message_of<NumericalError>([&] { cross_validate(problem, linear_factory(), options); }),
              HasSubstr("test data that are not finite"));
}

TEST(PermutationTest, IsSmallUnderSignalAndCountsItself) {
  PermutationOptions options;
  options.permutations = 49;
  const PermutationTest test = permutation_test(make_problem(shared(study(4, 3)), {}), linear_factory(), options);
  EXPECT_EQ(test.observed, 1);
  EXPECT_EQ(test.n, 49);
  EXPECT_THAT(test.null, SizeIs(49));
  EXPECT_EQ(test.p, permutation_p(test.observed, test.null));
  EXPECT_LE(test.p, 0.04);
  double mean = 0;
  for (const double value : test.null) mean += value / 49;
  EXPECT_NEAR(mean, 0.5, 0.12);
}

TEST(PermutationTest, IsSpreadEvenlyWithoutSignal) {
  PermutationOptions options;
  options.permutations = 19;
  FeatureTransformOptions screened;
  screened.screening = Screening::anova;
  screened.keep = 4;
  std::vector<double> ps;
  for (std::uint64_t s = 0; s < 40; ++s) {
    std::vector<LearningRun> runs = study(3, 0, 4, "abbaab", 30);
    for (LearningRun& run : runs) {
      RandomStream random(s, run.id);
      for (Eigen::Index i = 0; i < run.series.values.size(); ++i)
        run.series.values.data()[i] = static_cast<float>(random.normal());
    }
    LabelRule rule;
    rule.delay = DelayKind::hrf;
    options.seed = s;
    ps.push_back(
        permutation_test(make_problem(shared(std::move(runs)), rule), linear_factory({.transform = screened}), options)
            .p);
  }
  // Ties make p larger than uniform, never smaller.
  const auto below = [&](double limit) {
    return std::count_if(ps.begin(), ps.end(), [&](double p) { return p <= limit; });
  };
  EXPECT_LE(below(0.1), 10);
  EXPECT_GE(below(0.7), 15);
  EXPECT_LE(below(0.5), 30);
}

TEST(PermutationTest, VotesNegatesLogLossAndRefusesWhatCannotBe) {
  ProblemOptions by_volume;
  by_volume.unit = SampleUnit::volumes;
  const LearningProblem problem = make_problem(shared(study(3, 3)), {}, by_volume);
  PermutationOptions options;
  options.permutations = 5;
  options.by_block = true;
  const CrossValidation result = cross_validate(problem, linear_factory());
  EXPECT_EQ(permutation_test(problem, linear_factory(), options).observed,
            score(vote_by_block(result.predictions)).balanced_accuracy);
  options.metric = Metric::log_loss;
  EXPECT_THROW(permutation_test(problem, linear_factory(), options), UsageError);
  LinearClassifierOptions logistic{.kind = LinearKind::logistic};
  logistic.logistic.strengths = {0.1};
  const PermutationTest test = permutation_test(problem, linear_factory(logistic), options);
  EXPECT_LT(test.observed, 0);
  EXPECT_GT(test.observed, *std::max_element(test.null.begin(), test.null.end()));
  options.permutations = 0;
  EXPECT_THROW(permutation_test(problem, linear_factory(), options), UsageError);
}

TEST(PermutationTest, CanBeCancelled) {
  const LearningProblem problem = make_problem(shared(study(3, 1)), {});
  request_cancel();
  EXPECT_THROW(permutation_test(problem, linear_factory()), Cancelled);
  EXPECT_THROW(cross_validate(problem, linear_factory()), Cancelled);
  reset_cancel();
}

TEST(FitOnAll, UsesEverySample) {
  const LearningProblem problem = make_problem(shared(study(4, 3)), {});
  const FinalModel final = fit_on_all(problem, linear_factory());
  EXPECT_EQ(final.data.set.size(), 24);
  EXPECT_EQ(final.data.delay_s, final.data.estimate.delay_s);
  LinearClassifier direct;
  direct.fit(final.data.set);
  EXPECT_EQ(final.model->predict(final.data.set).decisions, direct.predict(final.data.set).decisions);
}

}  // namespace
}  // namespace noema
