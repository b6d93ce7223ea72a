#include "noema/simulate/design.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

namespace noema {
namespace {

// Four rounds of four states, 8 volumes each, with 4 volumes of rest around them.
TEST(SimulatedDesignTest, Blocks) {
  const SimulationOptions options;
  const SimulatedDesign design = draw_design(options, 0, 0);
  ASSERT_EQ(design.events.size(), 16U);
  EXPECT_EQ(design.volumes, 16 * 12 + 4);
  for (std::size_t e = 0; e < 16; ++e) {
    EXPECT_EQ(design.events[e].onset_s, 8 + 24.0 * static_cast<double>(e));
    EXPECT_EQ(design.events[e].duration_s, 16);
  }
  for (std::size_t round = 0; round < 4; ++round) {
    std::set<std::string> labels;
    for (std::size_t e = 0; e < 4; ++e) labels.insert(design.events[4 * round + e].label);
    EXPECT_EQ(labels, (std::set<std::string>{"state1", "state2", "state3", "state4"}));
  }
  const auto order = [&](int subject, int run) {
    std::string text;
    for (const Event& event : draw_design(options, subject, run).events) text += event.label;
    return text;
  };
  EXPECT_EQ(order(0, 0), order(0, 0));
  EXPECT_NE(order(0, 0), order(0, 1));
  EXPECT_NE(order(0, 0), order(1, 0));
}

TEST(SimulatedDesignTest, Events) {
  SimulationOptions options;
  options.design = DesignKind::events;
  options.events = 100;
  const SimulatedDesign design = draw_design(options, 0, 0);
  ASSERT_EQ(design.events.size(), 400U);
  std::map<std::string, int> counts;
  double gaps_s = 0;
  for (std::size_t e = 0; e < 400; ++e) {
    ++counts[design.events[e].label];
    if (e == 0) continue;
    const double gap_s = design.events[e].onset_s - design.events[e - 1].end_s();
    EXPECT_GE(gap_s, 2 - 1e-3);
    gaps_s += gap_s / 399;
  }
  for (const auto& [label, count] : counts) EXPECT_EQ(count, 100) << label;
  EXPECT_NEAR(gaps_s, 4, 0.4);
  EXPECT_GT(static_cast<double>(design.volumes) * options.tr_s, design.events.back().end_s() + 15.9);
}

TEST(SimulatedDesignTest, NamesSortAsTheyCount) {
  SimulationOptions options;
  options.states = 12;
  EXPECT_EQ(options.state_names()[1], "state02");
  EXPECT_EQ(options.state_names()[11], "state12");
}

// A state that lasts reaches 1; before it is 0; the values are those of a sum over fine time steps.
TEST(SimulatedDesignTest, Responses) {
  SimulationOptions options;
  options.states = 2;
  const SimulatedDesign design{{{10, 60, "state2", 1}, {100, 1.5, "state1", 1}}, 80};
  const MatrixD responses = state_responses(design, options, spm_shape());
  ASSERT_EQ(responses.rows(), 80);
  ASSERT_EQ(responses.cols(), 2);
  EXPECT_EQ(responses(4, 1), 0);                // 9 s
  EXPECT_NEAR(responses(34, 1), 1, 1e-12);      // 69 s: more than 32 s of it
  EXPECT_GT(responses.col(1).maxCoeff(), 1.1);  // before the undershoot
  EXPECT_LT(responses.col(1).maxCoeff(), 1.2);
  EXPECT_EQ(responses(60, 1), 0);  // 121 s: 51 s after its end
  double total = 0;
  for (double u = 0.0005; u < kHrfLength_s; u += 0.001) total += hrf_at(spm_shape(), u);
  for (const Eigen::Index t : {51, 52, 53, 56, 60}) {
    double direct = 0;
    for (double s = 100.0005; s < 101.5; s += 0.001) direct += hrf_at(spm_shape(), 2.0 * double(t) + 1 - s) / total;
    EXPECT_NEAR(responses(t, 0), direct, 1e-5) << t;
    EXPECT_GT(std::abs(direct), 0.001);
  }
}

// The response varies by subject as asked; with 0 it is SPM's.
TEST(SimulatedDesignTest, HrfOfSubjects) {
  SimulationOptions options;
  options.hrf_delay_sd_s = 0.5;
  options.hrf_width_sd = 0.1;
  double delay = 0, squares = 0, width = 0, width_squares = 0;
  for (int subject = 0; subject < 2000; ++subject) {
    const HrfShape shape = draw_hrf(options, subject);
    delay += shape.delay_s / 2000;
    squares += std::pow(shape.delay_s - 6, 2) / 2000;
    width += shape.dispersion_s / 2000;
    width_squares += std::pow(shape.dispersion_s - 1, 2) / 2000;
    EXPECT_NEAR(shape.undershoot_s - shape.delay_s, 10, 1e-12);
  }
  EXPECT_NEAR(delay, 6, 0.05);
  EXPECT_NEAR(std::sqrt(squares), 0.5, 0.03);
  EXPECT_NEAR(width, 1, 0.01);
  EXPECT_NEAR(std::sqrt(width_squares), 0.1, 0.006);
  options.hrf_delay_sd_s = options.hrf_width_sd = 0;
  EXPECT_EQ(draw_hrf(options, 3).delay_s, 6);
  EXPECT_EQ(draw_hrf(options, 3).dispersion_s, 1);
}

}  // namespace
}  // namespace noema
