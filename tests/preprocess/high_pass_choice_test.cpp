#include "noema/preprocess/high_pass_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "noema/core/error.h"

namespace noema {
namespace {

using testing::HasSubstr;

std::vector<Event> blocks(const std::string& label, std::initializer_list<double> onsets_s, double duration_s = 16) {
  std::vector<Event> events;
  for (const double onset_s : onsets_s) events.push_back({onset_s, duration_s, label});
  return events;
}

TEST(HighPassChoice, PeriodMustBeTwiceTheLongestInterval) {
  const HighPassChoice yes = choose_high_pass({blocks("a", {0, 40, 104}), blocks("a", {10, 30})});
  ASSERT_TRUE(yes.high_pass_hz);
  EXPECT_DOUBLE_EQ(*yes.high_pass_hz, 1.0 / 128);
  EXPECT_THAT(yes.reason, HasSubstr("64 s ('a')"));
  const HighPassChoice no = choose_high_pass({blocks("a", {0, 40, 104.5})});
  EXPECT_FALSE(no.high_pass_hz);
  EXPECT_THAT(no.reason, HasSubstr("64.5 s"));
  EXPECT_TRUE(choose_high_pass({blocks("a", {0, 40, 104.5})}, 200).high_pass_hz);
}

TEST(HighPassChoice, IntervalsAreWithinARunAndACondition) {
  std::vector<Event> events = blocks("a", {0, 50});
  for (const Event& event : blocks("b", {20, 70})) events.push_back(event);
  EXPECT_TRUE(choose_high_pass({events, events}).high_pass_hz);
}

TEST(HighPassChoice, OnceInARunIsAsSlowAsTheRun) {
  std::vector<Event> events = blocks("a", {0, 50});
  events.push_back({25, 16, "b"});
  const HighPassChoice choice = choose_high_pass({events});
  EXPECT_FALSE(choice.high_pass_hz);
  EXPECT_THAT(choice.reason, HasSubstr("'b' occurs once"));
}

// Trials one second apart are one block: their intervals say nothing of how slow the design is.
TEST(HighPassChoice, TrialsOfABlockCountOnce) {
  EXPECT_FALSE(choose_high_pass({blocks("a", {0, 2, 4, 6}, 1)}).high_pass_hz);
  EXPECT_FALSE(choose_high_pass({blocks("a", {0, 2, 4, 100, 102}, 1)}).high_pass_hz);
  EXPECT_TRUE(choose_high_pass({blocks("a", {0, 2, 4, 60, 62}, 1)}).high_pass_hz);
  EXPECT_TRUE(choose_high_pass({blocks("a", {0, 10, 20, 30}, 1)}).high_pass_hz);
}

TEST(HighPassChoice, WithoutEvents) {
  EXPECT_FALSE(choose_high_pass({}).high_pass_hz);
  EXPECT_FALSE(choose_high_pass({{}}).high_pass_hz);
  EXPECT_THROW(choose_high_pass({}, 0), UsageError);
}

}  // namespace
}  // namespace noema
