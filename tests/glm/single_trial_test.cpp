#include "noema/glm/single_trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "golden.h"
#include "made_up.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/glm/contrast.h"

namespace noema {
namespace {

using testing::HasSubstr;

constexpr Eigen::Index kVolumes = 110;
constexpr TrialModel kModels[] = {TrialModel::lsa, TrialModel::lss, TrialModel::lss_by_condition};

/// Trials of a and b in mixed order, 5 s apart, and events of a condition that is no trial.
std::vector<Event> fast_events() {
  std::vector<Event> events;
  for (int k = 0; k < 30; ++k) events.push_back({6 + 5.0 * k + 0.7 * (k % 3), 1, (k * 7) % 5 < 2 ? "a" : "b"});
  for (int k = 0; k < 4; ++k) events.push_back({11 + 40.0 * k, 3, "button"});
  return events;
}

DesignOptions with_regressor() {
  DesignOptions options;
  options.regressors = ar1_noise(kVolumes, 1, 0.5, 31);
  options.regressor_names = {"motion"};
  return options;
}

std::vector<std::uint8_t> some_dropped() {
  std::vector<std::uint8_t> keep(kVolumes, 1);
  keep[20] = keep[21] = keep[70] = 0;
  return keep;
}

/// The coefficient of one column in a fit of the design of these events.
Eigen::VectorXd coefficient(const std::vector<Event>& events, const MatrixF& data, const std::string& name) {
  const DesignMatrix design = make_design(events, frame_times(kVolumes, 2), with_regressor());
  const GlmFit fit = fit_glm(data, design, NoiseModel::ols, some_dropped());
  return t_contrast(fit, "'" + name + "'").effect;
}

TEST(SingleTrial, EqualsAFitForEachTrial) {
  const MatrixF data = ar1_noise(kVolumes, 6, 0.4, 32).cast<float>().array() + 50;
  const std::vector<Event> events = fast_events();
  for (const TrialModel model : kModels) {
    const TrialWeights weights =
        trial_weights(events, {"a", "b"}, frame_times(kVolumes, 2), model, with_regressor(), some_dropped());
    ASSERT_EQ(weights.trials.size(), 30U);
    const MatrixF maps = trial_maps(weights, data);
    for (const std::size_t k : {0U, 1U, 13U, 29U}) {
      std::vector<Event> of_model = events;
      for (std::size_t e = 0; e < 30; ++e) {
        if (model == TrialModel::lsa) of_model[e].label = "trial " + std::to_string(100 + e);
        if (model == TrialModel::lss) of_model[e].label = "the others";
      }
      of_model[k].label = "this one";
      const Eigen::VectorXd expected = coefficient(of_model, data, "this one");
      EXPECT_LE(relative_difference(maps.row(static_cast<Eigen::Index>(k)).transpose().cast<double>(), expected), 1e-5)
          << trial_model_name(model) << ' ' << k;
      EXPECT_EQ(weights.trials[k].label, events[k].label);
      EXPECT_EQ(weights.trials[k].onset_s, events[k].onset_s);
    }
  }
}

// Else decoders see how the labels lie in estimates that hold nothing of them, and permutations do not.
TEST(SingleTrial, EstimatesForDecodingDoNotDependOnLabels) {
  const std::vector<Event> events = fast_events();
  std::vector<Event> permuted = events;
  for (std::size_t e = 0; e < 30; ++e) permuted[e].label = events[(e * 11 + 3) % 30].label;
  const auto weights = [](const std::vector<Event>& of, TrialModel model) {
    return trial_weights(of, {"a", "b"}, frame_times(kVolumes, 2), model, with_regressor(), some_dropped()).weights;
  };
  for (const TrialModel model : {TrialModel::lsa, TrialModel::lss}) {
    EXPECT_EQ(weights(events, model), weights(permuted, model)) << trial_model_name(model);
  }
  const TrialModel by_condition = TrialModel::lss_by_condition;
  EXPECT_GT(relative_difference(weights(events, by_condition), weights(permuted, by_condition)), 0.01);
}

TEST(SingleTrial, RecoversTheSizeOfEachTrial) {
  const std::vector<Event> events = fast_events();
  const TrialWeights all = trial_weights(events, {"a", "b"}, frame_times(kVolumes, 2), TrialModel::lsa);
  MatrixD data = MatrixD::Constant(kVolumes, 1, 7);
  for (Eigen::Index k = 0; k < 30; ++k) data.col(0) += (k + 1.0) * all.responses.row(k).transpose();
  const MatrixF maps = trial_maps(all, data.cast<float>());
  for (Eigen::Index k = 0; k < 30; ++k) EXPECT_NEAR(maps(k, 0), k + 1.0, 1e-3);
}

TEST(SingleTrial, DroppedVolumesHaveNoWeight) {
  for (const TrialModel model : kModels) {
    const TrialWeights weights =
        trial_weights(fast_events(), {}, frame_times(kVolumes, 2), model, with_regressor(), some_dropped());
    EXPECT_EQ(weights.trials.size(), 34U);  // without conditions all events are trials
    EXPECT_EQ(weights.weights.col(20).norm(), 0);
    EXPECT_GT(weights.weights.col(22).norm(), 0);
  }
}

TEST(SingleTrial, TrialsThatCannotBeToldAreSaid) {
  std::vector<Event> events = fast_events();
  events.push_back({2.0 * kVolumes - 0.5, 1, "a"});  // hardly begun when the run ends
  events.push_back({events[4].onset_s, 1, "b"});     // at once with another
  WarningCollector warnings;
  const TrialWeights weights = trial_weights(events, {"a", "b"}, frame_times(kVolumes, 2), TrialModel::lsa);
  EXPECT_EQ(weights.trials.size(), 29U);
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_THAT(warnings.entries()[0].message, HasSubstr("3 of 32 trials cannot be estimated"));
}

TEST(SingleTrial, RefusesWhatCannotBe) {
  const Eigen::VectorXd times = frame_times(kVolumes, 2);
  EXPECT_THROW(trial_weights(fast_events(), {}, times, TrialModel::lsa, {.hrf = HrfModel::spm_derivative}), UsageError);
  EXPECT_THROW(trial_weights(fast_events(), {}, times, TrialModel::lss, {.hrf = HrfModel::fir, .fir_delays = {1, 2}}),
               UsageError);
  EXPECT_THROW(trial_weights(fast_events(), {"c"}, times, TrialModel::lsa), DataError);
  EXPECT_THROW(trial_weights(fast_events(), {}, frame_times(18, 10), TrialModel::lsa), DataError);
  EXPECT_THROW(trial_weights(fast_events(), {}, times, TrialModel::lsa, {}, std::vector<std::uint8_t>(3, 1)),
               ShapeError);
  const TrialWeights weights = trial_weights(fast_events(), {}, times, TrialModel::lss);
  EXPECT_THROW(trial_maps(weights, MatrixF::Zero(kVolumes - 1, 3)), ShapeError);
  for (const TrialModel model : kModels) EXPECT_EQ(parse_trial_model(trial_model_name(model)), model);
  EXPECT_THROW(parse_trial_model("lsu"), UsageError);
}

}  // namespace
}  // namespace noema
