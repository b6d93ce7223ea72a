#include "noema/learn/delay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "made_up.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using made_up::message_of;
using made_up::warnings_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kFeatures = 2000;
constexpr int kResponding = 60;

/// Blocks of 16 s every 32 s from 10 s on, alternating labels.
std::vector<Event> block_design(int count) {
  std::vector<Event> events;
  for (int i = 0; i < count; ++i) events.push_back({10.0 + 32 * i, 16, i % 2 == 0 ? "a" : "b", 1});
  return events;
}

/// Adds `amplitude` to the first features, up or down, over [onset + delay, end + delay) of the block.
void plant(LearningRun& run, const Event& event, double delay_s, float amplitude) {
  const VolumeRange range = volumes_between(run.series, event.onset_s + delay_s, event.end_s() + delay_s);
  for (int t = range.first; t < range.end; ++t) {
    for (int f = 0; f < kResponding; ++f) run.series.values(t, f) += f % 2 == 0 ? amplitude : -amplitude;
  }
}

LearningRun planted_run(const std::string& number, double tr_s, double delay_s, int count = 8) {
  const std::vector<Event> events = block_design(count);
  LearningRun run = made_up::run("01", number, tr_s, static_cast<int>((20 + 32 * count) / tr_s), events, kFeatures);
  for (const Event& event : events) plant(run, event, delay_s, 1.0F);
  return run;
}

struct Study {
  std::vector<LearningRun> runs;
  std::vector<Block> blocks;

  explicit Study(std::vector<LearningRun> made) : runs(std::move(made)) {
    blocks = find_blocks(runs, make_label_table(runs, {}), {});
  }
  std::vector<int> all() const {
    std::vector<int> list(blocks.size());
    std::iota(list.begin(), list.end(), 0);
    return list;
  }
  DelayEstimate estimate(const std::vector<int>& train) const { return DelayEstimator(runs, blocks).estimate(train); }
};

TEST(Delay, IsRecoveredAtSeveralRepetitionTimes) {
  for (double tr_s : {0.72, 1.0, 2.0, 2.5}) {
    for (double delay_s : {0.0, 2.0, 4.0, 6.0}) {
      const Study study({planted_run("1", tr_s, delay_s), planted_run("2", tr_s, delay_s)});
      const DelayEstimate estimate = study.estimate(study.all());
      EXPECT_TRUE(estimate.determined);
      EXPECT_NEAR(estimate.delay_s, delay_s, tr_s) << "repetition time " << tr_s;
      EXPECT_EQ(estimate.features, 40);
    }
  }
}

/// Boxcar of all events of a run, shifted, at the kept volumes; centred.
std::vector<double> centred_boxcar(const LearningRun& run, const std::vector<int>& volumes, double shift_s) {
  std::vector<double> boxcar;
  for (int t : volumes) {
    const double centre_s = 2 * t + 1;
    const bool in = std::any_of(run.events.begin(), run.events.end(), [&](const Event& event) {
      return centre_s >= event.onset_s + shift_s && centre_s < event.end_s() + shift_s;
    });
    boxcar.push_back(in ? 1 : 0);
  }
  const double mean = std::accumulate(boxcar.begin(), boxcar.end(), 0.0) / static_cast<double>(boxcar.size());
  for (double& value : boxcar) value -= mean;
  return boxcar;
}

// The curve is the definition, computed the slow way, for two runs of unlike scale.
TEST(Delay, CurveIsTheMeanOfTheLargestCorrelations) {
  Study study({planted_run("1", 2.0, 3.0), planted_run("2", 2.0, 3.0, 5)});
  study.runs[0].series.keep[20] = 0;
  study.runs[0].series.values.row(20).setConstant(1e6F);
  study.runs[1].series.values.rightCols(1000) *= 3;
  const DelayEstimate estimate = study.estimate(study.all());
  ASSERT_EQ(estimate.shifts_s.size(), 9u);
  EXPECT_EQ(estimate.shifts_s[3], 3.0);
  EXPECT_EQ(estimate.volumes, study.runs[0].series.volumes() + study.runs[1].series.volumes() - 1);
  for (std::size_t d = 0; d < 9; ++d) {
    std::vector<double> xy(kFeatures, 0), yy(kFeatures, 0);
    double xx = 0;
    for (const LearningRun& run : study.runs) {
      std::vector<int> volumes;
      for (int t = 0; t < run.series.volumes(); ++t) {
        if (run.series.keep[static_cast<std::size_t>(t)]) volumes.push_back(t);
      }
      const std::vector<double> boxcar = centred_boxcar(run, volumes, static_cast<double>(d));
      for (double x : boxcar) xx += x * x;
      for (int f = 0; f < kFeatures; ++f) {
        double mean = 0;
        for (int t : volumes) mean += run.series.values(t, f) / static_cast<double>(volumes.size());
        for (std::size_t i = 0; i < volumes.size(); ++i) {
          const double y = run.series.values(volumes[i], f) - mean;
          xy[static_cast<std::size_t>(f)] += boxcar[i] * y;
          yy[static_cast<std::size_t>(f)] += y * y;
        }
      }
    }
    std::vector<double> correlations;
    for (std::size_t f = 0; f < kFeatures; ++f) correlations.push_back(std::abs(xy[f]) / std::sqrt(xx * yy[f]));
    std::sort(correlations.rbegin(), correlations.rend());
    const double mean = std::accumulate(correlations.begin(), correlations.begin() + 40, 0.0) / 40;
    EXPECT_NEAR(estimate.mean_abs_correlation[d], mean, 1e-9);
  }
}

// A test block in the same run that responds at another delay, even with values that are not numbers, must not matter.
TEST(Delay, NothingOfTestBlocksEnters) {
  Study study({planted_run("1", 2.0, 4.0)});
  const std::vector<int> train{0, 1, 3, 4, 6, 7};
  const DelayEstimate before = study.estimate(train);
  EXPECT_EQ(before.delay_s, 4.0);
  for (int test : {2, 5}) {
    const Block& block = study.blocks[static_cast<std::size_t>(test)];
    const VolumeRange range = volumes_between(study.runs[0].series, block.onset_s, block.end_s + 8 + 2);
    study.runs[0]
        .series.values.middleRows(range.first, range.size())
        .setConstant(std::numeric_limits<float>::quiet_NaN());
  }
  const DelayEstimate after = study.estimate(train);
  EXPECT_EQ(after.delay_s, before.delay_s);
  EXPECT_EQ(after.mean_abs_correlation, before.mean_abs_correlation);
  EXPECT_EQ(after.volumes, study.runs[0].series.volumes() - 2 * 13);
}

// Whole test runs do not enter, and what is kept of whole runs equals what is computed anew.
TEST(Delay, NothingOfTestRunsEnters) {
  Study study({planted_run("1", 2.0, 4.0), planted_run("2", 2.0, 4.0), planted_run("3", 2.0, 0.0)});
  std::vector<int> train(16);
  std::iota(train.begin(), train.end(), 0);
  EXPECT_EQ(study.estimate(train).delay_s, 4.0);
  Study alone({planted_run("1", 2.0, 4.0), planted_run("2", 2.0, 4.0)});
  EXPECT_EQ(study.estimate(train).mean_abs_correlation, alone.estimate(alone.all()).mean_abs_correlation);
}

// Opposite levels of two runs do not look like a response: both sides are centred within runs.
TEST(Delay, LevelsOfRunsDoNotMatter) {
  Study study({planted_run("1", 2.0, 4.0), planted_run("2", 2.0, 4.0)});
  const DelayEstimate before = study.estimate(study.all());
  study.runs[1].series.values.array() += 100;
  const DelayEstimate after = study.estimate(study.all());
  for (std::size_t d = 0; d < before.shifts_s.size(); ++d) {
    EXPECT_NEAR(after.mean_abs_correlation[d], before.mean_abs_correlation[d], 1e-4);
  }
}

// Shifts that pick the same volumes tie; the smallest counts.
TEST(Delay, TiesGoToTheSmallestShift) {
  std::vector<Event> events;
  for (int i = 0; i < 8; ++i) events.push_back({15 + 35.0 * i, 22.5, i % 2 == 0 ? "a" : "b", 1});
  LearningRun run = made_up::run("01", "1", 2.5, 121, events, kFeatures);
  for (const Event& event : events) plant(run, event, 0, 1.0F);
  const Study tied({run});
  const DelayEstimate estimate = tied.estimate(tied.all());
  EXPECT_EQ(estimate.mean_abs_correlation[0], estimate.mean_abs_correlation[1]);
  EXPECT_EQ(estimate.delay_s, 0);
}

TEST(Delay, FewFeaturesAreAllUsed) {
  LearningRun run = planted_run("1", 2.0, 4.0);
  const MatrixF first = run.series.values.leftCols(7);
  run.series.values = first;
  const Study study({run});
  EXPECT_EQ(study.estimate(study.all()).features, 7);
  EXPECT_EQ(study.estimate(study.all()).delay_s, 4.0);
}

// Blocks without rest between them look the same at every shift.
TEST(Delay, CannotBeToldWithoutRest) {
  std::vector<Event> events;
  for (int i = 0; i < 10; ++i) events.push_back({20.0 * i, 20, i % 2 == 0 ? "a" : "b", 1});
  const Study study({made_up::run("01", "1", 2.0, 105, events, 50)});
  DelayEstimate estimate;
  EXPECT_THAT(warnings_of([&] { estimate = study.estimate(study.all()); }),
              HasSubstr("leave 5 % of 105 training volumes for rest"));
  EXPECT_FALSE(estimate.determined);
  EXPECT_EQ(estimate.delay_s, 5.0);
  EXPECT_THAT(delay_disagreement(estimate, 0), IsEmpty());
}

TEST(Delay, NeedsData) {
  Study study({planted_run("1", 2.0, 4.0)});
  EXPECT_THAT(message_of<DataError>([&] { study.estimate({}); }), HasSubstr("training blocks, found none"));
  study.runs[0].series.keep.assign(study.runs[0].series.keep.size(), 0);
  EXPECT_THAT(message_of<DataError>([&] { study.estimate(study.all()); }),
              HasSubstr("found 0 usable training volumes"));
  Study uneven({planted_run("1", 2.0, 4.0), made_up::run("01", "2", 2.0, 100, block_design(2), 5)});
  EXPECT_THAT(message_of<ShapeError>([&] { uneven.estimate(uneven.all()); }),
              HasSubstr("has 5 features, but run 'sub-01_run-1' has 2000"));
}

TEST(Delay, DisagreementIsSaidOnlyWhenItIsClear) {
  const Study study({planted_run("1", 2.0, 0.0)});
  const DelayEstimate estimate = study.estimate(study.all());
  EXPECT_THAT(delay_disagreement(estimate, 0), IsEmpty());
  EXPECT_THAT(delay_disagreement(estimate, 2), IsEmpty()) << "close";
  EXPECT_THAT(delay_disagreement(estimate, 5),
              HasSubstr("declared delay of 5 s disagrees with the data, which respond 0 s after"));
  EXPECT_THAT(delay_disagreement(estimate, 20), HasSubstr("disagrees"));
  DelayEstimate flat = estimate;
  flat.mean_abs_correlation.assign(flat.shifts_s.size(), 0.2);
  EXPECT_THAT(delay_disagreement(flat, 5), IsEmpty());
}

}  // namespace
}  // namespace noema
