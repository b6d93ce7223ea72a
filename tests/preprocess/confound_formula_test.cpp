#include "noema/preprocess/confound_formula.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "noema/core/error.h"
#include "noema/preprocess/confounds.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr Eigen::Index kVolumes = 6;

ConfoundTable table() {
  ConfoundTable result;
  result.path = "confounds.tsv";
  result.names = {"global_signal", "csf",
                  "white_matter",  "trans_x",
                  "trans_y",       "trans_z",
                  "rot_x",         "rot_y",
                  "rot_z",         "std_dvars",
                  "a_comp_cor_00", "a_comp_cor_01",
                  "a_comp_cor_02", "framewise_displacement"};
  result.values.resize(kVolumes, static_cast<Eigen::Index>(result.names.size()));
  for (Eigen::Index t = 0; t < kVolumes; ++t) {
    for (Eigen::Index c = 0; c < result.values.cols(); ++c) {
      result.values(t, c) = std::pow(static_cast<double>(t + 1), 2) + static_cast<double>(c);
    }
  }
  result.values.col(13) << kNaN, 0.1, 0.7, 0.2, 0.9, 0.5;
  result.values.col(9) << kNaN, 1, 1, 2, 2, 1;
  return result;
}

std::vector<FormulaColumn> columns(const char* formula) { return ConfoundFormula(formula).columns(table()); }

std::vector<std::string> names(const char* formula) {
  std::vector<std::string> result;
  for (const FormulaColumn& column : columns(formula)) result.push_back(column.name);
  return result;
}

/// Of `formula`'s column `name`.
std::vector<double> values(const char* formula, const std::string& name) {
  for (const FormulaColumn& column : columns(formula)) {
    if (column.name == name) return {column.values.begin(), column.values.end()};
  }
  ADD_FAILURE() << "no column " << name;
  return {};
}

// csf is (t + 1)² + 1: 2, 5, 10, 17, 26, 37.
TEST(ConfoundFormula, ColumnsDifferencesAndPowersByHand) {
  EXPECT_THAT(values("csf", "csf"), ElementsAre(2, 5, 10, 17, 26, 37));
  EXPECT_THAT(values("d1(csf)", "csf_derivative1"), ElementsAre(testing::IsNan(), 3, 5, 7, 9, 11));
  EXPECT_THAT(values("d2(csf)", "csf_derivative2"), ElementsAre(testing::IsNan(), testing::IsNan(), 2, 2, 2, 2));
  EXPECT_THAT(values("csf^2", "csf_power2"), ElementsAre(4, 25, 100, 289, 676, 1369));
  EXPECT_THAT(values("dd1(csf)^^2", "csf_derivative1_power2"), ElementsAre(testing::IsNan(), 9, 25, 49, 81, 121));
  EXPECT_THAT(values("dd1(csf^^2)", "csf_power2_derivative1"), ElementsAre(testing::IsNan(), 21, 75, 189, 387, 693));
  EXPECT_THAT(names("dd1(csf)^^2"), ElementsAre("csf", "csf_derivative1", "csf_power2", "csf_derivative1_power2"));
  EXPECT_THAT(names("dd2(csf)"), ElementsAre("csf", "csf_derivative1", "csf_derivative2"));
  EXPECT_THAT(names("d1-2( csf )"), ElementsAre("csf_derivative1", "csf_derivative2"));
  EXPECT_THAT(names("d{0,2}(csf)"), ElementsAre("csf", "csf_derivative2"));
  EXPECT_THAT(names("csf^{1,3} + csf^2"), ElementsAre("csf", "csf_power3", "csf_power2"));
}

TEST(ConfoundFormula, SumsLeaveOutWhatIsThere) {
  EXPECT_THAT(names("csf^^2 + csf + (csf^2 + csf)^3-5"),
              ElementsAre("csf", "csf_power2", "csf_power2_power3", "csf_power3", "csf_power2_power4", "csf_power4",
                          "csf_power2_power5", "csf_power5"));
  EXPECT_THAT(names("csf + white_matter + csf"), ElementsAre("csf", "white_matter"));
}

TEST(ConfoundFormula, ThirtySixParameters) {
  const std::vector<std::string> found = names("dd1(rps + wm + csf + gsr)^^2");
  EXPECT_EQ(found.size(), 36U);
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), 36U);
  EXPECT_THAT(found, testing::IsSupersetOf({"rot_z_derivative1_power2", "global_signal_power2", "white_matter",
                                            "trans_x_derivative1", "csf_derivative1_power2"}));
  EXPECT_EQ(names("dd1((rps+wm+csf+gsr)^^2)").size(), 36U);
}

TEST(ConfoundFormula, PatternsAndShortNamesAreWholeWords) {
  EXPECT_THAT(names("trans_* + *_y"), ElementsAre("trans_x", "trans_y", "trans_z", "rot_y"));
  EXPECT_THAT(names("acc"), ElementsAre("a_comp_cor_00", "a_comp_cor_01", "a_comp_cor_02"));
  EXPECT_THAT(names("dv + std_dvars + fd"), ElementsAre("std_dvars", "framewise_displacement"));
  EXPECT_THAT(values("rps^2", "trans_x_power2")[0], 16);
  EXPECT_EQ(names("rps^2").size(), 6U);
}

TEST(ConfoundFormula, ComparisonsLogicAndSpikes) {
  EXPECT_THAT(values("1_[>0.5](fd)", "framewise_displacement>0.5"), ElementsAre(0, 0, 1, 0, 1, 0));
  EXPECT_THAT(values("1_[<=0.5](fd)", "framewise_displacement<=0.5"), ElementsAre(0, 1, 0, 1, 0, 1));
  EXPECT_THAT(values("1_[!=0.5](fd)", "framewise_displacement!=0.5"), ElementsAre(0, 1, 1, 1, 1, 0));
  EXPECT_THAT(columns("[OR](1_[>0.5](fd) + 1_[>1.5](dv))")[0].values, ElementsAre(0, 0, 1, 1, 1, 0));
  EXPECT_THAT(columns("[AND](1_[>0.5](fd) + 1_[>1.5](dv))")[0].values, ElementsAre(0, 0, 0, 0, 1, 0));
  EXPECT_THAT(columns("[NOT](1_[>0.5](fd))")[0].values, ElementsAre(1, 1, 0, 1, 0, 1));
  EXPECT_THAT(names("[SCATTER](1_[>0.5](fd) + 1_[>1.5](dv))"), ElementsAre("spike_0002", "spike_0003", "spike_0004"));
  EXPECT_THAT(values("[SCATTER](1_[>0.5](fd))", "spike_0004"), ElementsAre(0, 0, 0, 0, 1, 0));
  EXPECT_TRUE(columns("[SCATTER](1_[>9](fd))").empty());
  EXPECT_THAT(names("[SCATTER](1_[>0.8](fd))"), ElementsAre("spike_0004"));
  EXPECT_THAT(values("[SCATTER](1_[>0.8](fd))", "spike_0004"), ElementsAre(0, 0, 0, 0, 1, 0));
  EXPECT_THAT(names("[SCATTER](1_[>0.5](fd))"), ElementsAre("spike_0002", "spike_0004"));
  EXPECT_EQ(names("[SCATTER](1_[>0](csf))").size(), 6U);  // every volume
}

TEST(ConfoundFormula, ComponentsOfMasks) {
  ConfoundTable with = table();
  const auto found = [&](const char* formula) {
    std::vector<std::string> result;
    for (const FormulaColumn& column : ConfoundFormula(formula).columns(with)) result.push_back(column.name);
    return result;
  };
  EXPECT_THAT(found("n_{{2; acc}}"), ElementsAre("a_comp_cor_00", "a_comp_cor_01"));
  EXPECT_THROW(found("v_{{50; acc}}"), DataError);
  EXPECT_THROW(found("n_{{1; acc; Mask=CSF}}"), DataError);
  with.compcor["a_comp_cor_00"] = {"WM", "aCompCor", 0.2};
  with.compcor["a_comp_cor_01"] = {"WM", "aCompCor", 0.31};
  with.compcor["a_comp_cor_02"] = {"CSF", "aCompCor", 0.5};
  EXPECT_THAT(found("n_{{1; acc; Mask=CSF,WM}}"), ElementsAre("a_comp_cor_02", "a_comp_cor_00"));
  EXPECT_THAT(found("v_{{29.9; acc; Mask=WM}}"), ElementsAre("a_comp_cor_00", "a_comp_cor_01"));
  EXPECT_THAT(found("v_{{20; acc; Mask=WM}}"), ElementsAre("a_comp_cor_00"));
}

TEST(ConfoundFormula, RefusalsSayWhere) {
  const auto refused = [](const char* formula) -> std::string {
    try {
      columns(formula);
    } catch (const Error& error) {
      return error.what();
    }
    ADD_FAILURE() << formula;
    return "";
  };
  EXPECT_THAT(refused("csf +"), HasSubstr("expected the name of a column"));
  EXPECT_THAT(refused("d1(csf"), HasSubstr("expected )"));
  EXPECT_THAT(refused("csf csf"), HasSubstr("at 'csf' (character 5) expected + or the end"));
  EXPECT_THAT(refused("csf^"), HasSubstr("whole number"));
  EXPECT_THAT(refused("csf^99"), HasSubstr("at most 20"));
  EXPECT_THAT(refused("csf^4-2"), HasSubstr("at least 4"));
  EXPECT_THAT(refused("1_[~3](csf)"), HasSubstr("one of > >="));
  EXPECT_THAT(refused("csv"), HasSubstr("nearest is 'csf'"));
  EXPECT_THAT(refused("aroma*"), HasSubstr("no column matches 'aroma*'"));
}

TEST(ConfoundFormula, AsAChoiceOfConfounds) {
  ConfoundsOptions options = confounds_strategy("formula: dd2(csf)^^2 + fd");
  options.demean = false;
  const Confounds found = select_confounds(table(), options);
  EXPECT_THAT(found.names, ElementsAre("csf", "csf_derivative1", "csf_derivative2", "csf_power2",
                                       "csf_derivative1_power2", "csf_derivative2_power2", "framewise_displacement"));
  EXPECT_THAT(found.values.col(1), ElementsAre(3, 3, 5, 7, 9, 11));
  EXPECT_THAT(found.values.col(2), ElementsAre(2, 2, 2, 2, 2, 2));
  EXPECT_THAT(found.values.col(6), ElementsAre(0.1, 0.1, 0.7, 0.2, 0.9, 0.5));
  options.demean = true;
  options.scrub = ScrubOptions{.fd_threshold_mm = 0.6, .std_dvars_threshold = 5, .shortest_segment = 0};
  const Confounds censored = select_confounds(table(), options);
  EXPECT_THAT(censored.keep, ElementsAre(1, 1, 0, 1, 0, 1));
  EXPECT_NEAR(censored.values(0, 0), 2 - (2 + 5 + 17 + 37) / 4.0, 1e-12);
}

}  // namespace
}  // namespace noema
