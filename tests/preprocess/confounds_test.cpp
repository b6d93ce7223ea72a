#include "noema/preprocess/confounds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/preprocess/nuisance.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr Eigen::Index kVolumes = 30;

void add(ConfoundTable& table, const std::string& name, double first = 0.5) {
  const Eigen::Index column = table.values.cols();
  table.names.push_back(name);
  table.values.conservativeResize(kVolumes, column + 1);
  for (Eigen::Index t = 0; t < kVolumes; ++t) {
    table.values(t, column) = std::sin(0.3 * static_cast<double>(t) + static_cast<double>(column));
  }
  if (std::isnan(first)) table.values(0, column) = first;
}

void add_model(ConfoundTable& table, const std::string& base) {
  add(table, base);
  add(table, base + "_derivative1", kNaN);
  add(table, base + "_power2");
  add(table, base + "_derivative1_power2", kNaN);
}

/// As fMRIPrep 21 and later write it.
ConfoundTable full_table() {
  ConfoundTable table;
  table.path = "sub-01_desc-confounds_timeseries.tsv";
  table.values.resize(kVolumes, 0);
  for (const char* base : {"global_signal", "csf", "white_matter"}) add_model(table, base);
  for (const char* base : {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"}) add_model(table, base);
  for (const char* name : {"t_comp_cor_00", "a_comp_cor_00", "a_comp_cor_01", "c_comp_cor_00", "w_comp_cor_00",
                           "w_comp_cor_01", "cosine00", "cosine01"}) {
    add(table, name);
  }
  for (const char* name : {"framewise_displacement", "std_dvars"}) {
    add(table, name, kNaN);
    table.values.col(table.values.cols() - 1).tail(kVolumes - 1).setConstant(0.2);
  }
  return table;
}

TEST(Confounds, SimpleTakesTheseColumnsSortedByName) {
  const Confounds found = select_confounds(full_table(), confounds_strategy("simple"));
  EXPECT_EQ(found.names.size(), 28U);
  EXPECT_TRUE(std::is_sorted(found.names.begin(), found.names.end()));
  EXPECT_THAT(std::vector(found.names.begin(), found.names.begin() + 5),
              ElementsAre("cosine00", "cosine01", "csf", "rot_x", "rot_x_derivative1"));
  EXPECT_EQ(found.names.back(), "white_matter");
  EXPECT_THAT(found.keep, testing::Each(1));
}

TEST(Confounds, OtherPresets) {
  EXPECT_TRUE(select_confounds(full_table(), confounds_strategy("none")).names.empty());
  EXPECT_EQ(select_confounds(full_table(), confounds_strategy("motion")).names.size(), 24U);
  EXPECT_EQ(select_confounds(full_table(), confounds_strategy("scrubbing")).names.size(), 34U);
  const Confounds compcor = select_confounds(full_table(), confounds_strategy("compcor"));
  EXPECT_EQ(compcor.names.size(), 28U);
  EXPECT_THAT(compcor.names, testing::IsSupersetOf({"a_comp_cor_00", "a_comp_cor_01"}));
  EXPECT_THAT(compcor.names, testing::Not(testing::Contains("w_comp_cor_00")));
  const Confounds aroma = select_confounds(full_table(), confounds_strategy("ica_aroma"));
  EXPECT_THAT(aroma.names, ElementsAre("cosine00", "cosine01", "csf", "white_matter"));
  EXPECT_THROW(confounds_strategy("everything"), UsageError);
}

TEST(Confounds, ModelsAndComponents) {
  ConfoundsOptions options;
  options.global_signal = ConfoundModel::derivatives;
  EXPECT_THAT(select_confounds(full_table(), options).names, ElementsAre("global_signal", "global_signal_derivative1"));
  options.global_signal = ConfoundModel::power2;
  EXPECT_THAT(select_confounds(full_table(), options).names, ElementsAre("global_signal", "global_signal_power2"));
  options = {};
  options.compcor = CompCor::temporal_anat_separated;
  EXPECT_THROW(options.validate(), UsageError);
  options.high_pass = true;
  options.n_compcor = 1;
  EXPECT_THAT(select_confounds(full_table(), options).names,
              ElementsAre("c_comp_cor_00", "cosine00", "cosine01", "t_comp_cor_00", "w_comp_cor_00"));
}

// Before version 21 the sidecar tells which mask a component belongs to.
TEST(Confounds, OlderComponentsAreToldApartByTheSidecar) {
  ConfoundTable table;
  table.path = "old.tsv";
  table.values.resize(kVolumes, 0);
  for (const char* name : {"a_comp_cor_00", "a_comp_cor_01", "a_comp_cor_02", "cosine00"}) add(table, name);
  ConfoundsOptions options;
  options.high_pass = true;
  options.compcor = CompCor::anat_combined;
  EXPECT_THROW(select_confounds(table, options), DataError);
  table.compcor["a_comp_cor_00"].mask = "combined";
  table.compcor["a_comp_cor_01"].mask = "WM";
  table.compcor["a_comp_cor_02"].mask = "CSF";
  EXPECT_THAT(select_confounds(table, options).names, ElementsAre("a_comp_cor_00", "cosine00"));
  options.compcor = CompCor::anat_separated;
  EXPECT_THAT(select_confounds(table, options).names, ElementsAre("a_comp_cor_01", "a_comp_cor_02", "cosine00"));
}

TEST(Confounds, FirstRowIsFilledFromTheSecondAndMeansAreOverKeptVolumes) {
  ConfoundTable table = full_table();
  add(table, "non_steady_state_outlier00");
  table.values.rightCols(1).setZero();
  table.values(2, table.values.cols() - 1) = 1;
  table.values(10, table.index("framewise_displacement")) = 3;
  ConfoundsOptions options = confounds_strategy("scrubbing");
  options.scrub->shortest_segment = 0;
  const Confounds found = select_confounds(table, options);
  for (std::size_t t = 0; t < found.keep.size(); ++t) EXPECT_EQ(found.keep[t], t != 2 && t != 10) << t;
  for (std::size_t c = 0; c < found.names.size(); ++c) {
    const auto column = found.values.col(static_cast<Eigen::Index>(c));
    EXPECT_NEAR(column.sum() - column[2] - column[10], 0, 1e-12) << found.names[c];
    Eigen::VectorXd given = table.values.col(table.index(found.names[c]));
    if (std::isnan(given[0])) given[0] = given[1];
    EXPECT_NEAR(column[0] - column[20], given[0] - given[20], 1e-12) << found.names[c];
  }
  options.demean = false;
  const Confounds raw = select_confounds(table, options);
  EXPECT_EQ(raw.values(20, 0), table.values(20, table.index("cosine00")));
}

TEST(Confounds, MissingColumnsAreNamedWithWhatCanBeServed) {
  ConfoundTable table = full_table();
  table.names[static_cast<std::size_t>(table.index("csf"))] = "cerebrospinal";
  try {
    select_confounds(table, confounds_strategy("simple"));
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("sub-01_desc-confounds_timeseries.tsv' lacks the columns csf;"));
    EXPECT_THAT(error.what(), HasSubstr("strategies none, motion, compcor"));
  }
}

TEST(Confounds, GapsAndCompleteCensoringAreErrors) {
  ConfoundTable table = full_table();
  table.values(7, table.index("rot_x")) = kNaN;
  try {
    select_confounds(table, confounds_strategy("motion"));
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("rot_x has no number at volume 7"));
  }
  add(table, "non_steady_state_outlier00");
  table.values.rightCols(1).setZero();
  table.values(7, table.values.cols() - 1) = 1;  // at a censored volume nothing is missing
  const Confounds censored = select_confounds(table, confounds_strategy("motion"));
  EXPECT_EQ(censored.keep[7], 0);
  EXPECT_EQ(censored.names[0], "rot_x");
  EXPECT_EQ(censored.values(7, 0), 0);
  table = full_table();
  table.values.col(table.index("std_dvars")).setConstant(9);
  EXPECT_THROW(select_confounds(table, confounds_strategy("scrubbing")), DataError);
}

TEST(Nuisance, TakesWhatIsKnown) {
  const ConfoundTable table = full_table();
  std::vector<double> global(kVolumes, 7);
  global[3] = 9;
  const NuisanceSeries with = nuisance_series(&table, global);
  EXPECT_THAT(with.names, ElementsAre("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z",
                                      "framewise_displacement", "global_signal", "position"));
  EXPECT_EQ(with.values(4, 0), table.values(4, table.index("trans_x")));
  EXPECT_EQ(with.values(0, 6), 0);
  EXPECT_EQ(with.values(3, 7), 9);
  EXPECT_DOUBLE_EQ(with.values(15, 8), 0.5);
  const NuisanceSeries without = nuisance_series(nullptr, global);
  EXPECT_THAT(without.names, ElementsAre("global_signal", "position"));
  EXPECT_THROW(nuisance_series(&table, std::span(global).first(5)), ShapeError);
}

}  // namespace
}  // namespace noema
