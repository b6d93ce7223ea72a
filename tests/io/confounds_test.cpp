#include "noema/io/confounds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "noema/core/error.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ConfoundsFile : public testing::Test {
 protected:
  ConfoundTable read(std::string_view text) {
    write_text(path_, text);
    return read_confounds(path_);
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "sub-01_desc-confounds_timeseries.tsv";
};

TEST_F(ConfoundsFile, ColumnsAreNumbers) {
  const ConfoundTable confounds = read("csf\tcsf_derivative1\tcosine00\n1.5\tn/a\t3\n2.5\t1.0\t-4e-2\n");
  EXPECT_THAT(confounds.names, ElementsAre("csf", "csf_derivative1", "cosine00"));
  ASSERT_EQ(confounds.values.rows(), 2);
  ASSERT_EQ(confounds.values.cols(), 3);
  EXPECT_TRUE(std::isnan(confounds.values(0, 1)));
  EXPECT_EQ(confounds.values(0, 0), 1.5);
  EXPECT_EQ(confounds.values(0, 2), 3);
  EXPECT_EQ(confounds.values(1, 0), 2.5);
  EXPECT_EQ(confounds.values(1, 1), 1);
  EXPECT_EQ(confounds.values(1, 2), -0.04);
  EXPECT_EQ(confounds.index("cosine00"), 2);
  EXPECT_TRUE(confounds.has("csf"));
  EXPECT_FALSE(confounds.has("csf_"));
  EXPECT_THAT(confounds.compcor, IsEmpty());
  EXPECT_THAT(error_of<DataError>([&] { confounds.index("cosine01"); }),
              AllOf(HasSubstr("cosine00"), HasSubstr("sub-01")));
}

TEST_F(ConfoundsFile, SidecarTellsCompCorComponents) {
  write_text(folder_ / "sub-01_desc-confounds_timeseries.json", R"({
    "a_comp_cor_00": {"Mask": "combined", "Method": "aCompCor", "Retained": true},
    "a_comp_cor_01": {"Mask": "WM", "Method": "aCompCor", "Retained": false},
    "t_comp_cor_00": {"Method": "tCompCor"},
    "csf": {"Method": "Mean"}, "note": 1})");
  const ConfoundTable confounds = read("a_comp_cor_00\n1\n");
  ASSERT_EQ(confounds.compcor.size(), 3U);
  EXPECT_EQ(confounds.compcor.at("a_comp_cor_00").mask, "combined");
  EXPECT_TRUE(confounds.compcor.at("a_comp_cor_00").retained);
  EXPECT_EQ(confounds.compcor.at("a_comp_cor_01").mask, "WM");
  EXPECT_FALSE(confounds.compcor.at("a_comp_cor_01").retained);
  EXPECT_EQ(confounds.compcor.at("t_comp_cor_00").mask, "");
  EXPECT_EQ(confounds.compcor.at("t_comp_cor_00").method, "tCompCor");
}

TEST_F(ConfoundsFile, WhatIsNoConfoundsFile) {
  EXPECT_THAT(error_of<FormatError>([&] { read("0.1\t-0.2\n0.3\t0.4\n"); }), HasSubstr("names of the columns"));
  EXPECT_THAT(error_of<FormatError>([&] { read("csf\twhite_matter\n"); }), HasSubstr("no rows"));
  EXPECT_THAT(error_of<FormatError>([&] { read("csf\n1\nx\n"); }),
              AllOf(HasSubstr("'csf', line 3"), HasSubstr("sub-01")));
  write_text(folder_ / "sub-01_desc-confounds_timeseries.json", "{");
  EXPECT_THAT(error_of<FormatError>([&] { read("csf\n1\n"); }), HasSubstr(".json"));
  EXPECT_THAT(error_of<IoError>([&] { read_confounds(folder_ / "none.tsv"); }), HasSubstr("none.tsv"));
}

}  // namespace
}  // namespace noema
