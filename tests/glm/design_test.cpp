#include "noema/glm/design.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

#include "golden.h"
#include "noema/core/error.h"
#include "noema/core/log.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<Event> golden_events() { return {{10, 5, "a"}, {40, 5, "a"}, {70, 5, "a"}, {25, 0, "b"}, {55, 10, "b"}}; }

DesignOptions golden_options(HrfModel hrf) { return {.hrf = hrf, .high_pass_hz = 0.01}; }

class DesignGoldenTest : public GoldenTest, public testing::WithParamInterface<HrfModel> {};

// nilearn: make_first_level_design_matrix(2 * arange(60), events, hrf_model=...).
TEST_P(DesignGoldenTest, EqualsReference) {
  const std::string name(hrf_model_name(GetParam()));
  const DesignMatrix design = make_design(golden_events(), frame_times(60, 2), golden_options(GetParam()));
  EXPECT_EQ(design.names, golden().at("design_cols/" + name).get<std::vector<std::string>>());
  EXPECT_LE(relative_difference(design.values, golden_matrix("design/" + name)), 1e-12);
}
INSTANTIATE_TEST_SUITE_P(Models, DesignGoldenTest,
                         testing::Values(HrfModel::glover, HrfModel::spm, HrfModel::glover_derivative,
                                         HrfModel::spm_derivative_dispersion));

TEST_F(GoldenTest, FiniteImpulseResponseEqualsReference) {
  DesignOptions options = golden_options(HrfModel::fir);
  options.fir_delays = {0, 1, 2};
  const DesignMatrix design = make_design(golden_events(), frame_times(60, 2), options);
  EXPECT_EQ(design.names, golden().at("design_cols/fir").get<std::vector<std::string>>());
  EXPECT_LE(relative_difference(design.values, golden_matrix("design/fir")), 1e-12);
}

TEST_F(GoldenTest, PolynomialDriftEqualsReference) {
  DesignOptions options{.hrf = HrfModel::glover, .drift = DriftModel::polynomial, .polynomial_order = 3};
  const DesignMatrix design = make_design(golden_events(), frame_times(60, 2), options);
  EXPECT_THAT(design.names, ElementsAre("a", "b", "drift_1", "drift_2", "drift_3", "constant"));
  EXPECT_LE(relative_difference(design.values, golden_matrix("design/glover_poly3")), 1e-12);
}

/// Boxcars drawn sample by sample, convolved in full and read by interpolation.
Eigen::VectorXd direct_regressor(const std::vector<Event>& events, std::int64_t volumes, double tr_s,
                                 int oversampling) {
  const double begin_s = -24, end_s = static_cast<double>(volumes - 1) * tr_s + tr_s;
  const auto count = static_cast<Eigen::Index>(std::lround((end_s - begin_s) / tr_s * oversampling)) + 1;
  const double step_s = (end_s - begin_s) / static_cast<double>(count - 1);
  Eigen::VectorXd boxcar = Eigen::VectorXd::Zero(count);
  for (const Event& event : events) {
    for (Eigen::Index i = 0; i < count; ++i) {
      const double time_s = begin_s + static_cast<double>(i) * step_s;
      if (time_s > event.onset_s - 1e-9 && time_s < event.end_s() - 1e-9) boxcar[i] += event.modulation;
    }
  }
  const Eigen::VectorXd kernel = spm_hrf(tr_s, oversampling);
  Eigen::VectorXd regressor(volumes);
  for (std::int64_t t = 0; t < volumes; ++t) {
    const double position = (static_cast<double>(t) * tr_s - begin_s) / step_s;
    const auto fine = static_cast<Eigen::Index>(std::lround(position));
    double value = 0;
    for (Eigen::Index k = 0; k < kernel.size() && k <= fine; ++k) value += kernel[k] * boxcar[fine - k];
    regressor[t] = value;
  }
  return regressor;
}

TEST(Design, EqualsFullConvolution) {
  const std::vector<Event> events{{3.1, 7, "a"}, {8, 12, "a", 2.5}, {30, 4, "a", -1}, {-10, 6, "a"}, {55, 20, "a"}};
  const DesignMatrix design = make_design(events, frame_times(30, 2), {.drift = DriftModel::none, .oversampling = 20});
  EXPECT_THAT(design.names, ElementsAre("a", "constant"));
  EXPECT_LE(relative_difference(design.values.col(0), direct_regressor(events, 30, 2, 20)), 1e-12);
  EXPECT_EQ(design.values.col(1), Eigen::VectorXd::Ones(30));
}

// A window of one volume, d volumes late: an event of one volume on the grid of volumes is 1 at the window alone.
TEST(Design, FiniteImpulseResponseIsADelayedWindow) {
  DesignOptions options{.hrf = HrfModel::fir, .fir_delays = {1, 4}, .drift = DriftModel::none, .oversampling = 1};
  const DesignMatrix design = make_design({{10, 2, "a", 3}}, frame_times(20, 2), options);
  EXPECT_THAT(design.names, ElementsAre("a_delay_1", "a_delay_4", "constant"));
  EXPECT_LE((design.values.col(0) - 3 * Eigen::VectorXd::Unit(20, 6)).norm(), 1e-12);
  EXPECT_LE((design.values.col(1) - 3 * Eigen::VectorXd::Unit(20, 9)).norm(), 1e-12);
}

TEST(Design, NoResponseIsTheBoxcar) {
  const DesignMatrix design =
      make_design({{10, 6, "a", 2}}, frame_times(20, 2), {.hrf = HrfModel::none, .drift = DriftModel::none});
  Eigen::VectorXd boxcar = Eigen::VectorXd::Zero(20);
  boxcar.segment(5, 3).setConstant(2);
  EXPECT_LE((design.values.col(0) - boxcar).norm(), 1e-12);
}

TEST(Design, ResponsesOfOnesOwn) {
  DesignOptions options{.drift = DriftModel::none};
  options.custom_hrf = [](double tr_s, int oversampling) {
    return std::vector<HrfKernel>{{spm_hrf(tr_s, oversampling), ""}, {glover_hrf(tr_s, oversampling), "_glover"}};
  };
  const std::vector<Event> events{{10, 6, "a"}, {40, 2, "a"}};
  const Eigen::VectorXd times = frame_times(40, 2);
  const DesignMatrix design = make_design(events, times, options);
  EXPECT_THAT(design.names, ElementsAre("a", "a_glover", "constant"));
  EXPECT_EQ(design.values.col(0), make_design(events, times, {.drift = DriftModel::none}).values.col(0));
  const Eigen::VectorXd glover =
      make_design(events, times, {.hrf = HrfModel::glover, .drift = DriftModel::none}).values.col(0);
  const Eigen::VectorXd spm = design.values.col(0);
  EXPECT_LE((design.values.col(1) - (glover - spm * (spm.dot(glover) / spm.squaredNorm()))).norm(), 1e-12);
  options.custom_hrf = [](double, int) { return std::vector<HrfKernel>{}; };
  EXPECT_THROW(make_design(events, times, options), UsageError);
}

TEST(Design, OverlapsAreSaidAndContradictionsRefused) {
  const Eigen::VectorXd times = frame_times(40, 2);
  WarningCollector warnings;
  make_design({{30, 8, "a"}, {10, 6, "a"}, {14, 6, "a"}, {12, 3, "b"}}, times);
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_THAT(warnings.entries()[0].message, HasSubstr("1 of 3 events 'a' begin before another"));
  try {
    make_design({{30, 8, "a"}, {10, 6, "a"}, {30, 5, "a"}}, times);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("two events 'a' begin at 30 s"));
  }
  EXPECT_NO_THROW(make_design({{30, 8, "a"}, {30, 5, "b"}}, times));
}

TEST(Design, OrderOfEventsDoesNotMatter) {
  const std::vector<Event> sorted{{4, 3, "a"}, {20, 5, "b"}, {40, 2, "a"}};
  const std::vector<Event> shuffled{sorted[2], sorted[0], sorted[1]};
  const Eigen::VectorXd times = frame_times(40, 2);
  EXPECT_LE((make_design(sorted, times).values - make_design(shuffled, times).values).norm(), 1e-13);
}

TEST(Design, OrderOfColumns) {
  DesignOptions options;
  options.regressors = MatrixD::Random(40, 2);
  options.regressor_names = {"trans_x", "rot_z"};
  const DesignMatrix design = make_design({{20, 5, "zebra"}, {4, 5, "ape"}}, frame_times(40, 2), options);
  EXPECT_THAT(design.names, ElementsAre("ape", "zebra", "trans_x", "rot_z", "drift_1", "constant"));
  EXPECT_EQ(design.values.col(3), options.regressors.col(1));
}

TEST(Design, RepeatedEventsAddTheirModulations) {
  const auto response = [](const std::vector<Event>& events) {
    return Eigen::VectorXd(make_design(events, frame_times(30, 2)).values.col(0));
  };
  const Eigen::VectorXd once = response({{10, 4, "a", 3}});
  EXPECT_LE(relative_difference(response({{10, 4, "a", 1}, {10, 4, "a", 2}}), once), 1e-14);
  EXPECT_GT(once.maxCoeff(), 0.5);
}

TEST(Design, StartAndSliceTimeMoveTheFrames) {
  const Eigen::VectorXd times = frame_times(3, 2, 10, 0.5);
  EXPECT_EQ(times, Eigen::Vector3d(11, 13, 15));
  const auto at = [](double onset_s, double start_s) {
    return Eigen::VectorXd(make_design({{onset_s, 4, "a"}}, frame_times(30, 2, start_s)).values.col(0));
  };
  EXPECT_LE(relative_difference(at(26, 20), at(6, 0)), 0.05);  // the fine grid's step changes a little
  EXPECT_GT(relative_difference(at(26, 20), at(8, 0)), 0.3);
}

TEST(Design, EventsOutsideTheRunAreSaid) {
  WarningCollector warnings;
  const DesignMatrix design =
      make_design({{-100, 5, "a"}, {500, 5, "a"}, {-30, 10, "b"}}, frame_times(30, 2), {.drift = DriftModel::none});
  ASSERT_EQ(warnings.entries().size(), 2U);
  EXPECT_THAT(warnings.entries()[0].message, HasSubstr("1 of 3 events are over 24 s before"));
  EXPECT_THAT(warnings.entries()[1].message, HasSubstr("1 of 3 events begin after"));
  EXPECT_EQ(design.values.col(0).norm(), 0);
  EXPECT_GT(design.values.col(1).norm(), 1e-4);
}

TEST(Design, RunWithoutEventsHasDriftAlone) {
  EXPECT_THAT(make_design({}, frame_times(64, 2)).names, ElementsAre("drift_1", "drift_2", "constant"));
}

TEST(Design, RefusesWhatCannotBe) {
  const Eigen::VectorXd times = frame_times(30, 2);
  EXPECT_THROW(make_design({}, frame_times(1, 2)), UsageError);
  EXPECT_THROW(make_design({}, frame_times(30, 0)), UsageError);
  EXPECT_THROW(make_design({}, times, {.oversampling = 0}), UsageError);
  for (const double high_pass_hz : {0.25, 0.3}) {
    try {
      make_design({}, times, {.high_pass_hz = high_pass_hz});
      FAIL() << high_pass_hz;
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("with a TR of 2 s no frequency reaches 0.25 Hz"));
    }
  }
  EXPECT_EQ(make_design({}, times, {.high_pass_hz = 0.24}).names.size(), 29U);  // 28 drifts, constant
  EXPECT_NO_THROW(make_design({}, times, {.drift = DriftModel::polynomial, .high_pass_hz = 0.3}));
  EXPECT_THROW(make_design({}, times, {.hrf = HrfModel::fir, .fir_delays = {}}), UsageError);
  EXPECT_THROW(make_design({}, times, {.hrf = HrfModel::fir, .fir_delays = {0, -1}}), UsageError);
  EXPECT_THROW(make_design({{1, 2, "a"}}, times, {.hrf = HrfModel::fir, .fir_delays = {1, 1}}), UsageError);
  EXPECT_THROW(make_design({{1, 2, "constant"}}, times), UsageError);
  EXPECT_THROW(make_design({{1, -2, "a"}}, times), DataError);
  EXPECT_THROW(make_design({{std::nan(""), 2, "a"}}, times), DataError);
  DesignOptions options{.regressors = MatrixD::Zero(29, 1), .regressor_names = {"x"}};
  EXPECT_THROW(make_design({}, times, options), ShapeError);
  options.regressors = MatrixD::Constant(30, 1, std::nan(""));
  EXPECT_THROW(make_design({}, times, options), DataError);
}

}  // namespace
}  // namespace noema
