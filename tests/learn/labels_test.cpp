#include "noema/learn/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "made_up.h"
#include "noema/core/error.h"
#include "noema/learn/response.h"

namespace noema {
namespace {

using made_up::message_of;
using made_up::warnings_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

LearningRun run_with(std::vector<Event> events, double tr_s = 2, int volumes = 50) {
  return made_up::run("01", "1", tr_s, volumes, std::move(events));
}

std::vector<Block> blocks_of(const std::vector<LearningRun>& runs, const LabelRule& rule = {}) {
  return find_blocks(runs, make_label_table(runs, rule), rule);
}

std::vector<int> volumes_of_first(const LearningRun& run, const LabelRule& rule, double delay_s,
                                  SampleUnit unit = SampleUnit::blocks) {
  const std::vector<LearningRun> runs{run};
  return make_samples(runs, blocks_of(runs, rule), unit, rule, delay_s).at(0).volumes;
}

TEST(VolumesBetween, TakesCentresOnTheBeginAndNotOnTheEnd) {
  Series series = run_with({}).series;  // centres 1, 3, 5 …
  EXPECT_EQ(volumes_between(series, 3, 7).first, 1);
  EXPECT_EQ(volumes_between(series, 3, 7).end, 3);
  EXPECT_EQ(volumes_between(series, 3.1, 7.1).first, 2);
  EXPECT_EQ(volumes_between(series, 3.1, 7.1).end, 4);
  EXPECT_EQ(volumes_between(series, -50, -40).size(), 0);
  EXPECT_EQ(volumes_between(series, -50, 500).size(), 50);
  EXPECT_EQ(volumes_between(series, 7, 3).size(), 0);
  series.start_s = -4;  // centres −3, −1, 1, 3 …
  EXPECT_EQ(volumes_between(series, 1, 3).first, 2);
}

// Window edges that fall on centres (k + 1/2)·TR decide the same way for every k, however the product was rounded.
TEST(VolumesBetween, IsNotFooledByRounding) {
  for (double tr_s : {0.72, 0.8, 1.1, 2.0, 0.1, 2.5, 1.0 / 3}) {
    Series series = run_with({}, tr_s, 400).series;
    for (int k = 0; k < 380; ++k) {
      double summed = tr_s / 2;  // the edge by adding, which rounds differently
      for (int i = 0; i < k; ++i) summed += tr_s;
      for (double begin_s : {summed, (k + 0.5) * tr_s, tr_s * k + 0.5 * tr_s}) {
        const VolumeRange range = volumes_between(series, begin_s, begin_s + 5 * tr_s);
        ASSERT_EQ(range.first, k) << tr_s;
        ASSERT_EQ(range.end, k + 5) << tr_s;
      }
    }
  }
}

TEST(LabelTable, IsSortedAndTheSameForAllRuns) {
  const std::vector<LearningRun> runs{run_with({{0, 10, "win"}, {20, 10, "loss"}}), run_with({{0, 10, "neut"}})};
  const LabelTable labels = make_label_table(runs, {});
  EXPECT_THAT(labels.names, ElementsAre("loss", "neut", "win"));
  EXPECT_EQ(labels.index_of("win"), 2);  // also in the run where "neut" does not happen
  EXPECT_EQ(labels.index_of("rest"), -1);
  const std::vector<Block> blocks = find_blocks(runs, labels, {});
  EXPECT_EQ(blocks[0].label, 2);
  EXPECT_EQ(blocks[1].label, 0);
  EXPECT_EQ(blocks[2].label, 1);
  EXPECT_EQ(blocks[2].run, 1);
}

TEST(LabelTable, RenamesThenKeeps) {
  const std::vector<LearningRun> runs{
      run_with({{0, 10, "0bk_faces"}, {20, 10, "2bk_faces"}, {40, 10, "0bk_tools"}, {60, 5, "cue"}, {70, 5, "fix"}})};
  LabelRule rule;
  rule.rename = {{"0bk_faces", "faces"}, {"2bk_faces", "faces"}, {"0bk_tools", "tools"}, {"fix", "n/a"}};
  EXPECT_THAT(make_label_table(runs, rule).names, ElementsAre("cue", "faces", "tools"));
  rule.conditions = {"tools", "faces"};
  EXPECT_THAT(make_label_table(runs, rule).names, ElementsAre("faces", "tools"));
  EXPECT_EQ(blocks_of(runs, rule).size(), 3u);
  rule.rename["3bk_faces"] = "faces";
  EXPECT_THAT(warnings_of([&] { make_label_table(runs, rule); }),
              HasSubstr("1 of 5 names to rename occur in no event: 3bk_faces"));
}

TEST(LabelTable, RefusesWhatCannotBeDecoded) {
  const std::vector<LearningRun> runs{run_with({{0, 10, "face"}, {20, 10, "house"}})};
  LabelRule rule;
  rule.conditions = {"face", "huose"};
  EXPECT_THAT(message_of<UsageError>([&] { make_label_table(runs, rule); }),
              HasSubstr("no event is labelled 'huose'; the labels (after renaming) are: face, house"));
  rule.conditions = {"face"};
  EXPECT_THAT(message_of<DataError>([&] { make_label_table(runs, rule); }),
              HasSubstr("at least two labels, found 1 (face)"));
  const std::vector<LearningRun> bad{run_with({{0, std::numeric_limits<double>::quiet_NaN(), "face"}})};
  EXPECT_THAT(message_of<DataError>([&] { make_label_table(bad, {}); }), HasSubstr("sub-01_run-1"));
}

// Gaps of exactly the limit join, larger ones part; another label in between parts whatever the gap.
TEST(Blocks, AreMaximalSeries) {
  const std::vector<LearningRun> runs{run_with({{0, 1, "a"},
                                                {3, 1, "a"},
                                                {6.001, 1, "a"},
                                                {20, 1, "b"},
                                                {21, 1, "a"},
                                                {22, 1, "b"},
                                                {22.5, 3, "b"},
                                                {23, 1, "b"}})};
  const std::vector<Block> blocks = blocks_of(runs);
  ASSERT_EQ(blocks.size(), 5u);
  EXPECT_EQ(blocks[0].onset_s, 0);
  EXPECT_EQ(blocks[0].end_s, 4);
  EXPECT_EQ(blocks[0].events.size(), 2u);
  EXPECT_EQ(blocks[1].onset_s, 6.001);
  EXPECT_EQ(blocks[1].occurrence, 1);
  EXPECT_EQ(blocks[2].label, 1);
  EXPECT_EQ(blocks[3].occurrence, 2);
  EXPECT_EQ(blocks[4].occurrence, 1);
  EXPECT_EQ(blocks[4].end_s, 25.5) << "the end is the latest end, not the last event's";
  LabelRule rule;
  rule.block_gap_s = 0.5;
  EXPECT_EQ(blocks_of(runs, rule).size(), 6u);
  const std::vector<LearningRun> slow{run_with(runs[0].events, 3)};
  EXPECT_EQ(blocks_of(slow).size(), 4u) << "the limit is the repetition time where that is longer than 2 s";
}

// An event that is filtered out does not part a block.
TEST(Blocks, LookThroughEventsThatAreNotDecoded) {
  const std::vector<LearningRun> runs{run_with({{0, 5, "a"}, {5, 1, "cue"}, {6, 5, "a"}, {30, 5, "b"}})};
  LabelRule rule;
  rule.conditions = {"a", "b"};
  ASSERT_EQ(blocks_of(runs, rule).size(), 2u);
  EXPECT_EQ(blocks_of(runs, rule)[0].end_s, 11);
}

TEST(Blocks, OverlapsAreAnErrorByDefault) {
  const std::vector<LearningRun> runs{run_with({{0, 10, "a"}, {8, 4, "b"}, {9, 1, "a"}})};
  const std::string message = message_of<DataError>([&] { blocks_of(runs); });
  EXPECT_THAT(message, HasSubstr("run 'sub-01_run-1': 2 pairs of events"));
  EXPECT_THAT(message, HasSubstr("'a' from 0 to 10 s and 'b' from 8 to 12 s"));
}

// Rounding of onset and duration to milliseconds is no overlap, and leaves no volume in two blocks.
TEST(Blocks, AcceptTheRoundingOfFiles) {
  const std::vector<LearningRun> runs{run_with({{0.004, 9.997, "a"}, {10.0, 9.9, "b"}})};
  const std::vector<Block> blocks = blocks_of(runs);
  EXPECT_EQ(blocks[0].end_s, 10.0);
}

// An earlier long event is found although a short one lies between it and the overlapping one.
TEST(Blocks, FindOverlapsWithEventsThatStartedLongBefore) {
  const std::vector<LearningRun> runs{run_with({{0, 30, "a"}, {2, 1, "a"}, {5, 1, "a"}, {20, 2, "b"}})};
  EXPECT_THAT(message_of<DataError>([&] { blocks_of(runs); }), HasSubstr("'a' from 0 to 30 s and 'b' from 20 to 22 s"));
}

TEST(Blocks, TheLaterEventTakesTheTimeIfAsked) {
  const std::vector<LearningRun> runs{run_with({{0, 30, "a"}, {10, 5, "b"}, {25, 10, "b"}})};
  LabelRule rule;
  rule.overlap = OverlapPolicy::later;
  std::vector<Block> blocks;
  EXPECT_THAT(warnings_of([&] { blocks = blocks_of(runs, rule); }), HasSubstr("the later one takes the time"));
  ASSERT_EQ(blocks.size(), 4u);
  std::vector<double> times;
  for (const Block& block : blocks) times.insert(times.end(), {block.onset_s, block.end_s});
  EXPECT_THAT(times, ElementsAre(0, 10, 10, 15, 15, 25, 25, 35));
  EXPECT_EQ(blocks[2].label, 0);
}

TEST(Blocks, BothOverlappingEventsAreDroppedIfAsked) {
  const std::vector<LearningRun> runs{run_with({{0, 10, "a"}, {8, 4, "b"}, {20, 5, "b"}, {40, 5, "a"}})};
  LabelRule rule;
  rule.overlap = OverlapPolicy::drop;
  std::vector<Block> blocks;
  EXPECT_THAT(warnings_of([&] { blocks = blocks_of(runs, rule); }), HasSubstr("2 events are left out"));
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0].onset_s, 20);
  EXPECT_EQ(blocks[1].onset_s, 40);
}

TEST(Blocks, EventsOutsideTheRunAreLeftOut) {
  const std::vector<LearningRun> runs{run_with(
      {{-12, 10, "a"}, {-2, 4, "a"}, {99, 10, "b"}, {100, 10, "b"}, {50, 5, "b"}, {20, 0, "a"}})};  // 0 to 100 s
  std::vector<Block> blocks;
  EXPECT_THAT(warnings_of([&] { blocks = blocks_of(runs); }),
              HasSubstr("run 'sub-01_run-1': 2 of 6 events lie outside the run, which lasts from 0 to 100 s"));
  ASSERT_EQ(blocks.size(), 4u);
  EXPECT_EQ(blocks[0].onset_s, -2);
  EXPECT_EQ(blocks[3].onset_s, 99);
}

TEST(Blocks, MostEventsOutsideIsAnError) {
  const std::vector<LearningRun> runs{run_with({{0, 5, "a"}, {100, 5, "a"}, {300, 5, "b"}})};
  const std::string message = message_of<DataError>([&] { blocks_of(runs); });
  EXPECT_THAT(message, HasSubstr("run 'sub-01_run-1': 2 of 3 events"));
  EXPECT_THAT(message, HasSubstr("from 0 to 100 s (50 volumes of 2 s)"));
  EXPECT_THAT(message, HasSubstr("the last 'b' from 300 to 305 s"));
}

TEST(Blocks, SayWhichRunsHaveNone) {
  const std::vector<LearningRun> runs{run_with({{0, 5, "a"}, {20, 5, "b"}}), run_with({})};
  EXPECT_THAT(warnings_of([&] { blocks_of(runs); }), HasSubstr("1 of 2 runs have no event to decode"));
  const LabelTable labels{{"a", "b"}};
  EXPECT_THROW(find_blocks({runs[1]}, labels, {}), DataError);
  LearningRun timeless = runs[0];
  timeless.series.tr_s = 0;
  EXPECT_THAT(message_of<DataError>([&] { find_blocks({timeless}, labels, {}); }), HasSubstr("repetition time of 0 s"));
  EXPECT_THROW(find_blocks(runs, LabelTable{{"a", "c"}}, {}), UsageError);
}

TEST(LabelRule, RefusesTimesThatAreNone) {
  LabelRule rule;
  rule.discard_s = -1;
  EXPECT_THAT(message_of<UsageError>([&] { rule.validate(); }),
              HasSubstr("discard_s must be a time of at least 0 s, found -1"));
}

const Event kTenSeconds{10, 10, "a"};
const Event kOther{40, 10, "b"};

// Volumes of 2 s have their centres at 1, 3, 5 …
TEST(Samples, HoldTheVolumesOfTheShiftedBlock) {
  const LearningRun run = run_with({kTenSeconds, kOther});
  EXPECT_THAT(volumes_of_first(run, {}, 0), ElementsAre(5, 6, 7, 8, 9));
  EXPECT_THAT(volumes_of_first(run, {}, 1), ElementsAre(5, 6, 7, 8, 9)) << "centre 11 on the begin, 21 on the end";
  EXPECT_THAT(volumes_of_first(run, {}, 1.01), ElementsAre(6, 7, 8, 9, 10));
  EXPECT_THAT(volumes_of_first(run, {}, 5), ElementsAre(7, 8, 9, 10, 11));
  LearningRun shifted = run;
  shifted.series.start_s = 4;  // the first four seconds were cut off: centres 5, 7, 9, 11
  EXPECT_THAT(volumes_of_first(shifted, {}, 0), ElementsAre(3, 4, 5, 6, 7));
}

TEST(Samples, DiscardExtendAndCensor) {
  LearningRun run = run_with({kTenSeconds, kOther});
  LabelRule rule;
  rule.discard_s = 4;
  EXPECT_THAT(volumes_of_first(run, rule, 0), ElementsAre(7, 8, 9));
  rule.extend_s = 4;
  EXPECT_THAT(volumes_of_first(run, rule, 0), ElementsAre(7, 8, 9, 10, 11));
  run.series.keep[8] = 0;
  EXPECT_THAT(volumes_of_first(run, rule, 0), ElementsAre(7, 9, 10, 11));
  const std::vector<LearningRun> runs{run};
  const Sample sample = make_samples(runs, blocks_of(runs), SampleUnit::blocks, rule, 0).at(0);
  EXPECT_EQ(sample.weights, std::vector<float>(4, 0.25F));
}

// An extension never reaches into the next block's window, not even into what that discards.
TEST(Samples, AnExtensionEndsWhereTheNextBlockIsSeen) {
  const std::vector<LearningRun> runs{run_with({{0, 10, "a"}, {14, 10, "b"}}), run_with({{14, 10, "b"}})};
  LabelRule rule;
  rule.extend_s = 30;
  rule.discard_s = 2;
  const auto samples = make_samples(runs, blocks_of(runs, rule), SampleUnit::blocks, rule, 4);
  EXPECT_EQ(samples[0].volumes.front(), 3);  // centre 7 in [6, 18)
  EXPECT_EQ(samples[0].volumes.back(), 8);   // centre 17
  EXPECT_EQ(samples[1].volumes.front(), 10);
  EXPECT_EQ(samples[1].volumes.back(), 28) << "the next block is of another run";
}

TEST(Samples, OfEveryUnit) {
  std::vector<LearningRun> runs{run_with({{10, 2, "a"}, {14, 2, "a"}, {40, 10, "b"}})};
  LabelRule rule;
  const std::vector<Block> blocks = blocks_of(runs);
  const auto volumes = make_samples(runs, blocks, SampleUnit::volumes, rule, 0);
  ASSERT_EQ(volumes.size(), 3u + 5u);
  EXPECT_THAT(volumes[2].volumes, ElementsAre(7));
  EXPECT_THAT(volumes[2].weights, ElementsAre(1.0F));
  EXPECT_EQ(volumes[3].block, 1);
  EXPECT_EQ(volumes[3].label, 1);
  rule.trial_s = 6;
  const auto trials = make_samples(runs, blocks, SampleUnit::trials, rule, 4);
  ASSERT_EQ(trials.size(), 3u);
  EXPECT_THAT(trials[0].volumes, ElementsAre(7, 8, 9));
  EXPECT_THAT(trials[1].volumes, ElementsAre(9, 10, 11));
  EXPECT_EQ(trials[1].block, 0);
  rule.trial_s = 0;
  EXPECT_THAT(message_of<UsageError>([&] { make_samples(runs, blocks, SampleUnit::trials, rule, 4); }),
              HasSubstr("give trial_s"));
}

TEST(Samples, WholeRunsNeedOneLabelEach) {
  std::vector<LearningRun> runs{run_with({}), run_with({})};
  runs[0].series.start_s = 6;
  runs[0].events = {whole_run_event(runs[0].series, "patient")};
  runs[1].events = {whole_run_event(runs[1].series, "control")};
  runs[1].series.keep[3] = 0;
  const auto samples = make_samples(runs, blocks_of(runs), SampleUnit::runs, {}, 5);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].volumes.size(), 50u);
  EXPECT_EQ(samples[0].label, 1);
  EXPECT_EQ(samples[1].volumes.size(), 49u);
  const std::vector<LearningRun> several{run_with({kTenSeconds, kOther})};
  EXPECT_THAT(message_of<DataError>([&] { make_samples(several, blocks_of(several), SampleUnit::runs, {}, 0); }),
              HasSubstr("run 'sub-01_run-1' has several blocks"));
}

TEST(Samples, BlocksWithoutVolumesAreLeftOutAndCounted) {
  std::vector<LearningRun> runs{run_with({kTenSeconds, kOther, {60, 0, "a"}})};
  const std::vector<Block> blocks = blocks_of(runs);
  std::vector<Sample> samples;
  EXPECT_THAT(
      warnings_of([&] { samples = make_samples(runs, blocks, SampleUnit::blocks, {}, 4); }),
      HasSubstr("1 of 3 blocks keep no volume and are left out; the first belongs to the block from 60 to 60 s"));
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[1].block, 1);
  runs[0].series.keep.assign(50, 0);
  EXPECT_THAT(message_of<DataError>([&] { make_samples(runs, blocks, SampleUnit::volumes, {}, 4); }),
              HasSubstr("none of the 3 blocks keeps a volume"));
  runs[0].series.keep.assign(49, 1);
  EXPECT_THAT(message_of<ShapeError>([&] { make_samples(runs, blocks, SampleUnit::volumes, {}, 4); }),
              HasSubstr("49 entries, expected one for each of the 50 volumes"));
}

/// The definition by a slow sum: difference of two gamma densities, integrated over the block.
double slow_response(double time_s, double onset_s, double end_s) {
  const double step_s = 1e-3;
  double sum = 0;
  for (double s = onset_s + step_s / 2; s < end_s; s += step_s) {
    const double t = time_s - s;
    if (t <= 0 || t > 32) continue;
    sum += step_s *
           (std::exp(5 * std::log(t) - t - std::lgamma(6)) - 0.167 * std::exp(15 * std::log(t) - t - std::lgamma(16)));
  }
  return sum;
}

// The class may scale the response as it likes, so ratios to one point are compared.
TEST(Response, IsTheKernelOverTheBlock) {
  const PredictedResponse response(10, 26);
  const double scale = response.at(20) / slow_response(20, 10, 26);
  for (double t : {10.5, 13.0, 16.0, 25.0, 28.0, 33.0, 40.0, 57.0}) {
    EXPECT_NEAR(response.at(t), scale * slow_response(t, 10, 26), 2e-3 * scale) << t;
  }
  EXPECT_EQ(response.at(9.9), 0);
  const TimeWindow window = response.half_maximum();
  double peak = 0;
  for (double t = 10; t < 60; t += 0.1) peak = std::max(peak, slow_response(t, 10, 26));
  EXPECT_NEAR(slow_response(window.begin_s, 10, 26), peak / 2, 0.01 * peak);
  EXPECT_NEAR(slow_response(window.end_s, 10, 26), peak / 2, 0.01 * peak);
  EXPECT_LT(window.begin_s, 17);
  EXPECT_GT(window.end_s, 26);
}

TEST(Samples, AreWeightedByTheResponse) {
  const std::vector<LearningRun> runs{run_with({{10, 16, "a"}, {60, 0, "b"}})};
  LabelRule rule;
  rule.delay = DelayKind::hrf;
  const auto samples = make_samples(runs, blocks_of(runs, rule), SampleUnit::blocks, rule, 100);
  ASSERT_EQ(samples.size(), 2u) << "even an event without duration has a response";
  for (const Sample& sample : samples) {
    EXPECT_NEAR(std::accumulate(sample.weights.begin(), sample.weights.end(), 0.0), 1, 1e-6);
  }
  const PredictedResponse response(10, 26);
  const Sample& first = samples[0];
  for (std::size_t i = 0; i < first.volumes.size(); ++i) {
    const double ratio = response.at(2.0 * first.volumes[i] + 1) / response.at(2.0 * first.volumes[0] + 1);
    EXPECT_NEAR(first.weights[i] / first.weights[0], ratio, 1e-5);
  }
  EXPECT_NEAR(2.0 * first.volumes.front() + 1, response.half_maximum().begin_s, 2);
  EXPECT_NEAR(2.0 * first.volumes.back() + 1, response.half_maximum().end_s, 2);
  for (int volume : samples[1].volumes) EXPECT_NEAR(2.0 * volume + 1, 65, 3.5);
  rule.trial_s = 12;
  const auto trials = make_samples(runs, blocks_of(runs, rule), SampleUnit::trials, rule, 100);
  ASSERT_EQ(trials[1].volumes.front(), 30) << "no shift";
  ASSERT_EQ(trials[1].volumes.size(), 6u);
  const auto largest = std::max_element(trials[1].weights.begin(), trials[1].weights.end()) - trials[1].weights.begin();
  EXPECT_EQ(largest, 2) << "the response to an impulse is largest near 5 s";
}

TEST(Unit, IsBlocksWhereTheyAreEnough) {
  const LabelTable labels{{"a", "b"}};
  std::vector<Block> blocks;
  for (int i = 0; i < 12; ++i) blocks.push_back({0, i % 2, 20.0 * i, 20.0 * i + 10, i / 2, {}});
  Fold five{"five", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {10, 11}}, four{"four", {0, 1, 2, 3, 4, 5, 6, 7, 8}, {9, 10, 11}};
  EXPECT_EQ(choose_unit({"given", "", false, {five, five}}, blocks, labels), SampleUnit::blocks);
  EXPECT_EQ(choose_unit({"given", "", false, {five, four}}, blocks, labels), SampleUnit::volumes);
}

Run bids_run() {
  Run run;
  run.entities = {{"sub", "01"}, {"ses", "pre"}, {"task", "rest"}};
  return run;
}

TEST(RunLevelLabel, ComesFromAnEntityOrFromParticipants) {
  Table participants;
  participants.names = {"participant_id", "group"};
  participants.columns = {{"sub-02", "sub-01", "sub-03"}, {"control", "patient", "n/a"}};
  EXPECT_EQ(run_level_label(bids_run(), participants, "ses"), "pre");
  EXPECT_EQ(run_level_label(bids_run(), participants, "group"), "patient");
  EXPECT_THAT(message_of<UsageError>([&] { run_level_label(bids_run(), participants, "sex"); }),
              HasSubstr("the entities ses, sub, task, participants.tsv has the columns participant_id, group"));
  EXPECT_THAT(message_of<UsageError>([&] { run_level_label(bids_run(), std::nullopt, "group"); }),
              HasSubstr("there is none"));
  noema::Run other = bids_run();
  other.entities["sub"] = "03";
  EXPECT_THAT(message_of<DataError>([&] { run_level_label(other, participants, "group"); }),
              HasSubstr("no value of 'group'"));
  other.entities["sub"] = "04";
  EXPECT_THAT(message_of<DataError>([&] { run_level_label(other, participants, "group"); }),
              HasSubstr("no row for the subject '04'"));
}

TEST(LabelMap, IsReadFromATable) {
  const made_up::TemporaryFolder folder;
  const auto map = read_label_map(folder.write("map.tsv", "from\tto\n0bk\twm\n2bk\twm\nfix\tn/a\n"));
  EXPECT_EQ(map, (std::map<std::string, std::string>{{"0bk", "wm"}, {"2bk", "wm"}, {"fix", "n/a"}}));
}

TEST(LabelMap, ContradictionsAreErrors) {
  const made_up::TemporaryFolder folder;
  EXPECT_THAT(message_of<DataError>([&] { read_label_map(folder.write("map.tsv", "from\tto\na\tx\na\ty\n")); }),
              HasSubstr("line 3: 'a' is renamed to 'y', but to 'x' before"));
  EXPECT_THROW(read_label_map(folder.write("map.tsv", "old\tnew\na\tx\n")), DataError);
}

}  // namespace
}  // namespace noema
