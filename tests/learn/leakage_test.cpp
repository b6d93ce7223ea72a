#include "noema/learn/leakage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "made_up.h"
#include "noema/core/error.h"
#include "noema/learn/splits.h"

namespace noema {
namespace {

using made_up::message_of;
using made_up::warnings_of;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Study {
  std::vector<LearningRun> runs;
  std::vector<Block> blocks;
  LabelTable labels;
  LabelRule rule;
  SampleUnit unit = SampleUnit::volumes;
  double delay_s = 4;

  explicit Study(std::vector<LearningRun> made) : runs(std::move(made)) {
    labels = make_label_table(runs, rule);
    blocks = find_blocks(runs, labels, rule);
  }
  Split split(const std::string& split_unit, const std::string& group = "") const {
    SplitOptions options;
    options.unit = split_unit;
    options.group = group;
    options.folds = 2;
    return make_split(runs, blocks, labels, options);
  }
  LeakageReport report(const Split& of) const {
    return check_leakage(of, runs, blocks, [&](int) {
      return SampledFold{make_samples(runs, blocks, unit, rule, delay_s), delay_s};
    });
  }
};

/// Blocks of 10 s with gaps of `gap_s`.
LearningRun run(const std::string& subject, const std::string& number, const std::string& labels = "abab",
                double gap_s = 10) {
  return made_up::run(subject, number, 2, 100, made_up::letters(labels, 10 + gap_s));
}

Study four_subjects() {
  return Study({run("01", "1"), run("01", "2"), run("02", "1"), run("03", "1"), run("04", "1")});
}

std::vector<std::string> rules_of(const LeakageReport& report) {
  std::vector<std::string> rules;
  for (const LeakageViolation& violation : report.violations) rules.push_back(violation.rule);
  return rules;
}

std::string text_of(const LeakageReport& report) {
  std::string text;
  for (const LeakageViolation& violation : report.violations) text += violation.fold + ": " + violation.text + "\n";
  return text;
}

TEST(Leakage, CleanSplitsPass) {
  const Study study = four_subjects();
  for (const char* unit : {"subject", "run", "block", "occurrence"}) {
    LeakageReport report = study.report(study.split(unit));
    EXPECT_EQ(report.unit, unit);
    EXPECT_THAT(text_of(report), IsEmpty()) << unit;
    EXPECT_FALSE(report.checks.empty());
    EXPECT_NO_THROW(require_no_leakage(report));
    EXPECT_FALSE(report.allowed);
  }
  EXPECT_THAT(text_of(study.report(study.split("group", "subject"))), IsEmpty());
}

TEST(Leakage, FindsASubjectOnBothSides) {
  const Study study = four_subjects();
  Split split = study.split("subject");
  split.folds[0].train.push_back(split.folds[0].test[0]);
  split.folds[0].test.erase(split.folds[0].test.begin());
  const LeakageReport report = study.report(split);
  EXPECT_THAT(rules_of(report), ElementsAre("subject"));
  EXPECT_THAT(text_of(report), HasSubstr("01: subject '01' is both trained on and tested on"));
  split.unit = "group";
  split.group = "subject";
  EXPECT_THAT(rules_of(study.report(split)), ElementsAre("subject"));
}

TEST(Leakage, FindsAFamilyOnBothSides) {
  Study study = four_subjects();
  for (std::size_t r = 0; r < study.runs.size(); ++r)
    study.runs[r].groups["family"] = r == 2 || r == 4 ? "f1" : "other" + study.runs[r].subject;
  const LeakageReport report = study.report(study.split("subject"));
  EXPECT_THAT(rules_of(report), ElementsAre("family", "family"));  // when 02 is tested and when 04 is
  EXPECT_THAT(text_of(report), HasSubstr("02: family 'f1' is both trained on and tested on; keep families together"));
  EXPECT_THAT(text_of(study.report(study.split("group", "family"))), IsEmpty());
  study.runs[4].groups.clear();  // unknown family: nothing is known to be shared
  EXPECT_THAT(text_of(study.report(study.split("subject"))), IsEmpty());
}

// A shared site is a fact for the report, unless sites are what is left out.
TEST(Leakage, SitesMatterWhereSitesAreLeftOut) {
  Study study = four_subjects();
  for (std::size_t r = 0; r < study.runs.size(); ++r) study.runs[r].groups["site"] = r < 3 ? "north" : "south";
  const LeakageReport by_subject = study.report(study.split("subject"));
  EXPECT_THAT(by_subject.violations, IsEmpty());
  EXPECT_THAT(by_subject.notes, ElementsAre(HasSubstr("sites are on both sides of 4 of 4 folds")));
  Split split = study.split("group", "site");
  EXPECT_THAT(study.report(split).violations, IsEmpty());
  EXPECT_THAT(study.report(split).notes, IsEmpty());
  // Subject 02 of the north moves to the side of the south.
  auto& north = std::find(split.folds[0].test.begin(), split.folds[0].test.end(), 0) != split.folds[0].test.end()
                    ? split.folds[0]
                    : split.folds[1];
  std::erase_if(north.test, [&](int block) { return study.blocks[static_cast<std::size_t>(block)].run == 2; });
  for (int block = 8; block < 12; ++block) north.train.push_back(block);
  const LeakageReport report = study.report(split);
  EXPECT_THAT(rules_of(report), ElementsAre("site"));
  EXPECT_THAT(text_of(report), HasSubstr("site 'north'"));
}

// A subject scanned at two sites is on both sides when a site is left out.
TEST(Leakage, FindsATravellingSubject) {
  Study study = four_subjects();
  for (std::size_t r = 0; r < study.runs.size(); ++r)
    study.runs[r].groups["site"] = r == 0 || r == 3 ? "north" : "south";
  EXPECT_THAT(rules_of(study.report(study.split("group", "site"))), ElementsAre("subject", "subject"));
}

TEST(Leakage, FindsARunOnBothSides) {
  const Study study = four_subjects();
  Split split = study.split("run");
  std::swap(split.folds[0].test[0], split.folds[0].train[0]);
  EXPECT_THAT(rules_of(study.report(split)), ElementsAre("run", "run"));
  split.unit = "group";
  split.group = "session";
  EXPECT_THAT(rules_of(study.report(split)), Contains("run"));
}

TEST(Leakage, FindsABlockOnBothSides) {
  const Study study({run("01", "1")});
  Split split = study.split("occurrence");
  split.folds[1].train.push_back(split.folds[1].test[0]);
  const LeakageReport report = study.report(split);
  EXPECT_THAT(rules_of(report), ElementsAre("block", "volume"));
  EXPECT_THAT(text_of(report),
              HasSubstr("1 blocks are both trained on and tested on; the first is the block from 40 to 50 s"));
}

TEST(Leakage, FindsAVolumeOnBothSides) {
  const Study study({run("01", "1")});
  const Split split = study.split("occurrence");
  auto samples = make_samples(study.runs, study.blocks, SampleUnit::blocks, {}, 4);
  samples[2].volumes.insert(samples[2].volumes.begin(), samples[1].volumes.back());
  const LeakageReport report = check_leakage(split, study.runs, study.blocks, [&](int) {
    return SampledFold{samples, 4};
  });
  EXPECT_THAT(rules_of(report), ElementsAre("volume", "volume"));
  EXPECT_THAT(text_of(report),
              HasSubstr("1 volumes are in training and in test samples; the first is volume 16 of run 'sub-01_run-1'"));
}

// A gap equal to the delay is enough, a shorter one is not; blocks on the same side may be as close as they like.
TEST(Leakage, FindsBlocksThatAreTooClose) {
  Study study({run("01", "1", "abab", 4)});  // onsets 0, 14, 28, 42
  EXPECT_THAT(text_of(study.report(study.split("occurrence"))), IsEmpty());
  study.delay_s = 4.5;
  const LeakageReport report = study.report(study.split("occurrence"));
  EXPECT_THAT(rules_of(report), ElementsAre("gap", "gap"));  // one pair, in both folds
  EXPECT_THAT(
      text_of(report),
      HasSubstr("the block from 14 to 24 s of run 'sub-01_run-1' and the block from 28 to 38 s of run 'sub-01_run-1': "
                "the gap is 4 s, expected at least the delay of 4.5 s"));
}

// Windows that reach past the delay (an extension, long trials) must have closed as well.
TEST(Leakage, FindsWindowsThatReachIntoTheNextBlock) {
  Study study({run("01", "1", "abab", 4)});
  study.rule.extend_s = 3;
  EXPECT_THAT(text_of(study.report(study.split("occurrence"))),
              HasSubstr("the earlier one is sampled up to 29 s, when the later one has begun"));
  study.rule.extend_s = 0;
  study.unit = SampleUnit::trials;
  study.rule.trial_s = 10;
  EXPECT_THAT(text_of(study.report(study.split("occurrence"))), IsEmpty());
  study.rule.trial_s = 14;
  EXPECT_THAT(rules_of(study.report(study.split("occurrence"))), ElementsAre("gap", "gap"));
}

TEST(Leakage, RefusesShuffledVolumes) {
  const Study study({run("01", "1"), run("01", "2")});
  const auto samples = make_samples(study.runs, study.blocks, SampleUnit::volumes, {}, 4);
  LeakageReport report = study.report(shuffled_split(samples, 4, 1));
  EXPECT_EQ(rules_of(report)[0], "block");
  EXPECT_THAT(message_of<DataError>([&] { require_no_leakage(report); }), HasSubstr("the split by sample leaks"));
}

TEST(Leakage, FindsEqualDataUnderTwoNames) {
  Study study = four_subjects();
  study.runs[3].series.values = study.runs[2].series.values;
  EXPECT_THAT(text_of(study.report(study.split("subject"))),
              HasSubstr("run 'sub-02_run-1' (tested on) and run 'sub-03_run-1' (trained on) hold the same data"));
  EXPECT_THAT(rules_of(study.report(study.split("run"))), ElementsAre("duplicate", "duplicate"));
  Split split = study.split("group", "subject");
  split.folds = {{"both", {0, 1, 2, 3}, {8, 9, 10, 11, 12, 13, 14, 15}}};
  EXPECT_THAT(text_of(study.report(split)), IsEmpty()) << "twins on one side are no leak";
  study.runs[3].series.values(5, 1) += 1e-6F;
  study.runs[3].series.values(7, 1) = 9;
  EXPECT_THAT(text_of(study.report(study.split("run"))), IsEmpty());
}

// A given split is judged by the largest unit that it keeps whole.
TEST(Leakage, JudgesAGivenSplitByWhatItKeepsWhole) {
  Study study = four_subjects();
  const auto given = [&](const std::string& unit) {
    Split split = study.split(unit);
    split.unit = "given";
    return study.report(split);
  };
  EXPECT_EQ(given("subject").unit, "subject");
  EXPECT_EQ(given("run").unit, "run");
  EXPECT_EQ(given("occurrence").unit, "block");
  study.runs[2].groups["family"] = study.runs[3].groups["family"] = "f";
  EXPECT_THAT(rules_of(given("subject")), Contains("family"));
  study.delay_s = 11;
  EXPECT_THAT(rules_of(given("occurrence")), Contains("gap"));
}

// Where a label belongs to a person, a session or a run, to recognise these is to know the label.
TEST(Leakage, FindsLabelsThatNeverChangeWithinWhatIsDivided) {
  const Study people({run("01", "1", "aa"), run("01", "2", "aa"), run("02", "1", "aa"), run("03", "1", "bb"),
                      run("03", "2", "bb"), run("04", "1", "bb")});
  EXPECT_THAT(text_of(people.report(people.split("subject"))), IsEmpty());
  const LeakageReport by_run = people.report(people.split("run"));
  EXPECT_THAT(rules_of(by_run), ElementsAre("subject", "subject", "subject", "subject"));  // both runs of 01 and of 03
  EXPECT_THAT(text_of(by_run), HasSubstr("sub-03_run-2: subject '03' is both trained on and tested on, and labels do "
                                         "not change within a subject"));
  EXPECT_THAT(rules_of(people.report(people.split("occurrence"))), Contains("subject"));

  Study sessions({run("01", "1", "aa"), run("01", "2", "aa"), run("01", "3", "bb"), run("01", "4", "bb"),
                  run("01", "5", "bb"), run("01", "6", "aa")});
  EXPECT_THAT(text_of(sessions.report(sessions.split("run"))), IsEmpty()) << "labels of runs, runs left out";
  EXPECT_THAT(rules_of(sessions.report(sessions.split("block"))), Contains("run"));
  const char* names[] = {"1", "1", "2", "2", "3", "4"};
  for (std::size_t r = 0; r < 6; ++r) sessions.runs[r].session = names[r];
  EXPECT_THAT(rules_of(sessions.report(sessions.split("run"))),
              ElementsAre("session", "session", "session", "session"));
  EXPECT_THAT(text_of(sessions.report(sessions.split("group", "session"))), IsEmpty());
}

TEST(Leakage, IsRecordedWhenAllowed) {
  const Study study({run("01", "1", "abababab", 1)});
  LeakageReport report = study.report(study.split("occurrence"));
  const std::string message = message_of<DataError>([&] { require_no_leakage(report); });
  EXPECT_THAT(message, HasSubstr("the split by occurrence leaks"));
  EXPECT_THAT(message, HasSubstr("fold 'occurrence 1': a training and a test block are too close"));
  EXPECT_THAT(message,
              HasSubstr("more. Choose a split that leaves larger units out, or allow it with --allow-leakage"));
  EXPECT_FALSE(report.allowed);
  EXPECT_THAT(warnings_of([&] { require_no_leakage(report, true); }), HasSubstr("allowed on request"));
  EXPECT_TRUE(report.allowed);
}

}  // namespace
}  // namespace noema
