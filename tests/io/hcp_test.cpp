#include "noema/io/hcp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "fake_dataset.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class HcpTest : public ::testing::Test {
 protected:
  /// The files of one run, without content.
  fs::path put_run(const std::string& subject, const std::string& name,
                   const std::vector<std::string>& endings = {"_Atlas_MSMAll.dtseries.nii"}) {
    const fs::path folder = root_ / subject / "MNINonLinear" / "Results" / name;
    for (const std::string& ending : endings) put(folder / (name + ending));
    put(folder / "EVs" / "lh.txt", "10.5\t12\t1\n40 12 1\n\n");
    put(folder / "EVs" / "rh.txt", "25\t12.0\t1\n");
    put(folder / "EVs" / "cue.txt", "7\t3\t1\n");
    put(folder / "EVs" / "Sync.txt", "5.3\n");
    return folder;
  }
  DatasetQuery query(const std::string& task = "") {
    DatasetQuery asked;
    asked.task = task;
    return asked;
  }

  TemporaryFolder folder_;
  fs::path root_ = folder_.path() / "hcp";
};

TEST_F(HcpTest, RunsAndTheirFiles) {
  put(put_run("100307", "tfMRI_MOTOR_RL") / "Movement_Regressors.txt");
  put_run("100307", "tfMRI_MOTOR_LR", {"_Atlas.dtseries.nii", "_Atlas_MSMAll.dtseries.nii"});
  put_run("100206", "tfMRI_MOTOR_LR", {"_Atlas.dtseries.nii"});
  put_run("100206", "rfMRI_REST1_LR");
  const Dataset dataset = index_dataset(root_, query());
  EXPECT_EQ(dataset.name, "hcp");
  EXPECT_THAT(dataset.subjects(), ElementsAre("100206", "100307"));
  ASSERT_EQ(dataset.runs.size(), 3U);
  EXPECT_EQ(dataset.runs[0].id(), "sub-100206_task-MOTOR_run-LR");
  EXPECT_EQ(dataset.runs[0].bold.filename(), "tfMRI_MOTOR_LR_Atlas.dtseries.nii");
  EXPECT_EQ(dataset.runs[1].bold.filename(), "tfMRI_MOTOR_LR_Atlas_MSMAll.dtseries.nii");
  EXPECT_EQ(dataset.runs[2].entity("run"), "RL");
  EXPECT_EQ(dataset.runs[2].entity("space"), "fsLR");
  EXPECT_EQ(dataset.runs[2].confounds.filename(), "Movement_Regressors.txt");
  EXPECT_TRUE(dataset.runs[1].confounds.empty());
  EXPECT_EQ(dataset.runs[1].events.filename(), "EVs");
  // A folder of one subject is a dataset, too.
  EXPECT_THAT(index_dataset(root_ / "100307", query()).subjects(), ElementsAre("100307"));
}

TEST_F(HcpTest, VolumesUnlessTheSpaceOfGrayordinatesIsAskedFor) {
  const fs::path folder = put_run("100307", "tfMRI_WM_LR", {"_Atlas_MSMAll.dtseries.nii", ".nii.gz"});
  put(folder / "brainmask_fs.2.nii.gz");
  const noema::Run volume = index_dataset(root_, query()).runs.at(0);
  EXPECT_EQ(volume.bold.filename(), "tfMRI_WM_LR.nii.gz");
  EXPECT_EQ(volume.mask.filename(), "brainmask_fs.2.nii.gz");
  DatasetQuery asked;
  asked.space = "fsLR";
  const noema::Run grayordinates = index_dataset(root_, asked).runs.at(0);
  EXPECT_EQ(grayordinates.bold.filename(), "tfMRI_WM_LR_Atlas_MSMAll.dtseries.nii");
  EXPECT_TRUE(grayordinates.mask.empty());
}

TEST_F(HcpTest, TasksSubjectsAndOptionsThatAreNotThere) {
  put_run("100307", "tfMRI_MOTOR_LR");
  const fs::path other = put_run("100307", "tfMRI_SOCIAL_LR");
  EXPECT_THAT(error_of<UsageError>([&] { index_dataset(root_, query()); }),
              AllOf(HasSubstr("MOTOR"), HasSubstr("SOCIAL")));
  EXPECT_THAT(error_of<UsageError>([&] { index_dataset(root_, query("MOTER")); }), HasSubstr("MOTOR"));
  DatasetQuery asked = query("MOTOR");
  asked.session = "01";
  EXPECT_THAT(error_of<UsageError>([&] { index_dataset(root_, asked); }), HasSubstr("--session"));
  fs::remove_all(other / "EVs");
  EXPECT_THAT(error_of<DataError>([&] { index_dataset(root_, query("SOCIAL")); }), HasSubstr("EVs"));
}

TEST_F(HcpTest, EventsByTheTableOfStates) {
  const fs::path motor = put_run("100307", "tfMRI_MOTOR_LR") / "EVs";
  const std::vector<Event> events = read_events(motor);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].label, "lh");
  EXPECT_EQ(events[0].onset_s, 10.5);
  EXPECT_EQ(events[1].label, "rh");
  EXPECT_EQ(events[1].duration_s, 12);
  EXPECT_EQ(events[2].onset_s, 40);
  EventsOptions by_file;
  by_file.label_column = "ev";
  EXPECT_EQ(read_events(motor, by_file).size(), 4U) << "cue too, without Sync";
  by_file.label_column = "colour";
  EXPECT_THAT(error_of<UsageError>([&] { read_events(motor, by_file); }), HasSubstr("ev"));
}

TEST_F(HcpTest, MemoryPoolsLoadsGamblingTakesTrialsSocialTakesResponses) {
  const fs::path wm = put_run("1", "tfMRI_WM_LR") / "EVs";
  put(wm / "2bk_body.txt", "50 25 1\n");
  put(wm / "0bk_body.txt", "10 25 1\n");
  put(wm / "0bk_cor.txt", "10 1 1\n");
  std::vector<Event> events = read_events(wm);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1].label, "body");
  const fs::path gambling = put_run("1", "tfMRI_GAMBLING_LR") / "EVs";
  put(gambling / "win.txt", "1 28 1\n");
  put(gambling / "win_event.txt", "2 1.3 1\n");
  put(gambling / "neut_event.txt", "");
  events = read_events(gambling);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].onset_s, 2);
  const fs::path social = put_run("1", "tfMRI_SOCIAL_LR") / "EVs";
  put(social / "rnd.txt", "1 20 1\n");
  put(social / "other_resp.txt", "3 20 1\n");
  events = read_events(social);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].label, "other");
}

TEST_F(HcpTest, RefusesBadEvents) {
  const fs::path motor = put_run("1", "tfMRI_MOTOR_LR") / "EVs";
  put(motor / "rf.txt", "1 2 3\n4 5\n");
  EXPECT_THAT(error_of<FormatError>([&] { read_events(motor); }), AllOf(HasSubstr("rf.txt"), HasSubstr("line 2")));
  put(motor / "rf.txt", "1 -2 3\n");
  EXPECT_THAT(error_of<FormatError>([&] { read_events(motor); }), HasSubstr("-2"));
  const fs::path unknown = put_run("1", "tfMRI_NEW_LR") / "EVs";
  EXPECT_THAT(error_of<DataError>([&] { read_events(unknown); }), AllOf(HasSubstr("NEW"), HasSubstr("ev")));
}

TEST_F(HcpTest, MovementUnderTheNamesAndUnitsOfFmriprep) {
  const fs::path path = root_ / "Movement_Regressors.txt";
  put(path, "0 0 0 0 0 0 0 0 0 0 0 0\n1 2 -3 90 0 -180 0.5 0 0 45 0 0\n");
  const ConfoundTable table = read_confounds(path);
  ASSERT_EQ(table.values.rows(), 2);
  EXPECT_EQ(table.values(1, table.index("trans_z")), -3);
  EXPECT_NEAR(table.values(1, table.index("rot_x")), std::numbers::pi / 2, 1e-15);
  EXPECT_NEAR(table.values(1, table.index("rot_x_derivative1")), std::numbers::pi / 4, 1e-15);
  EXPECT_EQ(table.values(1, table.index("trans_x_derivative1")), 0.5);
  EXPECT_TRUE(std::isnan(table.values(0, table.index("framewise_displacement"))));
  EXPECT_NEAR(table.values(1, table.index("framewise_displacement")), 6 + 50 * 1.5 * std::numbers::pi, 1e-10);
  put(path, "0 0 0 0 0 0 0 0 0 0 0\n");
  EXPECT_THAT(error_of<FormatError>([&] { read_confounds(path); }), AllOf(HasSubstr("line 1"), HasSubstr("12")));
}

}  // namespace
}  // namespace noema
