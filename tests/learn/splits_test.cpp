#include "noema/learn/splits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "made_up.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using made_up::message_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Runs of events of 10 s, each its own block, and what is made of them.
struct Study {
  std::vector<LearningRun> runs;
  LabelTable labels;
  std::vector<Block> blocks;

  explicit Study(std::vector<LearningRun> made) : runs(std::move(made)) {
    labels = make_label_table(runs, {});
    blocks = find_blocks(runs, labels, {});
  }
  Split split(const SplitOptions& options = {}) const { return make_split(runs, blocks, labels, options); }
  Split split(const std::string& unit) const {
    SplitOptions options;
    options.unit = unit;
    return split(options);
  }
};

LearningRun run(const std::string& subject, const std::string& number, const std::string& labels) {
  return made_up::run(subject, number, 2, 100, made_up::letters(labels, 20));
}

Study three_subjects() {
  return Study({run("02", "1", "abab"), run("01", "1", "ab"), run("01", "2", "ba"), run("03", "1", "aabb")});
}

std::vector<std::string> names_of(const Split& split) {
  std::vector<std::string> names;
  for (const Fold& fold : split.folds) names.push_back(fold.name);
  return names;
}

/// Each block once in a test set, and in the training set of all other folds.
void expect_partition(const Split& split, std::size_t blocks) {
  std::vector<int> tested;
  for (const Fold& fold : split.folds) {
    tested.insert(tested.end(), fold.test.begin(), fold.test.end());
    std::vector<int> all = fold.train;
    all.insert(all.end(), fold.test.begin(), fold.test.end());
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all.size(), blocks);
    EXPECT_TRUE(std::adjacent_find(all.begin(), all.end()) == all.end());
  }
  std::sort(tested.begin(), tested.end());
  EXPECT_EQ(tested.size(), blocks);
  EXPECT_TRUE(std::adjacent_find(tested.begin(), tested.end()) == tested.end());
}

TEST(Split, LeavesSubjectsOut) {
  const Study study = three_subjects();
  const Split split = study.split("subject");
  EXPECT_EQ(split.unit, "subject");
  EXPECT_THAT(names_of(split), ElementsAre("01", "02", "03"));
  EXPECT_THAT(split.folds[0].test, ElementsAre(4, 5, 6, 7)) << "both runs of the subject";
  EXPECT_THAT(split.folds[1].test, ElementsAre(0, 1, 2, 3));
  expect_partition(split, study.blocks.size());
}

TEST(Split, OptionsAreRefusedBeforeThereAreBlocks) {
  std::vector<LearningRun> runs{run("01", "1", ""), run("01", "2", "")};
  const auto refused = [&](const SplitOptions& options) {
    return message_of<UsageError>([&] { check_split_options(runs, options); });
  };
  EXPECT_THAT(refused({"subject"}), HasSubstr("found only '01'"));
  EXPECT_THAT(refused({"group", "run", 3}), HasSubstr("2 groups"));
  for (const char* unit : {"auto", "run", "occurrence", "block"}) EXPECT_NO_THROW(check_split_options(runs, {unit}));
  EXPECT_NO_THROW(check_split_options(runs, {"group", "run", 2}));
  EXPECT_THROW(check_split_options(runs, {"group", "family", 2}), DataError);
  EXPECT_THROW(check_split_options(runs, {"given", "", 0, "/nowhere/split.tsv"}), IoError);
  runs.pop_back();
  EXPECT_THAT(refused({"run"}), HasSubstr("at least 2 runs"));
  runs.push_back(run("02", "1", ""));
  EXPECT_NO_THROW(check_split_options(runs, {"subject"}));
}

TEST(Split, LeavesRunsOut) {
  const Study study({run("01", "1", "abba"), run("01", "2", "ab"), run("01", "3", "ba")});
  const Split split = study.split("run");
  EXPECT_THAT(names_of(split), ElementsAre("sub-01_run-1", "sub-01_run-2", "sub-01_run-3"));
  EXPECT_THAT(split.folds[1].test, ElementsAre(4, 5));
  expect_partition(split, study.blocks.size());
}

TEST(Split, LeavesBlocksOut) {
  const Study study({run("01", "1", "abba")});
  const Split split = study.split("block");
  EXPECT_EQ(split.folds.size(), 4u);
  EXPECT_EQ(split.folds[3].name, "sub-01_run-1 a 2");
  EXPECT_THAT(split.folds[3].test, ElementsAre(3));
  expect_partition(split, study.blocks.size());
}

TEST(Split, TestsOccurrencesAgainstEachOther) {
  const Study study({run("01", "1", "abbcca"), run("01", "2", "cabcab")});
  const Split split = study.split("occurrence");
  EXPECT_EQ(split.folds.size(), 2u);
  EXPECT_THAT(split.folds[0].test, ElementsAre(0, 1, 3, 6, 7, 8));
  EXPECT_THAT(split.folds[1].test, ElementsAre(2, 4, 5, 9, 10, 11));
  expect_partition(split, study.blocks.size());
}

// The largest groups first, each to the lightest fold; no group divided; the order of the runs does not matter.
TEST(Split, DealsGroupsEvenly) {
  std::vector<LearningRun> runs;
  const std::vector<std::pair<std::string, std::string>> families{{"f1", "abababab"}, {"f2", "ababab"}, {"f3", "abab"},
                                                                  {"f4", "ab"},       {"f1", "ab"},     {"f5", "ab"}};
  for (std::size_t i = 0; i < families.size(); ++i) {
    runs.push_back(run(std::to_string(i), "1", families[i].second));
    runs.back().groups["family"] = families[i].first;
  }
  SplitOptions options;
  options.unit = "group";
  options.group = "family";
  options.folds = 3;  // blocks: f1 10, f2 6, f3 4, f4 2, f5 2
  const auto tested_families = [&](const std::vector<LearningRun>& order) {
    const Study study(order);
    const Split split = study.split(options);
    expect_partition(split, study.blocks.size());
    std::vector<std::string> tested;
    for (const Fold& fold : split.folds) {
      std::set<std::string> names;
      for (int block : fold.test)
        names.insert(study.runs[static_cast<std::size_t>(study.blocks[static_cast<std::size_t>(block)].run)].groups.at(
            "family"));
      std::string joined;
      for (const std::string& name : names) joined += name;
      tested.push_back(joined);
    }
    return tested;
  };
  EXPECT_THAT(tested_families(runs), ElementsAre("f1", "f2f5", "f3f4"));
  std::reverse(runs.begin(), runs.end());
  EXPECT_THAT(tested_families(runs), ElementsAre("f1", "f2f5", "f3f4"));
}

TEST(Split, GroupsMustBeKnownAndEnough) {
  Study study = three_subjects();
  SplitOptions options;
  options.unit = "group";
  options.folds = 4;
  EXPECT_THAT(message_of<UsageError>([&] { study.split(options); }),
              HasSubstr("4 folds were asked for, but there are 3 groups by 'subject'"));
  options.folds = 1;
  EXPECT_THROW(study.split(options), UsageError);
  options.folds = 2;
  options.group = "family";
  study.runs[0].groups["family"] = "f1";
  EXPECT_THAT(message_of<DataError>([&] { study.split(options); }),
              HasSubstr("run 'sub-01_run-1' has no group 'family'; it has subject, session, run"));
}

TEST(Split, DefaultFollowsTheData) {
  EXPECT_EQ(three_subjects().split().unit, "subject");
  EXPECT_EQ(Study({run("01", "1", "ab"), run("01", "2", "ab")}).split().unit, "run");
  EXPECT_EQ(Study({run("01", "1", "abab")}).split().unit, "occurrence");
  EXPECT_EQ(Study({run("01", "1", "abab"), run("02", "1", "")}).split().unit, "occurrence")
      << "runs without events do not count";
}

TEST(Split, SaysWhatToDoWithOneSubjectOrRun) {
  const Study one({run("01", "1", "abab")});
  EXPECT_THAT(message_of<UsageError>([&] { one.split("subject"); }),
              HasSubstr("at least 2 subjects, found only '01'; with one subject leave runs out (split `run`)"));
  EXPECT_THAT(message_of<UsageError>([&] { one.split("run"); }), HasSubstr("(split `occurrence`)"));
  EXPECT_THAT(message_of<UsageError>([&] { Study({run("01", "1", "ab")}).split("occurrence"); }),
              HasSubstr("labels that come back"));
  EXPECT_THAT(message_of<UsageError>([&] { one.split("random"); }),
              HasSubstr("unknown split 'random'; expected auto, subject"));
}

TEST(Split, NamesTheLabelThatAFoldCannotLearn) {
  const Study study({run("01", "1", "abc"), run("01", "2", "ab"), run("01", "3", "ab")});
  EXPECT_THAT(message_of<DataError>([&] { study.split("run"); }),
              HasSubstr("fold 'sub-01_run-1' has no training block of the label 'c'"));
}

TEST(Split, IsCheckedForEmptyFoldsAndIndices) {
  const Study study({run("01", "1", "abab")});
  Split split{"given", "", false, {{"one", {0, 1}, {2, 3}}, {"two", {2, 3}, {}}}};
  EXPECT_THAT(message_of<DataError>([&] { check_split(split, study.blocks, study.labels); }),
              HasSubstr("fold 'two' has no block to test"));
  split.folds[1].test = {7};
  EXPECT_THAT(message_of<ShapeError>([&] { check_split(split, study.blocks, study.labels); }),
              HasSubstr("fold 'two' names block 7, but there are 4 blocks"));
  split = {"run", "", false, {{"one", {0, 1}, {2, 3}}}};
  EXPECT_THAT(message_of<DataError>([&] { check_split(split, study.blocks, study.labels); }),
              HasSubstr("at least 2 folds, found 1"));
}

TEST(Split, ShufflesSamplesOnlyWithAFlag) {
  const Study study({run("01", "1", "abab")});
  const auto samples = make_samples(study.runs, study.blocks, SampleUnit::volumes, {}, 0);
  ASSERT_EQ(samples.size(), 20u);
  const Split split = shuffled_split(samples, 3, 5);
  EXPECT_TRUE(split.leaks);
  EXPECT_EQ(split.unit, "sample");
  expect_partition(split, samples.size());
  for (const Fold& fold : split.folds) EXPECT_NEAR(static_cast<double>(fold.test.size()), 20.0 / 3, 0.7);
  std::set<int> tested_blocks;
  for (int sample : split.folds[0].test) tested_blocks.insert(samples[static_cast<std::size_t>(sample)].block);
  EXPECT_GT(tested_blocks.size(), 1u);
  EXPECT_EQ(shuffled_split(samples, 3, 5).folds[1].test, split.folds[1].test);
  EXPECT_NE(shuffled_split(samples, 3, 6).folds[1].test, split.folds[1].test);
  EXPECT_THROW(shuffled_split(samples, 21, 5), UsageError);
  EXPECT_THROW(shuffled_split(samples, 1, 5), UsageError);
  EXPECT_EQ(samples_of_fold(split, 0, samples, study.labels).test, split.folds[0].test);
}

TEST(SamplesOfFold, FollowTheirBlocks) {
  const Study study({run("01", "1", "ab"), run("01", "2", "ab")});
  const Split split = study.split("run");
  const auto samples = make_samples(study.runs, study.blocks, SampleUnit::volumes, {}, 0);  // 5 volumes a block
  const FoldSamples chosen = samples_of_fold(split, 0, samples, study.labels);
  EXPECT_THAT(chosen.test, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(chosen.train, ElementsAre(10, 11, 12, 13, 14, 15, 16, 17, 18, 19));
  const std::vector<Sample> without_b(samples.begin(), samples.begin() + 15);
  EXPECT_THAT(message_of<DataError>([&] { samples_of_fold(split, 0, without_b, study.labels); }),
              HasSubstr("fold 'sub-01_run-1' has no training sample of the label 'b'"));
  const std::vector<Sample> without_test(samples.begin() + 10, samples.end());
  EXPECT_THAT(message_of<DataError>([&] { samples_of_fold(split, 0, without_test, study.labels); }),
              HasSubstr("no sample to test"));
}

TEST(SplitHash, SeesWhoIsInWhichFold) {
  const Study study = three_subjects();
  const Split split = study.split("subject");
  const auto hash = [&](const Split& of) { return hash_split(of, study.runs, study.blocks, study.labels); };
  Split other = split;
  std::swap(other.folds[0], other.folds[2]);
  EXPECT_EQ(hash(other), hash(split)) << "the order of the folds says nothing";
  other = split;
  std::swap(other.folds[0].test[0], other.folds[1].test[0]);
  EXPECT_NE(hash(other), hash(split));
  Study moved = three_subjects();
  moved.blocks[0].onset_s += 0.002;
  EXPECT_NE(hash_split(split, moved.runs, moved.blocks, moved.labels), hash(split));
}

class SplitTable : public ::testing::Test {
 protected:
  Split read(const Study& study, const std::string& text) const {
    return read_split(folder_.write("split.tsv", text), study.runs, study.blocks, study.labels);
  }
  std::string error(const Study& study, const std::string& text) const {
    return message_of<DataError>([&] { read(study, text); });
  }
  made_up::TemporaryFolder folder_;
};

TEST_F(SplitTable, ComesBackAsItWasWritten) {
  const Study study = three_subjects();
  for (const char* unit : {"subject", "run", "occurrence", "block"}) {
    const Split split = study.split(unit);
    const auto path = folder_.path() / "written.tsv";
    write_split(path, split, study.runs, study.blocks, study.labels);
    const Split back = read_split(path, study.runs, study.blocks, study.labels);
    EXPECT_EQ(back.unit, "given");
    EXPECT_EQ(hash_split(back, study.runs, study.blocks, study.labels),
              hash_split(split, study.runs, study.blocks, study.labels));
    EXPECT_EQ(test_fold_of_blocks(back, study.blocks.size()).size(), study.blocks.size());
  }
}

TEST_F(SplitTable, RowsMaySpeakForSubjectsRunsOrBlocks) {
  const Study study = three_subjects();
  const Split split = read(study,
                           "subject\trun\tonset\tfold\nsub-01\tn/a\tn/a\tA\n02\trun-1\tn/"
                           "a\tB\n03\t1\t0\tB\n03\t1\t20.004\tB\n03\t1\t40\tn/a\n03\t1\t60\tn/a\n");
  ASSERT_EQ(split.folds.size(), 2u);
  EXPECT_THAT(split.folds[0].test, ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(split.folds[1].test, ElementsAre(0, 1, 2, 3, 8, 9));
  EXPECT_THAT(split.folds[1].train, ElementsAre(4, 5, 6, 7, 10, 11));
  EXPECT_THAT(split.folds[0].train, ElementsAre(0, 1, 2, 3, 8, 9, 10, 11));
}

TEST_F(SplitTable, OneFoldIsEnoughForAHeldOutTest) {
  const Study study = three_subjects();
  const Split split = read(study, "subject\tfold\n01\ttest\n02\tn/a\n03\tn/a\n");
  ASSERT_EQ(split.folds.size(), 1u);
  EXPECT_THAT(split.folds[0].test, ElementsAre(4, 5, 6, 7));
}

TEST_F(SplitTable, ErrorsNameLinesAndBlocks) {
  const Study study = three_subjects();
  EXPECT_THAT(error(study, "subject\tfold\n01\tA\n02\tB\n03\tA\n04\tB\n"),
              HasSubstr("line 5 (subject '04', run '') speaks for no block"));
  EXPECT_THAT(error(study, "subject\tfold\n01\tA\n02\tB\n"),
              HasSubstr("4 of 12 blocks have no row, the first is the block at 0 s of run 'sub-03_run-1'"));
  EXPECT_THAT(error(study, "subject\tonset\tfold\n01\tn/a\tA\n02\tn/a\tB\n03\tn/a\tA\n01\t20\tB\n"),
              HasSubstr("lines 2 and 5 send the block at 20 s of run 'sub-01_run-1' to different folds ('A' and 'B')"));
  EXPECT_THAT(error(study, "subject\tfold\n01\tA\n02\tA\n03\tA\n"), HasSubstr("no training block"));
  EXPECT_THAT(error(study, "subject\tset\n01\tA\n"), HasSubstr("fold"));
}

TEST_F(SplitTable, CannotHoldEverySplit) {
  const Study study = three_subjects();
  const auto samples = make_samples(study.runs, study.blocks, SampleUnit::volumes, {}, 0);
  const auto write = [&](const Split& split) {
    write_split(folder_.path() / "x.tsv", split, study.runs, study.blocks, study.labels);
  };
  EXPECT_THROW(write(shuffled_split(samples, 3, 5)), UsageError);
  Split twice = study.split("subject");
  twice.folds.push_back(twice.folds[0]);
  EXPECT_THAT(message_of<UsageError>([&] { write(twice); }), HasSubstr("tested in several folds"));
  Split unused = study.split("subject");
  unused.folds[0].train.pop_back();
  EXPECT_THAT(message_of<UsageError>([&] { write(unused); }), HasSubstr("leaves 1 of 12 blocks unused"));
}

}  // namespace
}  // namespace noema
