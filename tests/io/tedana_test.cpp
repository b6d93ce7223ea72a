#include "noema/io/tedana.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "noema/core/error.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Tedana : public testing::Test {
 protected:
  void write(std::string_view mixing, std::string_view metrics) const {
    write_text(files_.mixing, mixing);
    write_text(files_.metrics, metrics);
  }

  TemporaryFolder folder_;
  TedanaFiles files_{folder_ / "sub-01_task-x_desc-ICA_mixing.tsv", folder_ / "sub-01_task-x_desc-tedana_metrics.tsv"};
  std::filesystem::path bold_ = folder_ / "sub-01_task-x_run-2_space-T1w_desc-optcom_bold.nii.gz";
};

// Versions of tedana fill up numbers differently, and order the components of the two files differently.
TEST_F(Tedana, NamesComponentsByTheirClass) {
  write("ICA_00\tICA_01\tICA_02\tICA_10\n1\t2\t3\t4\n5\t6\t7\t-8\n",
        "Component\tkappa\tclassification\nICA_10\t3\trejected\nICA_2\t1\tignored\nICA_0\t5\taccepted\n"
        "ICA_1\t4\trejected\n");
  const ConfoundTable found = read_tedana(files_);
  EXPECT_THAT(found.names, ElementsAre("accepted_ICA_00", "rejected_ICA_01", "ignored_ICA_02", "rejected_ICA_10"));
  EXPECT_EQ(found.path, files_.mixing);
  ASSERT_EQ(found.values.rows(), 2);
  EXPECT_EQ(found.values(0, 1), 2);
  EXPECT_EQ(found.values(1, 3), -8);
}

TEST_F(Tedana, RefusesFilesThatDoNotFit) {
  write("ICA_0\tICA_1\n1\t2\n", "Component\tclassification\nICA_0\trejected\n");
  EXPECT_THAT(error_of<DataError>([&] { read_tedana(files_); }), AllOf(HasSubstr("'ICA_1'"), HasSubstr("metrics")));
  write("ICA_0\n1\n", "Component\tclassification\nICA_0\trejected\nICA_10\taccepted\n");
  EXPECT_THAT(error_of<DataError>([&] { read_tedana(files_); }), HasSubstr("lacks the component 'ICA_10'"));
  write("ICA_0\n1\n", "Component\tstate\nICA_0\trejected\n");
  EXPECT_THAT(error_of<FormatError>([&] { read_tedana(files_); }), HasSubstr("no column 'classification'"));
  write("ICA_0\nx\n", "Component\tclassification\nICA_0\trejected\n");
  EXPECT_THROW(read_tedana(files_), FormatError);
}

TEST_F(Tedana, FilesAreThoseOfTheRun) {
  EXPECT_FALSE(tedana_files_beside(bold_));
  write("ICA_0\n1\n", "Component\tclassification\nICA_0\trejected\n");
  write_text(folder_ / "sub-01_task-x_run-1_desc-ICA_mixing.tsv", "of another run");
  write_text(folder_ / "sub-02_task-x_desc-ICA_mixing.tsv", "of another subject");
  write_text(folder_ / "sub-01_task-x_echo-1_desc-ICA_mixing.tsv", "of an echo");
  auto found = tedana_files_beside(bold_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->mixing, files_.mixing);
  EXPECT_EQ(found->metrics, files_.metrics);
  write_text(folder_ / "sub-01_task-x_run-2_desc-ICA_mixing.tsv", "of this run");
  EXPECT_EQ(tedana_files_beside(bold_)->mixing, folder_ / "sub-01_task-x_run-2_desc-ICA_mixing.tsv");
  EXPECT_FALSE(tedana_files_beside(folder_ / "sub-01_task-x_desc-preproc_bold.nii.gz"));
  EXPECT_FALSE(tedana_files_beside(folder_ / "x.nii.gz"));
}

}  // namespace
}  // namespace noema
