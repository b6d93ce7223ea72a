#include "noema/learn/hcp_windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "made_up.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using ::testing::ElementsAre;

struct Trial {
  std::int64_t onset_ms;
  std::int64_t duration_ms;
  std::string label;
};

/// The rule in whole milliseconds: a + TR ≤ k·TR ≤ e + 2·TR, later trials over earlier ones.
std::vector<std::string> labels_of_volumes(const std::vector<Trial>& trials, std::int64_t tr_ms, int volumes) {
  std::vector<std::string> labels(static_cast<std::size_t>(volumes));
  for (const Trial& trial : trials) {
    for (std::int64_t k = 0; k < volumes; ++k) {
      const std::int64_t begin_ms = k * tr_ms, end_ms = trial.onset_ms + trial.duration_ms;
      if (trial.onset_ms + tr_ms <= begin_ms && begin_ms <= end_ms + 2 * tr_ms) {
        labels[static_cast<std::size_t>(k)] = trial.label;
      }
    }
  }
  return labels;
}

LearningRun run_of(const std::vector<Trial>& trials, std::int64_t tr_ms, int volumes) {
  std::vector<Event> events;
  for (const Trial& trial : trials) {
    events.push_back(
        {static_cast<double>(trial.onset_ms) / 1000, static_cast<double>(trial.duration_ms) / 1000, trial.label, 1});
  }
  return made_up::run("01", "1", static_cast<double>(tr_ms) / 1000, volumes, std::move(events));
}

LabelRule hcp_rule() {
  LabelRule rule;
  rule.windows = EventWindows::hcp;
  rule.delay = DelayKind::fixed;
  return rule;
}

/// What find_blocks and make_samples make of it.
std::vector<std::string> decoded_labels(const LearningRun& run, const LabelTable& table) {
  const std::vector<LearningRun> runs{run};
  const std::vector<Block> blocks = find_blocks(runs, table, hcp_rule());
  std::vector<std::string> labels(static_cast<std::size_t>(run.series.volumes()));
  for (const Sample& sample : make_samples(runs, blocks, SampleUnit::volumes, hcp_rule(), 0)) {
    EXPECT_EQ(sample.volumes.size(), 1U);
    std::string& label = labels[static_cast<std::size_t>(sample.volumes.at(0))];
    EXPECT_EQ(label, "") << "a volume twice";
    label = table.names[static_cast<std::size_t>(sample.label)];
  }
  return labels;
}

TEST(HcpWindows, AreThoseOfTheRuleInWholeMilliseconds) {
  const LabelTable table{{"fear", "loss", "neut"}};
  std::mt19937 random(7);
  for (const std::int64_t tr_ms : {720, 2000, 333}) {
    for (int repeat = 0; repeat < 40; ++repeat) {
      std::vector<Trial> trials;
      std::int64_t onset_ms = static_cast<std::int64_t>(random() % 4000);
      for (int i = 0; i < 12; ++i) {
        // A third of the edges fall on the begin of a volume.
        if (random() % 3 == 0) onset_ms = (onset_ms + tr_ms - 1) / tr_ms * tr_ms;
        std::int64_t duration_ms = static_cast<std::int64_t>(random() % 9000);
        if (random() % 3 == 0) duration_ms = duration_ms / tr_ms * tr_ms;
        trials.push_back({onset_ms, duration_ms, table.names[random() % 3]});
        onset_ms += 1 + static_cast<std::int64_t>(random() % 9000);
      }
      const int volumes = static_cast<int>(onset_ms / tr_ms + 3);
      EXPECT_EQ(decoded_labels(run_of(trials, tr_ms, volumes), table), labels_of_volumes(trials, tr_ms, volumes));
    }
  }
}

TEST(HcpWindows, ByHand) {
  // TR 0.72 s: 0.72 + 0.72 to 2.88 + 1.44 are volumes 2 … 6; the second, inside of the first, has 5 … 6 (3.6 … 4.32);
  // the third begins where the first would have gone on.
  const LearningRun run = run_of({{720, 2160, "a"}, {2880, 0, "b"}, {9000, 1000, "a"}}, 720, 30);
  const std::vector<Event> found = hcp_windows(run.events, run.series);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].label, "a");
  EXPECT_NEAR(found[0].onset_s, 2 * 0.72, 1e-12);
  EXPECT_NEAR(found[0].duration_s, 3 * 0.72, 1e-12);
  EXPECT_EQ(found[1].label, "b");
  EXPECT_NEAR(found[1].onset_s, 5 * 0.72, 1e-12);
  EXPECT_NEAR(found[1].duration_s, 2 * 0.72, 1e-12);
  EXPECT_NEAR(found[2].onset_s, 14 * 0.72, 1e-12);  // the first at 9.72 or later
  EXPECT_NEAR(found[2].end_s(), 16 * 0.72, 1e-12);  // the last at 11.44 or before: volume 15
}

TEST(HcpWindows, AreOnTheClockOfTheEvents) {
  LearningRun run = run_of({{2000, 4000, "a"}}, 1000, 12);
  EXPECT_NEAR(hcp_windows(run.events, run.series).at(0).onset_s, 3, 1e-12);
  run.series.start_s = 4;  // the first four volumes were dropped
  const std::vector<Event> found = hcp_windows(run.events, run.series);
  EXPECT_NEAR(found.at(0).onset_s, 4, 1e-12);
  EXPECT_NEAR(found.at(0).end_s(), 9, 1e-12);
}

TEST(HcpWindows, AClassThatARunLacksShiftsNoOther) {
  const LabelTable table{{"loss", "neut", "win"}};
  const std::vector<std::string> labels =
      decoded_labels(run_of({{0, 3000, "loss"}, {20000, 3000, "win"}}, 1000, 40), table);
  EXPECT_EQ(labels[2], "loss");
  EXPECT_EQ(labels[22], "win");
}

TEST(HcpWindows, AreAllOfARule) {
  LabelRule rule = hcp_rule();
  EXPECT_NO_THROW(rule.validate());
  rule.discard_s = 1;
  EXPECT_THROW(rule.validate(), UsageError);
  rule = hcp_rule();
  rule.delay = DelayKind::automatic;
  EXPECT_THROW(rule.validate(), UsageError);
}

}  // namespace
}  // namespace noema
