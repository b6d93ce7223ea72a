#include "noema/glm/first_level.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <cmath>

#include "made_up.h"
#include "noema/core/error.h"
#include "noema/core/log.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Eigen::Index kVolumes = 120;
constexpr Eigen::Index kVoxels = 40;
constexpr double kTr_s = 2;

std::vector<Event> events_of(const std::vector<std::string>& labels) {
  std::vector<Event> events;
  for (double onset_s = 4; onset_s < 220; onset_s += 20) {
    events.push_back({onset_s, 10, labels[events.size() % labels.size()]});
  }
  return events;
}

/// A run with a mean of 200 in which 'a' raises voxel 3 by 2 percent.
Series make_series(unsigned seed, const std::vector<std::string>& labels) {
  const DesignMatrix design = make_design(events_of(labels), frame_times(kVolumes, kTr_s));
  MatrixD data = ar1_noise(kVolumes, kVoxels, 0.3, seed);
  data.array() += 200;
  data.col(3) += 4 * design.values.col(0);
  Series series;
  series.values = data.cast<float>();
  series.tr_s = kTr_s;
  return series;
}

RunData make_run(const std::string& name, const Series& series, const std::vector<std::string>& labels = {"a", "b"}) {
  return {.name = name, .series = &series, .events = events_of(labels)};
}

TEST(FirstLevel, PlantedEffectInPercent) {
  const Series one = make_series(1, {"a", "b"}), two = make_series(2, {"a", "b"});
  const FirstLevelResult result =
      first_level({make_run("one", one), make_run("two", two)}, {{"a", "a"}, {"difference", "(a - b)/2"}});
  ASSERT_EQ(result.contrasts.size(), 2U);
  const ContrastMaps& maps = result.contrasts[0].maps;
  EXPECT_THAT(result.contrasts[0].runs, ElementsAre(0U, 1U));
  EXPECT_NEAR(maps.effect[3], 2, 4 * std::sqrt(maps.variance[3]));
  EXPECT_GT(maps.z[3], 8);
  EXPECT_NEAR(result.contrasts[1].maps.effect[3], 1, 0.3);
  EXPECT_EQ(maps.df, 2 * static_cast<double>(kVolumes - result.runs[0].design.values.cols()));
  EXPECT_EQ(result.empty_voxels, 0);
}

// Scaling the series before the fit and the fit afterwards is one thing.
TEST(FirstLevel, PercentIsOfTheMeanOfKeptVolumes) {
  Series series = make_series(3, {"a", "b"});
  series.values *= 0.001F;  // means below 1 have no floor
  series.keep.assign(kVolumes, 1);
  series.keep[50] = 0;
  series.values.row(50).setConstant(900);
  const auto percent = first_level({make_run("r", series)}, {{"a", "a"}}).contrasts[0].maps;
  Series scaled = series;
  for (Eigen::Index v = 0; v < kVoxels; ++v) {
    const double mean = (series.values.col(v).cast<double>().sum() - 900) / (kVolumes - 1);
    scaled.values.col(v) = (100 * (series.values.col(v).cast<double>().array() / mean - 1)).cast<float>();
  }
  const auto expected =
      first_level({make_run("r", scaled)}, {{"a", "a"}}, {.scaling = SignalScaling::none}).contrasts[0].maps;
  EXPECT_LE((percent.effect - expected.effect).norm(), 1e-5 * expected.effect.norm());
  EXPECT_LE((percent.stat - expected.stat).norm(), 1e-5 * expected.stat.norm());
}

TEST(FirstLevel, CombinesRunsByFixedEffects) {
  const Series one = make_series(4, {"a", "b"}), two = make_series(5, {"a", "b"});
  const std::vector<RunData> runs{make_run("one", one), make_run("two", two)};
  for (const RunWeights weights : {RunWeights::equal, RunWeights::precision}) {
    const FirstLevelOptions options{.run_weights = weights};
    const auto alone = [&](std::size_t r) { return first_level({runs[r]}, {{"a", "a"}}, options).contrasts[0].maps; };
    const ContrastMaps expected = fixed_effects({alone(0), alone(1)}, weights);
    const ContrastMaps found = first_level(runs, {{"a", "a"}}, options).contrasts[0].maps;
    EXPECT_LE((found.effect - expected.effect).norm(), 1e-12 * expected.effect.norm());
    EXPECT_LE((found.z - expected.z).norm(), 1e-12 * expected.z.norm());
  }
}

// F of a run is that of its fit, in percent or not; over two runs of one design it is F of the mean.
// Two runs of one session count as much as the one of the other.
TEST(FirstLevel, CombinesSessionsAfterTheirRuns) {
  const Series series[] = {make_series(41, {"a", "b"}), make_series(42, {"a", "b"}), make_series(43, {"a", "b"})};
  std::vector<RunData> runs;
  for (const Series& one : series) runs.push_back(make_run("run " + std::to_string(runs.size()), one));
  runs[0].session = runs[2].session = "one";
  runs[1].session = "two";
  const std::vector<ContrastRequest> contrasts{{"a", "a"}, {"any", "a; b"}};
  const auto of_run = [&](std::size_t r) { return first_level({runs[r]}, contrasts).contrasts[0].maps; };
  const ContrastMaps maps[] = {of_run(0), of_run(1), of_run(2)};
  FirstLevelOptions options;
  options.by_session = true;
  const FirstLevelResult found = first_level(runs, contrasts, options);
  ASSERT_EQ(found.sessions.size(), 2U);
  const ContrastResult& one = found.sessions.at("one")[0];
  EXPECT_THAT(one.runs, ElementsAre(0U, 2U));
  EXPECT_LE((one.maps.effect - (maps[0].effect + maps[2].effect) / 2).norm(), 1e-12);
  EXPECT_LE((one.maps.variance - (maps[0].variance + maps[2].variance) / 4).norm(), 1e-12);
  EXPECT_LE((found.sessions.at("two")[0].maps.effect - maps[1].effect).norm(), 1e-12);
  EXPECT_TRUE(found.sessions.at("two")[1].maps.is_f());
  const ContrastMaps& all = found.contrasts[0].maps;
  EXPECT_LE((all.effect - (one.maps.effect + maps[1].effect) / 2).norm(), 1e-12);
  EXPECT_LE((all.variance - (one.maps.variance + maps[1].variance) / 4).norm(), 1e-12);
  EXPECT_EQ(all.df, maps[0].df + maps[1].df + maps[2].df);

  options.run_weights = RunWeights::precision;  // for which it makes no difference
  const FirstLevelResult weighted = first_level(runs, contrasts, options);
  options.by_session = false;
  const FirstLevelResult at_once = first_level(runs, contrasts, options);
  EXPECT_TRUE(at_once.sessions.empty());
  for (std::size_t c = 0; c < 2; ++c) {
    EXPECT_LE((weighted.contrasts[c].maps.stat - at_once.contrasts[c].maps.stat).norm(),
              1e-9 * at_once.contrasts[c].maps.stat.norm());
  }
}

TEST(FirstLevel, FContrasts) {
  const Series one = make_series(13, {"a", "b"}), two = make_series(14, {"a", "b"});
  const std::vector<ContrastRequest> request{{"any", "a; b"}};
  const auto alone = first_level({make_run("one", one)}, request);
  const ContrastMaps& maps = alone.contrasts[0].maps;
  const ContrastMaps expected = f_contrast(fit_glm(one.values, alone.runs[0].design, NoiseModel::ar1), "a; b");
  EXPECT_LE((maps.stat - expected.stat).norm(), 1e-10 * expected.stat.norm());
  EXPECT_EQ(maps.df_numerator, 2);
  EXPECT_GT(maps.z[3], 8);
  const auto both = first_level({make_run("one", one), make_run("two", two)}, request).contrasts[0].maps;
  EXPECT_GT(both.stat[3], 1.5 * maps.stat[3]);
  EXPECT_EQ(both.df, 2 * maps.df);
}

TEST(FirstLevel, RunsWithoutAConditionAreLeftOut) {
  const Series one = make_series(6, {"a", "b"}), two = make_series(7, {"a"});
  WarningCollector warnings;
  const auto result =
      first_level({make_run("one", one), make_run("two", two, {"a"})}, {{"a", "a"}, {"difference", "a - b"}});
  EXPECT_THAT(result.contrasts[0].runs, ElementsAre(0U, 1U));
  EXPECT_THAT(result.contrasts[1].runs, ElementsAre(0U));
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_THAT(warnings.entries()[0].message, HasSubstr("run 'two' has no 'b'"));
}

TEST(FirstLevel, ConfoundsAreExplainedAway) {
  Series series = make_series(8, {"a", "b"});
  const MatrixD confound = ar1_noise(kVolumes, 1, 0.5, 9);
  for (Eigen::Index v = 0; v < kVoxels; ++v) series.values.col(v) += (5 * confound.col(0)).cast<float>();
  RunData run = make_run("r", series);
  const double without = first_level({run}, {{"a", "a"}}).contrasts[0].maps.z[3];
  run.confounds = confound;
  run.confound_names = {"motion"};
  const auto result = first_level({run}, {{"a", "a"}});
  EXPECT_GT(result.contrasts[0].maps.z[3], without + 2);
  EXPECT_THAT(result.runs[0].design.names, testing::Contains("motion"));
}

TEST(FirstLevel, EmptyVoxelsAreCounted) {
  Series series = make_series(10, {"a", "b"});
  series.values.col(0).setConstant(7);
  for (Eigen::Index t = 0; t < kVolumes; ++t) series.values(t, 1) = t % 2 == 0 ? 1 : -1;
  WarningCollector warnings;
  const auto result = first_level({make_run("r", series)}, {{"a", "a"}});
  EXPECT_EQ(result.empty_voxels, 2);
  EXPECT_EQ(result.contrasts[0].maps.effect.head(2), Eigen::Vector2d::Zero());
  EXPECT_EQ(result.contrasts[0].maps.z.head(2), Eigen::Vector2d::Zero());
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_THAT(warnings.entries()[0].message, HasSubstr("1 of 40 voxels have a mean of 0"));
}

// Rounding leaves a standardised series a mean that is not quite 0 and must not be divided by.
TEST(FirstLevel, StandardisedSeriesHaveNoPercent) {
  Series series = make_series(12, {"a", "b"});
  for (Eigen::Index v = 0; v < kVoxels; ++v) {
    Eigen::VectorXd column = series.values.col(v).cast<double>();
    column.array() -= column.mean();
    series.values.col(v) = (column / std::sqrt(column.squaredNorm() / kVolumes)).cast<float>();
  }
  WarningCollector warnings;
  const auto result = first_level({make_run("r", series)}, {{"a", "a"}});
  EXPECT_EQ(result.contrasts[0].maps.effect.cwiseAbs().maxCoeff(), 0);
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_THAT(warnings.entries()[0].message, HasSubstr("40 of 40 voxels have a mean of 0"));
  EXPECT_GT(first_level({make_run("r", series)}, {{"a", "a"}}, {.scaling = SignalScaling::none}).contrasts[0].maps.z[3],
            5);
}

// Scaling the series before the fit and asking for effects in their unit is the same as each scaling.
TEST(FirstLevel, PercentOfWhatIsAskedFor) {
  Series series = make_series(16, {"a", "b"});
  for (Eigen::Index v = 0; v < kVoxels; ++v) series.values.col(v) *= 1 + 0.1F * static_cast<float>(v);
  series.keep.assign(kVolumes, 1);
  series.keep[50] = 0;
  series.values.row(50).setConstant(900);
  double grand = 0;
  for (Eigen::Index t = 0; t < kVolumes; ++t) {
    if (t != 50) grand += series.values.row(t).cast<double>().mean() / (kVolumes - 1);
  }
  Series by_grand = series, by_volume = series;
  for (Eigen::Index t = 0; t < kVolumes; ++t) {
    const Eigen::RowVectorXd row = series.values.row(t).cast<double>();
    by_grand.values.row(t) = (100 * (row.array() / grand - 1)).cast<float>();
    by_volume.values.row(t) = (100 * (row.array() / row.mean() - 1)).cast<float>();
  }
  for (const auto& [scaling, scaled] :
       {std::pair(SignalScaling::grand, &by_grand), std::pair(SignalScaling::volume, &by_volume)}) {
    FirstLevelModel model({{"a", "a"}, {"level", "constant"}}, {.scaling = scaling});
    model.add(make_run("r", series));
    const MatrixF residuals = model.last_residuals(series);
    const FirstLevelResult found = model.result();
    FirstLevelModel direct({{"a", "a"}, {"level", "constant"}}, {.scaling = SignalScaling::none});
    direct.add(make_run("r", *scaled));
    const MatrixF expected_residuals = direct.last_residuals(*scaled);
    const FirstLevelResult expected = direct.result();
    for (std::size_t c = 0; c < 2; ++c) {
      const ContrastMaps &a = found.contrasts[c].maps, &b = expected.contrasts[c].maps;
      EXPECT_LE((a.effect - b.effect).norm(), 1e-4 * b.effect.norm()) << signal_scaling_name(scaling) << c;
      EXPECT_LE((a.variance - b.variance).norm(), 1e-3 * b.variance.norm()) << signal_scaling_name(scaling) << c;
    }
    EXPECT_LE((residuals - expected_residuals).norm(), 1e-3F * expected_residuals.norm());
    EXPECT_EQ(parse_signal_scaling(signal_scaling_name(scaling)), scaling);
  }
  EXPECT_THROW(parse_signal_scaling("mean"), UsageError);
  series.values.row(7).setZero();
  EXPECT_THROW(first_level({make_run("r", series)}, {{"a", "a"}}, {.scaling = SignalScaling::volume}), DataError);
}

// What is left is the scaled series less what the design explains; the design is orthogonal to it.
TEST(FirstLevel, ResidualsAreWhatTheDesignLeaves) {
  const Series series = make_series(15, {"a", "b"});
  for (const SignalScaling scaling : {SignalScaling::voxel, SignalScaling::none}) {
    FirstLevelModel model({{"a", "a"}}, {.noise = NoiseModel::ols, .scaling = scaling});
    EXPECT_THROW(model.last_residuals(series), UsageError);
    model.add(make_run("r", series));
    const MatrixF residuals = model.last_residuals(series);
    const FirstLevelResult result = model.result();
    const MatrixD& design = result.runs[0].design.values;
    const Eigen::VectorXd y = series.values.col(3).cast<double>();
    const Eigen::VectorXd left = y - design * (design.transpose() * design).ldlt().solve(design.transpose() * y);
    const double scale = scaling == SignalScaling::voxel ? 100 / y.mean() : 1;
    const double variation = (y.array() - y.mean()).square().sum();
    EXPECT_NEAR(result.runs[0].r_squared[3], 1 - left.squaredNorm() / variation, 1e-6);
    EXPECT_EQ(result.runs[0].tr_s, kTr_s);
    EXPECT_LE((residuals.col(3).cast<double>() - scale * left).norm(), 1e-4 * scale * left.norm());
    EXPECT_EQ(result.runs[0].df, static_cast<double>(kVolumes - result.runs[0].rank));
  }
}

TEST(FirstLevel, RefusesWhatCannotBe) {
  const Series one = make_series(11, {"a", "b"});
  Series narrow = one;
  narrow.values = narrow.values.leftCols(5).eval();
  EXPECT_THROW(first_level({}, {{"a", "a"}}), UsageError);
  EXPECT_THROW(first_level({make_run("one", one)}, {}), UsageError);
  EXPECT_THROW(first_level({make_run("one", one)}, {{"c", "c"}}), UsageError);
  EXPECT_THROW(first_level({make_run("one", one), make_run("two", narrow)}, {{"a", "a"}}), ShapeError);
  RunData run = make_run("late", one);
  run.events = {{4, 10, "a"}, {100, 10, "b"}};
  Series cut = one;  // no volume that 'a' reaches is left
  cut.keep.assign(kVolumes, 1);
  std::fill_n(cut.keep.begin(), 30, std::uint8_t{0});
  run.series = &cut;
  try {
    first_level({run}, {{"a", "a"}});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no run can answer contrast 'a'"));
  }
}

}  // namespace
}  // namespace noema
