#include "noema/learn/scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "made_up.h"
#include "noema/core/error.h"
#include "noema/core/settings.h"
#include "noema/learn/splits.h"

namespace noema {
namespace {

using made_up::message_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Predictions predictions_of(std::vector<int> truth, std::vector<int> predicted, int classes) {
  Predictions made;
  made.classes = classes;
  made.truth = std::move(truth);
  made.predicted = std::move(predicted);
  made.fold.assign(made.truth.size(), 0);
  made.run.assign(made.truth.size(), 0);
  made.block.resize(made.truth.size());
  std::iota(made.block.begin(), made.block.end(), 0);
  return made;
}

/// scikit-learn 1.x: y = [0,0,0,1,1,2], p = [0,0,1,1,2,1] with the rows below; accuracy_score 0.5,
/// balanced_accuracy_score (2/3 + 1/2 + 0)/3, f1_score(average="macro") (0.8 + 0.4 + 0)/3, log_loss by hand.
Predictions small() {
  Predictions made = predictions_of({0, 0, 0, 1, 1, 2}, {0, 0, 1, 1, 2, 1}, 4);
  made.probabilities.resize(6, 4);
  made.probabilities << .7, .1, .1, .1,  //
      .6, .2, .2, 0,                     //
      .3, .5, .1, .1,                    //
      .1, .8, .1, 0,                     //
      .2, .3, .5, 0,                     //
      .1, .9, 0, 0;
  return made;
}

TEST(Scores, AreAsDefined) {
  const Scores scores = score(small());
  EXPECT_EQ(scores.samples, 6);
  EXPECT_DOUBLE_EQ(scores.accuracy, 0.5);
  EXPECT_DOUBLE_EQ(scores.balanced_accuracy, (2.0 / 3 + 0.5 + 0) / 3) << "the label 3 does not occur";
  EXPECT_DOUBLE_EQ(scores.macro_f1, (0.8 + 0.4 + 0) / 3);
  EXPECT_DOUBLE_EQ(scores.log_loss,
                   -(std::log(.7) + std::log(.6) + std::log(.3) + std::log(.8) + std::log(.3) + std::log(1e-15)) / 6);
  Eigen::MatrixXi expected(4, 4);
  expected << 2, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0;
  EXPECT_EQ(scores.confusion, expected);
}

TEST(Scores, OfSomeRows) {
  const std::vector<int> rows{3, 4};
  const Scores scores = score(small(), rows);
  EXPECT_DOUBLE_EQ(scores.balanced_accuracy, 0.5);
  EXPECT_DOUBLE_EQ(scores.macro_f1, (2.0 / 3 + 0) / 2) << "a label that is only predicted counts with 0";
  EXPECT_DOUBLE_EQ(scores.log_loss, -(std::log(.8) + std::log(.3)) / 2);
}

TEST(Scores, OfNothingAreNotNumbers) {
  const Scores scores = score(small(), std::vector<int>());
  for (Metric metric : {Metric::accuracy, Metric::balanced_accuracy, Metric::macro_f1, Metric::log_loss}) {
    EXPECT_TRUE(std::isnan(value_of(scores, metric)));
  }
  EXPECT_TRUE(std::isnan(score(predictions_of({0, 1}, {0, 1}, 2)).log_loss)) << "without probabilities";
}

TEST(Predictions, MustBeConsistent) {
  Predictions bad = small();
  bad.predicted[0] = 4;
  EXPECT_THAT(message_of<ShapeError>([&] { score(bad); }), HasSubstr("found the label 4, expected 0 to 3"));
  bad = small();
  bad.fold.pop_back();
  EXPECT_THAT(message_of<ShapeError>([&] { score(bad); }), HasSubstr("a column of 5 rows, expected 6"));
  bad = small();
  bad.decisions.resize(6, 3);
  EXPECT_THAT(message_of<ShapeError>([&] { score(bad); }), HasSubstr("6×3, expected 6×4"));
}

TEST(Predictions, AreJoined) {
  Predictions all;
  all.append(small());
  all.append(small());
  EXPECT_EQ(all.size(), 12);
  EXPECT_DOUBLE_EQ(score(all).log_loss, score(small()).log_loss);
  EXPECT_EQ(all.probabilities(7, 0), .6);
  Predictions bare = predictions_of({0}, {0}, 4);
  EXPECT_THAT(message_of<ShapeError>([&] { all.append(bare); }), HasSubstr("with probabilities cannot be joined"));
  bare.classes = 3;
  EXPECT_THROW(all.append(bare), ShapeError);
}

// Two weak votes of one volume each lose against one strong one; without scores heads are counted.
TEST(Vote, SumsWhatTheVolumesSay) {
  Predictions made = predictions_of({0, 0, 0, 1, 1}, {1, 0, 1, 1, 0}, 2);
  made.block = {7, 7, 7, 9, 9};
  const Predictions counted = vote_by_block(made);
  EXPECT_THAT(counted.predicted, ElementsAre(1, 0)) << "two of three; a tie goes to the lower label";
  EXPECT_THAT(counted.truth, ElementsAre(0, 1));
  EXPECT_THAT(counted.block, ElementsAre(7, 9));
  made.probabilities.resize(5, 2);
  made.probabilities << .4, .6, .9, .1, .4, .6, .1, .9, .6, .4;
  const Predictions averaged = vote_by_block(made);
  EXPECT_THAT(averaged.predicted, ElementsAre(0, 1));
  EXPECT_NEAR(averaged.probabilities(0, 0), 1.7 / 3, 1e-12);
  made.decisions.resize(5, 2);
  made.decisions << 0, 5, 1, 0, 0, 1, 0, 1, 9, 0;
  const Predictions decided = vote_by_block(made);
  EXPECT_THAT(decided.predicted, ElementsAre(1, 0)) << "decisions come before probabilities";
  EXPECT_NEAR(decided.probabilities(0, 0), 1.7 / 3, 1e-12);
}

TEST(Vote, KeepsFoldsApart) {
  Predictions made = predictions_of({0, 0}, {0, 1}, 2);
  made.block = {3, 3};
  made.fold = {0, 1};
  EXPECT_THAT(vote_by_block(made).predicted, ElementsAre(0, 1));
}

TEST(Groups, AreSubjectsElseRunsElseBlocks) {
  std::vector<LearningRun> runs{made_up::run("02", "1", 2, 5, {}), made_up::run("01", "1", 2, 5, {}),
                                made_up::run("01", "2", 2, 5, {})};
  Predictions made = predictions_of({0, 0, 0, 0}, {0, 0, 0, 0}, 2);
  made.run = {0, 1, 2, 1};
  made.block = {5, 6, 7, 7};
  EXPECT_THAT(resampling_groups(made, runs), ElementsAre(1, 0, 0, 0));
  made.run = {1, 1, 2, 1};
  EXPECT_THAT(resampling_groups(made, runs), ElementsAre(1, 1, 2, 1));
  made.run = {1, 1, 1, 1};
  EXPECT_THAT(resampling_groups(made, runs), ElementsAre(5, 6, 7, 7));
}

/// N predictions right with probability p; two classes in turn.
Predictions coins(int n, double p, std::uint64_t number) {
  RandomStream random(3, "coins", {number});
  std::vector<int> truth, predicted;
  for (int i = 0; i < n; ++i) {
    truth.push_back(i % 2);
    predicted.push_back(random.uniform() < p ? i % 2 : 1 - i % 2);
  }
  return predictions_of(truth, predicted, 2);
}

std::vector<int> blocks_as_groups(const Predictions& predictions) { return predictions.block; }

// A 95 % interval holds the true accuracy about 95 times of 100, and each tail misses about equally.
TEST(Bootstrap, CoversABinomial) {
  int below = 0, above = 0;
  const int trials = 400;
  for (int trial = 0; trial < trials; ++trial) {
    const Predictions made = coins(120, 0.7, static_cast<std::uint64_t>(trial));
    BootstrapOptions options;
    options.draws = 400;
    options.seed = static_cast<std::uint64_t>(trial);
    const Interval interval = bootstrap_interval(made, blocks_as_groups(made), Metric::accuracy, options);
    below += interval.high < 0.7;
    above += interval.low > 0.7;
  }
  EXPECT_NEAR(1 - static_cast<double>(below + above) / trials, 0.95, 0.035);
  EXPECT_NEAR(static_cast<double>(below) / trials, 0.025, 0.025);
  EXPECT_NEAR(static_cast<double>(above) / trials, 0.025, 0.025);
}

// Eight subjects that differ in what they can: plain percentiles would cover 88 %.
TEST(Bootstrap, CoversWithFewGroups) {
  int covered = 0;
  const int trials = 600, groups = 8, samples = 32;
  for (int trial = 0; trial < trials; ++trial) {
    RandomStream random(5, "subjects", {static_cast<std::uint64_t>(trial)});
    std::vector<int> truth(groups * samples, 0), predicted, group;
    for (int g = 0; g < groups; ++g) {
      const double p = 0.6 + 0.08 * random.normal();
      for (int i = 0; i < samples; ++i) {
        predicted.push_back(random.uniform() < p ? 0 : 1);
        group.push_back(g);
      }
    }
    BootstrapOptions options;
    options.draws = 400;
    options.seed = static_cast<std::uint64_t>(trial);
    const Interval interval = bootstrap_interval(predictions_of(truth, predicted, 2), group, Metric::accuracy, options);
    covered += interval.low <= 0.6 && 0.6 <= interval.high;
  }
  EXPECT_NEAR(static_cast<double>(covered) / trials, 0.945, 0.03);
}

// Two groups, one always right and one never: draws are 0, ½ and 1 in a quarter, a half and a quarter of the cases.
// The share cut is Φ(−√2 · tan(π · level/2)): 0.305 and 0.201.
TEST(Bootstrap, TakesThePercentilesOfTheLevel) {
  const Predictions made = predictions_of({0, 0}, {0, 1}, 2);
  const auto at = [&](double level) {
    BootstrapOptions options;
    options.level = level;
    const Interval interval = bootstrap_interval(made, made.block, Metric::accuracy, options);
    return std::pair(interval.low, interval.high);
  };
  EXPECT_EQ(at(0.22), std::pair(0.5, 0.5));
  EXPECT_EQ(at(0.34), std::pair(0.0, 1.0));
}

// Samples of one group rise and fall together, so the interval is as wide as that of the groups alone.
TEST(Bootstrap, DrawsGroups) {
  Predictions once = coins(30, 0.6, 9), repeated;
  for (int copy = 0; copy < 20; ++copy) repeated.append(once);
  const Interval single = bootstrap_interval(once, blocks_as_groups(once), Metric::balanced_accuracy);
  const Interval grouped = bootstrap_interval(repeated, blocks_as_groups(repeated), Metric::balanced_accuracy);
  EXPECT_DOUBLE_EQ(single.low, grouped.low);
  EXPECT_DOUBLE_EQ(single.high, grouped.high);
  std::vector<int> each(repeated.truth.size());
  std::iota(each.begin(), each.end(), 0);
  const Interval independent = bootstrap_interval(repeated, each, Metric::balanced_accuracy);
  EXPECT_LT(independent.high - independent.low, 0.4 * (single.high - single.low));
}

// Every metric of a draw is that of the samples drawn, put together.
TEST(Bootstrap, MetricsAreOfTheUnionOfTheDraw) {
  Predictions made = small();
  made.block = {0, 0, 1, 1, 2, 2};
  for (Metric metric : {Metric::accuracy, Metric::balanced_accuracy, Metric::macro_f1, Metric::log_loss}) {
    BootstrapOptions options;
    options.draws = 1;
    options.seed = 12;
    const Interval interval = bootstrap_interval(made, blocks_as_groups(made), metric, options);
    EXPECT_EQ(interval.low, interval.high);
    std::set<double> possible;
    for (int a = 0; a < 3; ++a) {
      for (int b = 0; b < 3; ++b) {
        for (int c = 0; c < 3; ++c) {
          std::vector<int> rows;
          for (int group : {a, b, c}) rows.insert(rows.end(), {2 * group, 2 * group + 1});
          possible.insert(value_of(score(made, rows), metric));
        }
      }
    }
    const bool found = std::any_of(possible.begin(), possible.end(),
                                   [&](double value) { return std::abs(value - interval.low) < 1e-12; });
    EXPECT_TRUE(found) << static_cast<int>(metric);
  }
}

TEST(Bootstrap, DependsOnTheSeedAloneAndNeedsTwoGroups) {
  const Predictions made = coins(50, 0.7, 1);
  const auto at = [&](std::uint64_t seed, int threads) {
    set_thread_count(threads);
    BootstrapOptions options;
    options.seed = seed;
    const Interval interval = bootstrap_interval(made, blocks_as_groups(made), Metric::accuracy, options);
    return std::pair(interval.low, interval.high);
  };
  EXPECT_EQ(at(4, 1), at(4, 2));
  const std::vector<int> one(50, 0);
  EXPECT_TRUE(std::isnan(bootstrap_interval(made, one, Metric::accuracy).low));
  EXPECT_THROW(bootstrap_interval(made, std::vector<int>(49, 0), Metric::accuracy), ShapeError);
  BootstrapOptions options;
  options.level = 1;
  EXPECT_THROW(bootstrap_interval(made, blocks_as_groups(made), Metric::accuracy, options), UsageError);
}

// Eight groups, all better by one sample: only the two of 2^8 exchanges that keep all signs equal are as large.
TEST(Comparison, IsExactForFewGroups) {
  std::vector<int> truth(16, 0), better(16, 0), worse(16, 0), groups;
  for (std::size_t i = 0; i < 16; ++i) {
    groups.push_back(static_cast<int>(i / 2));
    worse[i] = i % 2 == 0 ? 1 : 0;
  }
  const Predictions first = predictions_of(truth, better, 2), second = predictions_of(truth, worse, 2);
  const Comparison comparison = compare_models(first, second, groups, Metric::accuracy);
  EXPECT_DOUBLE_EQ(comparison.difference, 0.5);
  EXPECT_DOUBLE_EQ(comparison.p, 2.0 / 256);
  EXPECT_DOUBLE_EQ(comparison.interval.low, 0.5) << "all groups differ alike";
  const Comparison reversed = compare_models(second, first, groups, Metric::accuracy);
  EXPECT_DOUBLE_EQ(reversed.difference, -0.5);
  EXPECT_DOUBLE_EQ(reversed.p, comparison.p) << "two-sided";
  const Comparison same = compare_models(first, first, groups, Metric::accuracy);
  EXPECT_DOUBLE_EQ(same.difference, 0);
  EXPECT_DOUBLE_EQ(same.p, 1);
}

// Differences by group +1, +1, +1, −1 of 4 samples each: |sum| ≥ 2 in 10 of 16 sign patterns.
TEST(Comparison, CountsSignPatterns) {
  const std::vector<int> groups{0, 1, 2, 3};
  const Predictions first = predictions_of({0, 0, 0, 0}, {0, 0, 0, 1}, 2),
                    second = predictions_of({0, 0, 0, 0}, {1, 1, 1, 0}, 2);
  EXPECT_DOUBLE_EQ(compare_models(first, second, groups, Metric::accuracy).p, 10.0 / 16);
}

// Many groups are sampled; the p value then follows the normal approximation of the sum of signs.
TEST(Comparison, SamplesManyGroups) {
  const int n = 60;
  std::vector<int> truth(n, 0), first(n, 0), second(n, 0), groups(n);
  std::iota(groups.begin(), groups.end(), 0);
  for (int i = 0; i < 34; ++i) second[static_cast<std::size_t>(i)] = 1;
  for (int i = 34; i < n; ++i) first[static_cast<std::size_t>(i)] = 1;  // 34 groups for the first, 26 for the second
  BootstrapOptions options;
  options.draws = 4000;
  const Comparison comparison = compare_models(predictions_of(truth, first, 2), predictions_of(truth, second, 2),
                                               groups, Metric::accuracy, options);
  // P(|2·Bin(60, ½) − 60| ≥ 8) = 0.3663
  EXPECT_NEAR(comparison.p, 0.3663, 4 * std::sqrt(0.366 * 0.634 / 4000));
  EXPECT_LT(comparison.interval.low, 0);
  EXPECT_GT(comparison.interval.high, 0);
}

TEST(Comparison, NeedsTheSameSamples) {
  const Predictions first = small();
  Predictions second = small();
  std::swap(second.block[0], second.block[1]);
  EXPECT_THAT(message_of<ShapeError>([&] { compare_models(first, second, first.block, Metric::accuracy); }),
              HasSubstr("the same samples only"));
}

TEST(PermutationP, CountsTies) {
  const std::vector<double> null{0.1, 0.2, 0.3, 0.3, 0.5};
  EXPECT_DOUBLE_EQ(permutation_p(0.3, null), 4.0 / 6);
  EXPECT_DOUBLE_EQ(permutation_p(0.1 + 0.2, null), 4.0 / 6) << "rounding is no difference";
  EXPECT_DOUBLE_EQ(permutation_p(0.6, null), 1.0 / 6);
  EXPECT_DOUBLE_EQ(permutation_p(0.6, {}), 1.0);
}

struct Study {
  std::vector<LearningRun> runs;
  LabelTable labels;
  std::vector<Block> blocks;

  explicit Study(std::vector<LearningRun> made) : runs(std::move(made)) {
    labels = make_label_table(runs, {});
    blocks = find_blocks(runs, labels, {});
  }
  std::vector<int> own_labels() const {
    std::vector<int> list;
    for (const Block& block : blocks) list.push_back(block.label);
    return list;
  }
  std::vector<int> permuted(const std::string& unit, std::uint64_t index, std::uint64_t seed = 0) const {
    SplitOptions options;
    options.unit = unit;
    const Split split = make_split(runs, blocks, labels, options);
    return permute_labels(runs, blocks, exchangeable_blocks(split, blocks), seed, index);
  }
};

LearningRun run(const std::string& subject, const std::string& number, const std::string& labels) {
  return made_up::run(subject, number, 2, 100, made_up::letters(labels, 20));
}

/// How often each label occurs in each set of blocks.
template <typename Key>
std::map<std::pair<Key, int>, int> counts(const std::vector<Key>& set_of_block, const std::vector<int>& labels) {
  std::map<std::pair<Key, int>, int> found;
  for (std::size_t b = 0; b < labels.size(); ++b) ++found[{set_of_block[b], labels[b]}];
  return found;
}

TEST(Permutation, KeepsTheCountsOfEachRunAndMoves) {
  const Study study({run("01", "1", "aabcab"), run("01", "2", "bbbcca")});
  std::vector<int> run_of_block;
  for (const Block& block : study.blocks) run_of_block.push_back(block.run);
  std::set<std::vector<int>> seen;
  for (std::uint64_t index = 0; index < 50; ++index) {
    const std::vector<int> permuted = study.permuted("run", index);
    EXPECT_EQ(counts(run_of_block, permuted), counts(run_of_block, study.own_labels()));
    seen.insert(permuted);
  }
  EXPECT_GT(seen.size(), 40u);
  EXPECT_EQ(study.permuted("run", 3), study.permuted("run", 3));
  EXPECT_NE(study.permuted("run", 3, 0), study.permuted("run", 3, 1));
}

// Each block gets each label as often as the label occurs in its run.
TEST(Permutation, IsUniform) {
  const Study study({run("01", "1", "abcb"), run("01", "2", "abca")});
  const int draws = 3000;
  std::vector<std::vector<int>> found(4, std::vector<int>(3, 0));
  for (int index = 0; index < draws; ++index) {
    const std::vector<int> permuted = study.permuted("run", static_cast<std::uint64_t>(index));
    for (std::size_t b = 0; b < 4; ++b) ++found[b][static_cast<std::size_t>(permuted[b])];
  }
  for (const auto& of_block : found) {
    EXPECT_NEAR(of_block[0], draws / 4.0, 5 * std::sqrt(draws * 3.0 / 16));
    EXPECT_NEAR(of_block[1], draws / 2.0, 5 * std::sqrt(draws / 4.0));
  }
}

// Where the split divides runs, each side of a fold keeps its counts, so no training fold loses a label.
TEST(Permutation, KeepsTheCountsOfEachFold) {
  const Study study({run("01", "1", "abcbca")});
  std::vector<int> occurrences;
  for (const Block& block : study.blocks) occurrences.push_back(block.occurrence);
  std::set<std::vector<int>> seen;
  for (std::uint64_t index = 0; index < 50; ++index) {
    const std::vector<int> permuted = study.permuted("occurrence", index);
    EXPECT_EQ(counts(occurrences, permuted), counts(occurrences, study.own_labels()));
    seen.insert(permuted);
  }
  EXPECT_GT(seen.size(), 20u);
  EXPECT_EQ(counts(std::vector<int>(6, 0), study.permuted("block", 1)),
            counts(std::vector<int>(6, 0), study.own_labels()));
  std::set<std::vector<int>> by_block;
  for (std::uint64_t index = 0; index < 50; ++index) by_block.insert(study.permuted("block", index));
  EXPECT_GT(by_block.size(), 20u) << "single blocks are exchanged within their run";
}

// Labels of whole runs move between the runs of a subject: all blocks of a run together.
TEST(Permutation, MovesLabelsOfRunsWithinSubjects) {
  const Study study({run("01", "1", "a"), run("01", "2", "b"), run("01", "3", "b"), run("02", "1", "b"),
                     run("02", "2", "a"), run("02", "3", "a")});
  std::vector<std::string> subjects;
  for (const Block& block : study.blocks) subjects.push_back(study.runs[static_cast<std::size_t>(block.run)].subject);
  std::set<std::vector<int>> seen;
  for (std::uint64_t index = 0; index < 60; ++index) {
    const std::vector<int> permuted = study.permuted("subject", index);
    EXPECT_EQ(counts(subjects, permuted), counts(subjects, study.own_labels()));
    seen.insert(permuted);
  }
  EXPECT_EQ(seen.size(), 9u) << "three places for the odd label in each of two subjects";
}

TEST(Permutation, MovesLabelsOfSubjectsBetweenSubjects) {
  const Study study({run("01", "1", "a"), run("01", "2", "a"), run("02", "1", "b"), run("03", "1", "b"),
                     run("03", "2", "b"), run("04", "1", "a")});
  std::set<std::vector<int>> seen;
  for (std::uint64_t index = 0; index < 100; ++index) {
    const std::vector<int> permuted = study.permuted("subject", index);
    EXPECT_EQ(permuted[0], permuted[1]) << "the subject stays whole";
    EXPECT_EQ(permuted[3], permuted[4]);
    EXPECT_EQ(permuted[0] + permuted[2] + permuted[3] + permuted[5], 2) << "two subjects of each label";
    seen.insert(permuted);
  }
  EXPECT_EQ(seen.size(), 6u);
}

// Runs of one session look alike, so that to move them one by one would break more than the labels.
TEST(Permutation, MovesLabelsOfSessionsTogether) {
  Study study(
      {run("01", "1", "a"), run("01", "2", "a"), run("01", "3", "b"), run("01", "4", "b"), run("01", "5", "b")});
  const char* sessions[] = {"1", "1", "2", "2", "3"};
  for (std::size_t r = 0; r < 5; ++r) study.runs[r].session = sessions[r];
  std::set<std::vector<int>> seen;
  for (std::uint64_t index = 0; index < 60; ++index) {
    const std::vector<int> permuted = study.permuted("run", index);
    EXPECT_EQ(permuted[0], permuted[1]);
    EXPECT_EQ(permuted[2], permuted[3]);
    EXPECT_EQ(permuted[0] + permuted[2] + permuted[4], 2) << "one of three sessions has the label a";
    seen.insert(permuted);
  }
  EXPECT_EQ(seen.size(), 3u);
}

TEST(Permutation, NeedsANumberForEachBlock) {
  const Study study({run("01", "1", "abab")});
  const std::vector<int> few{0, 0};
  EXPECT_THROW(permute_labels(study.runs, study.blocks, few, 0, 0), ShapeError);
}

}  // namespace
}  // namespace noema
