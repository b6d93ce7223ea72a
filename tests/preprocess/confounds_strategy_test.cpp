#include "noema/preprocess/confounds_strategy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/preprocess/confounds.h"
#include "noema/tests/io/temporary_folder.h"

namespace noema {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;
using Names = std::vector<std::string>;

constexpr int kVolumes = 40;

double value_at(std::size_t column, int t) { return std::sin(0.3 * t + static_cast<double>(column)) + 0.01 * t; }

/// Every column that a strategy may take, as fMRIPrep 23 writes them (old: with a_comp_cor alone), and the sidecar.
class ConfoundsFile : public testing::Test {
 protected:
  static Names all_names(bool old) {
    Names names;
    for (const char* base :
         {"global_signal", "csf", "white_matter", "trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"}) {
      for (const char* suffix : {"", "_derivative1", "_derivative1_power2", "_power2"}) {
        names.push_back(fmt::format("{}{}", base, suffix));
      }
    }
    for (const char* name : {"std_dvars", "dvars", "framewise_displacement", "t_comp_cor_00", "t_comp_cor_01"}) {
      names.emplace_back(name);
    }
    if (old) {
      for (int c = 0; c < 6; ++c) names.push_back(fmt::format("a_comp_cor_{:02}", c));
    } else {
      for (const char* prefix : {"c", "w", "a"}) {
        for (int c = 0; c < 3; ++c) names.push_back(fmt::format("{}_comp_cor_{:02}", prefix, c));
      }
    }
    for (const char* name : {"cosine00", "cosine01", "non_steady_state_outlier00", "motion_outlier00",
                             "aroma_motion_01", "aroma_motion_10"}) {
      names.emplace_back(name);
    }
    return names;
  }

  ConfoundTable write_and_read(bool old = false) const {
    const Names names = all_names(old);
    std::ofstream file(path_);
    file << fmt::format("{}\n", fmt::join(names, "\t"));
    for (int t = 0; t < kVolumes; ++t) {
      for (std::size_t c = 0; c < names.size(); ++c) {
        const std::string& name = names[c];
        double value = value_at(c, t);
        const bool judged = name == "framewise_displacement" || name == "std_dvars" || name == "dvars";
        if (name == "framewise_displacement") value = t == 12 || t == 16 ? 0.6 : 0.5;
        if (name == "std_dvars") value = t == 34 ? 1.51 : 1.5;
        if (name == "non_steady_state_outlier00") value = t == 0;
        if (name == "motion_outlier00") value = t == 20;
        const bool missing = t == 0 && (judged || name.find("derivative1") != std::string::npos);
        file << (missing ? "n/a" : fmt::format("{}", value)) << (c + 1 < names.size() ? '\t' : '\n');
      }
    }
    std::ofstream sidecar(folder_.path() / "sub-01_task-x_desc-confounds_timeseries.json");
    const auto describe = [&](const std::string& name, const char* method, const char* mask) {
      sidecar << fmt::format(R"("{}": {{"Method": "{}", "Mask": "{}", "Retained": true}})", name, method, mask);
    };
    sidecar << "{";
    for (const char* name : {"t_comp_cor_00", "t_comp_cor_01"}) {
      sidecar << fmt::format(R"("{}": {{"Method": "tCompCor", "Retained": true}}, )", name);
    }
    const char* masks[] = {"CSF", "WM", "combined"};
    for (int c = 0; c < (old ? 6 : 9); ++c) {
      const int m = old ? c / 2 : c / 3;
      describe(old ? fmt::format("a_comp_cor_{:02}", c) : fmt::format("{}_comp_cor_{:02}", "cwa"[m], c % 3), "aCompCor",
               masks[m]);
      sidecar << (c + 1 < (old ? 6 : 9) ? ", " : "}");
    }
    sidecar.close();
    file.close();
    return read_confounds(path_);
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "sub-01_task-x_desc-confounds_timeseries.tsv";
};

Names model(std::initializer_list<const char*> bases, std::initializer_list<const char*> suffixes) {
  Names names;
  for (const char* base : bases) {
    for (const char* suffix : suffixes) names.push_back(fmt::format("{}{}", base, suffix));
  }
  return names;
}

const Names kMotion24 = model({"rot_x", "rot_y", "rot_z", "trans_x", "trans_y", "trans_z"},
                              {"", "_derivative1", "_derivative1_power2", "_power2"});
const Names kTissue8 = model({"csf", "white_matter"}, {"", "_derivative1", "_derivative1_power2", "_power2"});
const Names kCosines{"cosine00", "cosine01"};

Names sorted(std::initializer_list<Names> parts) {
  Names all;
  for (const Names& part : parts) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  return all;
}

struct Expectation {
  const char* text;
  Names names;
  bool scrubs = false;
};

TEST_F(ConfoundsFile, EveryStrategyTakesTheseColumnsInThisOrder) {
  const ConfoundTable table = write_and_read();
  const std::vector<Expectation> expectations{
      {"none", {}},
      {"motion", kMotion24},
      {"motion=full", kMotion24},
      {"motion=basic", model({"rot_x", "rot_y", "rot_z", "trans_x", "trans_y", "trans_z"}, {""})},
      {"motion=power2", model({"rot_x", "rot_y", "rot_z", "trans_x", "trans_y", "trans_z"}, {"", "_power2"})},
      {"motion=derivatives", model({"rot_x", "rot_y", "rot_z", "trans_x", "trans_y", "trans_z"}, {"", "_derivative1"})},
      {"wm_csf", {"csf", "white_matter"}},
      {"wm_csf=full", kTissue8},
      {"global_signal", {"global_signal"}},
      {"global_signal=full", model({"global_signal"}, {"", "_derivative1", "_derivative1_power2", "_power2"})},
      {"high_pass", kCosines},
      {"high_pass,compcor", sorted({kCosines, {"a_comp_cor_00", "a_comp_cor_01", "a_comp_cor_02"}})},
      {"high_pass,compcor=anat_combined:2", sorted({kCosines, {"a_comp_cor_00", "a_comp_cor_01"}})},
      {"high_pass,compcor=anat_separated:1", sorted({kCosines, {"c_comp_cor_00", "w_comp_cor_00"}})},
      {"high_pass,compcor=anat_separated:all",
       sorted({kCosines, model({"c_comp_cor_0", "w_comp_cor_0"}, {"0", "1", "2"})})},
      {"high_pass, compcor=temporal", sorted({kCosines, {"t_comp_cor_00", "t_comp_cor_01"}})},
      {"compcor=temporal_anat_combined:1,high_pass", sorted({kCosines, {"a_comp_cor_00", "t_comp_cor_00"}})},
      {"compcor=temporal_anat_separated:9,high_pass",
       sorted(
           {kCosines, {"t_comp_cor_00", "t_comp_cor_01"}, model({"c_comp_cor_0", "w_comp_cor_0"}, {"0", "1", "2"})})},
      {"ica_aroma=basic", {"aroma_motion_01", "aroma_motion_10"}},
      {"ica_aroma=full", {}},
      {"scrub", {}, true},
      {"motion,high_pass,wm_csf", sorted({kMotion24, kCosines, {"csf", "white_matter"}})},
      {"simple", sorted({kMotion24, kCosines, {"csf", "white_matter"}})},
      {"simple+global_signal", sorted({kMotion24, kCosines, {"csf", "white_matter", "global_signal"}})},
      {"scrubbing", sorted({kMotion24, kCosines, kTissue8}), true},
      {"compcor", sorted({kMotion24, kCosines, {"a_comp_cor_00", "a_comp_cor_01", "a_comp_cor_02"}})},
      {"compcor + motion=basic, global_signal",
       sorted({kCosines,
               model({"rot_x", "rot_y", "rot_z", "trans_x", "trans_y", "trans_z", "global_signal"}, {""}),
               {"a_comp_cor_00", "a_comp_cor_01", "a_comp_cor_02"}})},
      {"ica_aroma", sorted({kCosines, {"csf", "white_matter"}})},
  };
  for (const Expectation& expected : expectations) {
    const Confounds found = select_confounds(table, confounds_strategy(expected.text));
    EXPECT_THAT(found.names, ElementsAreArray(expected.names)) << expected.text;
    // Volumes 12 and 16 moved, 34 jumped; between 12 and 16 are only three volumes, after 34 five. 0 is not steady.
    for (int t = 0; t < kVolumes; ++t) {
      const bool censored = t == 0 || (expected.scrubs && ((t >= 12 && t <= 16) || t == 34));
      EXPECT_EQ(found.keep[static_cast<std::size_t>(t)] == 0, censored) << expected.text << " at " << t;
    }
    // Values: those of the file, the first from the second where it is missing, without the mean over kept volumes.
    for (std::size_t c = 0; c < found.names.size(); ++c) {
      const auto column = static_cast<std::size_t>(table.index(found.names[c]));
      const bool derivative = found.names[c].find("derivative") != std::string::npos;
      double mean = 0, kept = 0;
      for (int t = 0; t < kVolumes; ++t) {
        if (!found.keep[static_cast<std::size_t>(t)]) continue;
        mean += value_at(column, t);
        kept += 1;
      }
      mean /= kept;
      for (int t = 0; t < kVolumes; ++t) {
        EXPECT_NEAR(found.values(t, static_cast<Eigen::Index>(c)),
                    value_at(column, derivative && t == 0 ? 1 : t) - mean, 1e-12)
            << expected.text << ' ' << found.names[c];
      }
    }
  }
}

TEST_F(ConfoundsFile, ShortestStretchOfScrubAndDemean) {
  const ConfoundTable table = write_and_read();
  const auto kept = [&](const char* text) {
    const Confounds found = select_confounds(table, confounds_strategy(text));
    return std::count(found.keep.begin(), found.keep.end(), 1);
  };
  EXPECT_EQ(kept("scrub=0"), kVolumes - 4);
  EXPECT_EQ(kept("scrub=3"), kVolumes - 4);
  EXPECT_EQ(kept("scrub=4"), kVolumes - 7);
  EXPECT_EQ(kept("scrub=6"), kVolumes - 12);
  const Confounds raw = select_confounds(table, confounds_strategy("global_signal,demean=no"));
  EXPECT_DOUBLE_EQ(raw.values(7, 0), value_at(0, 7));
}

TEST_F(ConfoundsFile, OlderComponentsByTheirMasks) {
  const ConfoundTable table = write_and_read(true);
  const auto names = [&](const char* text) { return select_confounds(table, confounds_strategy(text)).names; };
  EXPECT_THAT(names("high_pass,compcor"), ElementsAreArray(sorted({kCosines, {"a_comp_cor_04", "a_comp_cor_05"}})));
  EXPECT_THAT(names("high_pass,compcor=anat_separated:1"),
              ElementsAreArray(sorted({kCosines, {"a_comp_cor_00", "a_comp_cor_02"}})));
  std::filesystem::remove(folder_.path() / "sub-01_task-x_desc-confounds_timeseries.json");
  const ConfoundTable without = read_confounds(path_);
  try {
    select_confounds(without, confounds_strategy("compcor"));
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("told by the .json file beside it"));
  }
}

TEST_F(ConfoundsFile, NoCosinesAreAWarning) {
  ConfoundTable table = write_and_read();
  for (std::string& name : table.names) {
    if (name.starts_with("cosine")) name = "other" + name.substr(6);
  }
  const WarningCollector warnings;
  EXPECT_THAT(select_confounds(table, confounds_strategy("motion,high_pass")).names, ElementsAreArray(kMotion24));
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_THAT(warnings.entries()[0].message, HasSubstr("has no cosines"));
}

TEST(ConfoundsStrategy, WhatIsNoneIsRefusedWithWhatCanBe) {
  const auto refused = [](const char* text) -> std::string {
    try {
      confounds_strategy(text);
    } catch (const UsageError& error) {
      return error.what();
    }
    ADD_FAILURE() << text;
    return "";
  };
  EXPECT_THAT(refused("simpel"), HasSubstr("did you mean simple?"));
  EXPECT_THAT(refused(""), HasSubstr("none, motion, simple, scrubbing, compcor, ica_aroma"));
  EXPECT_THAT(refused("motion,"), HasSubstr("expected one of"));
  EXPECT_THAT(refused("motion=half"), HasSubstr("expected one of basic, power2, derivatives, full"));
  EXPECT_THAT(refused("motion="), HasSubstr("no value after ="));
  EXPECT_THAT(refused("motion,motion=basic"), HasSubstr("motion is given twice"));
  EXPECT_THAT(refused("motion+high_pass,simple"), HasSubstr("found 'simple'"));
  EXPECT_THAT(refused("wm_csf+high_pass"), HasSubstr("found 'wm_csf' before +"));
  EXPECT_THAT(refused("motion,compcor"), HasSubstr("need the cosines too"));
  EXPECT_THAT(refused("high_pass,compcor=anat_combined:0"), HasSubstr("whole number of at least 1"));
  EXPECT_THAT(refused("high_pass,compcor=anat"), HasSubstr("temporal_anat_separated"));
  EXPECT_THAT(refused("scrub=many"), HasSubstr("whole number of at least 0"));
  EXPECT_THAT(refused("high_pass=1"), HasSubstr("takes no value"));
  EXPECT_THAT(refused("motion,demean"), HasSubstr("expected yes or no"));
  EXPECT_THAT(refused("formula:"), HasSubstr("without a formula"));
  EXPECT_THAT(refused("formula: dd1(csf"), HasSubstr("at 'the end'"));
  EXPECT_THAT(refused("high-variance:0"), HasSubstr("whole number of at least 1"));
  EXPECT_FALSE(confounds_strategy("non_steady_state").motion);
}

TEST(ConfoundsStrategy, ConfoundsOfTheDataNeedNoTable) {
  EXPECT_EQ(confounds_strategy("high-variance").high_variance, 5);
  EXPECT_EQ(confounds_strategy("high-variance:12").high_variance, 12);
  EXPECT_FALSE(confounds_strategy("high-variance:12").needs_table());
  EXPECT_FALSE(confounds_strategy("none").needs_table());
  const ConfoundsOptions both = confounds_strategy("simple+high-variance:3");
  EXPECT_EQ(both.high_variance, 3);
  EXPECT_TRUE(both.motion && both.needs_table());
  EXPECT_TRUE(confounds_strategy("scrub,high-variance").needs_table());
}

TEST(ConfoundsStrategy, RejectedComponentsOfTedana) {
  EXPECT_TRUE(confounds_strategy("tedana").tedana && confounds_strategy("tedana=aggressive").tedana);
  EXPECT_FALSE(confounds_strategy("tedana").needs_table());
  EXPECT_FALSE(confounds_strategy("simple").tedana);
  EXPECT_THROW(confounds_strategy("tedana=full"), UsageError);
  try {
    confounds_strategy("tedana=non-aggressive");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("accepted components too"));
  }
  const ConfoundsOptions options = confounds_strategy("motion=basic,tedana");
  EXPECT_NO_THROW(check_image_for("x/sub-01_task-x_desc-optcom_bold.nii.gz", options));
  EXPECT_THROW(check_image_for("x/sub-01_task-x_desc-preproc_bold.nii.gz", options), DataError);
}

TEST(ConfoundsStrategy, CleanedImagesAreToldByTheirNames) {
  const ConfoundsOptions options = confounds_strategy("ica_aroma");
  EXPECT_NO_THROW(check_image_for("x/sub-01_task-x_desc-smoothAROMAnonaggr_bold.nii.gz", options));
  EXPECT_NO_THROW(check_image_for("x/sub-01_task-x_desc-preproc_bold.nii.gz", confounds_strategy("ica_aroma=basic")));
  try {
    check_image_for("x/sub-01_task-x_desc-preproc_bold.nii.gz", options);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("desc-smoothAROMAnonaggr_bold); choose such images with a BIDS filter file"));
  }
}

}  // namespace
}  // namespace noema
