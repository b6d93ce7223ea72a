#include "noema/io/dataset.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "fake_dataset.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/events.h"
#include "noema/tests/support/test_data.h"

namespace noema {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

namespace fs = std::filesystem;

std::vector<std::string> ids(const Dataset& dataset) {
  std::vector<std::string> ids;
  for (const auto& run : dataset.runs) ids.push_back(run.id());
  return ids;
}

TEST(BidsNames, SplitIntoEntitiesSuffixAndExtension) {
  const BidsName name = parse_bids_name("/data/sub-01/func/sub-01_ses-a_task-x_space-MNI_desc-preproc_bold.nii.gz");
  EXPECT_THAT(name.entities, ElementsAre(std::pair("desc", "preproc"), std::pair("ses", "a"), std::pair("space", "MNI"),
                                         std::pair("sub", "01"), std::pair("task", "x")));
  EXPECT_EQ(name.suffix, "bold");
  EXPECT_EQ(name.extension, ".nii.gz");
}

TEST(BidsNames, OddNamesAreSplitAsFarAsTheyGo) {
  EXPECT_EQ(parse_bids_name("README").suffix, "README");
  EXPECT_EQ(parse_bids_name("README").extension, "");
  EXPECT_EQ(parse_bids_name("sub-01_task-x.json").suffix, "");
  EXPECT_EQ(parse_bids_name("sub-01_task-x.json").entities.at("task"), "x");
  EXPECT_THAT(parse_bids_name(".bidsignore").entities, IsEmpty());
  EXPECT_EQ(parse_bids_name("sub-01_bold.func.gii").extension, ".func.gii");
}

TEST(BidsNames, JoinedInBidsOrder) {
  const Entities entities{{"desc", "preproc"}, {"echo", "1"}, {"res", "2"},     {"run", "01"}, {"ses", "b"},
                          {"space", "T1w"},    {"sub", "02"}, {"task", "rest"}, {"dir", "AP"}, {"acq", "hi"}};
  const std::string name = bids_name(entities, "bold", ".nii.gz");
  EXPECT_EQ(name, "sub-02_ses-b_task-rest_acq-hi_dir-AP_run-01_echo-1_space-T1w_res-2_desc-preproc_bold.nii.gz");
  EXPECT_EQ(parse_bids_name(name).entities, entities);
  EXPECT_EQ(bids_name({{"sub", "1"}}, "", ""), "sub-1");
  EXPECT_EQ(bids_name({}, "participants", ".tsv"), "participants.tsv");
}

TEST(BidsNames, IdOfARunLeavesOutItsForm) {
  noema::Run run;
  run.entities = parse_bids_name("sub-01_ses-02_task-rest_run-01_space-MNI_res-2_desc-preproc_bold.nii").entities;
  EXPECT_EQ(run.id(), "sub-01_ses-02_task-rest_run-01");
  EXPECT_EQ(run.entity("space"), "MNI");
  EXPECT_EQ(run.entity("acq"), "");
}

class DatasetFolder : public testing::Test {
 protected:
  Dataset index(const DatasetQuery& query = {}) {
    const WarningCollector collector;
    Dataset dataset = index_dataset(root_, query);
    warnings_.clear();
    for (const WarningCollector::Entry& entry : collector.entries()) warnings_.push_back(entry.message);
    return dataset;
  }
  template <class E>
  std::string error(const DatasetQuery& query = {}) {
    return error_of<E>([&] { index(query); });
  }
  TemporaryFolder folder_;
  fs::path root_ = folder_ / "bids";
  FakeDataset fake_;
  std::vector<std::string> warnings_;
};

TEST_F(DatasetFolder, RawRunsWithTheirFiles) {
  fake_.write_raw(root_);
  const Dataset dataset = index();
  EXPECT_EQ(dataset.name, "made up");
  EXPECT_THAT(dataset.subjects(), ElementsAre("01", "02"));
  EXPECT_THAT(ids(dataset), ElementsAre("sub-01_ses-01_task-main_run-01", "sub-01_ses-01_task-main_run-02",
                                        "sub-01_ses-02_task-main_run-01", "sub-01_ses-02_task-main_run-02",
                                        "sub-02_ses-01_task-main_run-01", "sub-02_ses-01_task-main_run-02",
                                        "sub-02_ses-02_task-main_run-01", "sub-02_ses-02_task-main_run-02"));
  const fs::path stem = root_ / "sub-01/ses-02/func/sub-01_ses-02_task-main_run-01";
  EXPECT_EQ(dataset.runs[2].bold, stem.string() + "_bold.nii.gz");
  EXPECT_EQ(dataset.runs[2].events, stem.string() + "_events.tsv");
  EXPECT_EQ(dataset.runs[2].mask, "");
  EXPECT_EQ(dataset.runs[2].confounds, "");
  EXPECT_EQ(dataset.runs[2].tr_s, 1.5);
  EXPECT_EQ(dataset.runs[2].slice_time_s, std::nullopt);
  EXPECT_FALSE(dataset.participants);
  EXPECT_THAT(warnings_, IsEmpty());
}

void expect_preprocessed(const Dataset& dataset, const fs::path& raw, const fs::path& derivatives) {
  ASSERT_THAT(dataset.runs, SizeIs(8));
  const std::string stem = "sub-02/ses-01/func/sub-02_ses-01_task-main_run-02";
  const auto& run = dataset.runs[5];
  EXPECT_EQ(run.id(), "sub-02_ses-01_task-main_run-02");
  EXPECT_EQ(run.bold, derivatives / (stem + "_space-MNI_desc-preproc_bold.nii.gz"));
  EXPECT_EQ(run.mask, derivatives / (stem + "_space-MNI_desc-brain_mask.nii.gz"));
  EXPECT_EQ(run.confounds, derivatives / (stem + "_desc-confounds_timeseries.tsv"));
  EXPECT_EQ(run.events, raw / (stem + "_events.tsv"));
  EXPECT_EQ(run.tr_s, 1.5);
  EXPECT_EQ(run.slice_time_s, 0.75);
}

TEST_F(DatasetFolder, DerivativesInTheDataset) {
  fake_.write_raw(root_);
  fake_.write_derivatives(root_ / "derivatives" / "fmriprep");
  expect_preprocessed(index({.space = "MNI"}), root_, root_ / "derivatives" / "fmriprep");
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(DatasetFolder, DerivativesWithoutAFolderOfTheirOwn) {
  fake_.write_raw(root_);
  fake_.write_derivatives(root_ / "derivatives");
  expect_preprocessed(index({.space = "space-MNI"}), root_, root_ / "derivatives");
}

TEST_F(DatasetFolder, DerivativesElsewhere) {
  fake_.write_raw(root_);
  fake_.write_derivatives(folder_ / "out" / "fmriprep");
  expect_preprocessed(index({.space = "MNI", .derivatives = {folder_ / "out" / "fmriprep"}}), root_,
                      folder_ / "out" / "fmriprep");
  expect_preprocessed(index({.space = "MNI", .derivatives = {folder_ / "out"}}), root_, folder_ / "out" / "fmriprep");
  EXPECT_THAT(error<IoError>({.derivatives = {folder_ / "none"}}), HasSubstr("none"));
  fs::create_directories(folder_ / "empty");
  EXPECT_THAT(index({.derivatives = {folder_ / "empty"}}).runs[0].bold, root_ / (fake_.stems()[0] + "_bold.nii.gz"));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("empty")));
}

// The folder that was asked for wins over the one that was found; two that were found are an error.
TEST_F(DatasetFolder, TwoPipelines) {
  fake_.spaces = {"MNI"};
  fake_.write_raw(root_);
  fake_.write_derivatives(root_ / "derivatives" / "new");
  fake_.write_derivatives(root_ / "derivatives" / "old");
  EXPECT_THAT(error<UsageError>(),
              AllOf(HasSubstr("derivatives/new"), HasSubstr("derivatives/old"), HasSubstr("--derivatives")));
  expect_preprocessed(index({.derivatives = {root_ / "derivatives" / "old"}}), root_, root_ / "derivatives" / "old");
}

TEST_F(DatasetFolder, OlderNamesOfConfounds) {
  fake_.confounds = "desc-confounds_regressors";
  fake_.spaces = {"MNI"};
  fake_.write_raw(root_);
  fake_.write_derivatives(root_ / "derivatives" / "fmriprep");
  EXPECT_EQ(index().runs[0].confounds.filename(), "sub-01_ses-01_task-main_run-01_desc-confounds_regressors.tsv");
}

TEST_F(DatasetFolder, SeveralSpacesAreListed) {
  fake_.spaces = {"MNI", ""};
  fake_.write_raw(root_);
  fake_.write_derivatives(root_ / "derivatives" / "fmriprep");
  EXPECT_THAT(error<UsageError>(),
              AllOf(HasSubstr("MNI (8 runs)"), HasSubstr("func (8 runs"), HasSubstr("--space"), Not(HasSubstr("raw"))));
  EXPECT_EQ(index({.space = "func"}).runs[0].bold,
            root_ / "derivatives" / "fmriprep" / (fake_.stems()[0] + "_desc-preproc_bold.nii.gz"));
  EXPECT_EQ(index({.space = "raw"}).runs[0].bold, root_ / (fake_.stems()[0] + "_bold.nii.gz"));
  EXPECT_THAT(error<UsageError>({.space = "MMI"}), AllOf(HasSubstr("--space MMI"), HasSubstr("did you mean 'MNI'")));
}

// Runs without a preprocessed file must not be mixed in silently.
TEST_F(DatasetFolder, GrayordinatesWhenTheirSpaceIsAskedForOrAlone) {
  FakeDataset fake;
  fake.spaces = {"MNI"};
  fake.write_raw(root_);
  fake.write_derivatives(root_ / "derivatives" / "fmriprep");
  for (const auto& run : index_dataset(root_, {}).runs) EXPECT_EQ(run.entity("space"), "MNI");
  DatasetQuery query;
  query.space = "fsLR";
  const Dataset dataset = index_dataset(root_, query);
  ASSERT_EQ(dataset.runs.size(), 8U);
  EXPECT_TRUE(dataset.runs[0].bold.string().ends_with("_space-fsLR_den-91k_bold.dtseries.nii"));
  EXPECT_TRUE(dataset.runs[0].confounds.string().ends_with("_run-01_desc-confounds_timeseries.tsv"));
  EXPECT_TRUE(dataset.runs[0].events.string().ends_with("_run-01_events.tsv"));
  EXPECT_TRUE(dataset.runs[0].mask.empty());
  EXPECT_EQ(dataset.runs[0].tr_s, 1.5);
  fs::remove_all(root_);
  fake.spaces = {};
  fake.write_raw(root_);
  fake.write_derivatives(root_ / "derivatives" / "fmriprep");
  for (const auto& run : index_dataset(root_, {}).runs) EXPECT_EQ(run.entity("space"), "fsLR");
}

TEST_F(DatasetFolder, ParcelsAloneOrInAFolderThatIsAskedFor) {
  fake_.spaces = {};
  fake_.write_raw(root_);
  fake_.write_derivatives(root_ / "derivatives" / "fmriprep");
  const fs::path parcels = root_ / "derivatives" / "xcpd";
  for (const std::string& stem : fake_.stems()) {
    const fs::path file = parcels / (stem + "_space-fsLR_seg-Glasser_stat-mean_timeseries.ptseries.nii");
    fs::create_directories(file.parent_path());
    std::ofstream(file) << "a";
  }
  for (const auto& run : index().runs) EXPECT_TRUE(run.bold.string().ends_with(".dtseries.nii"));
  const Dataset dataset = index({.derivatives = {parcels}});
  ASSERT_EQ(dataset.runs.size(), 8U);
  for (const auto& run : dataset.runs) EXPECT_TRUE(run.bold.string().ends_with("_timeseries.ptseries.nii"));
  EXPECT_TRUE(dataset.runs[0].events.string().ends_with("_run-01_events.tsv"));
  EXPECT_EQ(dataset.runs[0].id().find("seg"), std::string::npos);
  for (const std::string& stem : fake_.stems()) {
    std::ofstream(parcels / (stem + "_space-fsLR_seg-Gordon_stat-mean_timeseries.ptseries.nii")) << "a";
  }
  EXPECT_THAT(error<UsageError>({.derivatives = {parcels}}), AllOf(HasSubstr("'seg'"), HasSubstr("filter file")));
}

TEST_F(DatasetFolder, PartlyPreprocessed) {
  fake_.spaces = {"MNI"};
  fake_.write_raw(root_);
  fake_.subjects = {"02"};
  fake_.write_derivatives(root_ / "derivatives" / "fmriprep");
  EXPECT_THAT(error<UsageError>(), AllOf(HasSubstr("MNI (4 runs)"), HasSubstr("raw (4 runs, not preprocessed)")));
  EXPECT_THAT(index({.space = "MNI"}).subjects(), ElementsAre("02"));
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("4 runs"), HasSubstr("sub-01_ses-01_task-main_run-1"))));
  EXPECT_THAT(index({.participants = {"02"}}).runs, SizeIs(4));
  EXPECT_THAT(error<DataError>({.participants = {"01", "02"}, .space = "MNI"}), HasSubstr("sub-01"));
}

TEST_F(DatasetFolder, SeveralTasksAreListed) {
  fake_.tasks = {"main", "localizer"};
  fake_.write_raw(root_);
  EXPECT_THAT(error<UsageError>(), AllOf(HasSubstr("localizer, main"), HasSubstr("--task")));
  EXPECT_THAT(index({.task = "main"}).runs, SizeIs(8));
  EXPECT_EQ(index({.task = "task-localizer"}).runs[0].entity("task"), "localizer");
  EXPECT_THAT(error<UsageError>({.task = "mian"}), AllOf(HasSubstr("--task mian"), HasSubstr("localizer, main")));
}

TEST_F(DatasetFolder, ParticipantsSessionsAndRuns) {
  fake_.write_raw(root_);
  EXPECT_THAT(ids(index({.participants = {"sub-02"}, .session = "02", .run = "1"})),
              ElementsAre("sub-02_ses-02_task-main_run-01"));
  EXPECT_THAT(index({.participants = {"02", "sub-02"}}).runs, SizeIs(4));
  EXPECT_THAT(error<UsageError>({.participants = {"03"}}),
              AllOf(HasSubstr("--participant-label 03"), HasSubstr("there are: 01, 02")));
  EXPECT_THAT(error<UsageError>({.session = "3"}), AllOf(HasSubstr("--session 3"), HasSubstr("01, 02")));
  EXPECT_THAT(error<UsageError>({.run = "03"}), AllOf(HasSubstr("--run 03"), HasSubstr("01, 02")));
}

TEST_F(DatasetFolder, NearestParticipant) {
  fake_.subjects = {"control01", "patient01"};
  fake_.write_raw(root_);
  EXPECT_THAT(error<UsageError>({.participants = {"patient1"}}), HasSubstr("did you mean 'patient01'"));
}

TEST_F(DatasetFolder, WithoutSessionsAndManyRuns) {
  fake_.sessions.clear();
  fake_.subjects = {"01"};
  fake_.write_raw(root_);
  for (const char* run : {"10", "9"}) {
    const std::string stem = fmt::format("sub-01/func/sub-01_task-main_run-{}", run);
    put(root_ / (stem + "_bold.nii"));
    put(root_ / (stem + "_events.tsv"));
  }
  EXPECT_THAT(ids(index()), ElementsAre("sub-01_task-main_run-01", "sub-01_task-main_run-02", "sub-01_task-main_run-9",
                                        "sub-01_task-main_run-10"));
}

// fMRIPrep and the raw data may write the number of a run differently.
TEST_F(DatasetFolder, IndicesAreNumbers) {
  put(root_ / "sub-01/func/sub-01_task-a_run-1_bold.nii.gz");
  put(root_ / "task-a_bold.json", R"({"RepetitionTime": 2})");
  put(root_ / "sub-01/func/sub-01_task-a_run-1_events.tsv");
  put(root_ / "derivatives/f/sub-01/func/sub-01_task-a_run-01_space-MNI_desc-preproc_bold.nii.gz");
  const Dataset dataset = index();
  ASSERT_THAT(dataset.runs, SizeIs(1));
  EXPECT_EQ(dataset.runs[0].entity("space"), "MNI");
  EXPECT_EQ(dataset.runs[0].events, root_ / "sub-01/func/sub-01_task-a_run-1_events.tsv");
  EXPECT_EQ(dataset.runs[0].tr_s, 2);
}

// Each level overrides the one above; files of other tasks do not hold.
TEST_F(DatasetFolder, SidecarsAreInherited) {
  fake_.runs = 1;
  fake_.subjects = {"01"};
  fake_.write_raw(root_);
  for (const std::string& stem : fake_.stems()) fs::remove(root_ / (stem + "_bold.json"));
  EXPECT_EQ(index().runs[0].tr_s, 0);
  put(root_ / "task-other_bold.json", R"({"RepetitionTime": 9})");
  EXPECT_EQ(index().runs[0].tr_s, 0);
  put(root_ / "task-main_bold.json", R"({"RepetitionTime": 2, "StartTime": 0.5})");
  put(root_ / "bold.json", R"({"RepetitionTime": 8})");
  EXPECT_EQ(index().runs[0].tr_s, 2);
  put(root_ / "sub-01/sub-01_task-main_bold.json", R"({"RepetitionTime": 3})");
  EXPECT_EQ(index().runs[1].tr_s, 3);
  put(root_ / "sub-01/ses-02/sub-01_ses-02_task-main_bold.json", R"({"RepetitionTime": 4})");
  EXPECT_EQ(index().runs[0].tr_s, 3);
  EXPECT_EQ(index().runs[1].tr_s, 4);
  EXPECT_EQ(index().runs[1].slice_time_s, 0.5);
  put(root_ / "sub-01/ses-02/func/sub-01_ses-02_task-main_run-01_bold.json", R"({"RepetitionTime": 5})");
  EXPECT_EQ(index().runs[1].tr_s, 5);
}

TEST_F(DatasetFolder, EventsAreInherited) {
  fake_.runs = 1;
  fake_.write_raw(root_);
  for (const std::string& stem : fake_.stems()) fs::remove(root_ / (stem + "_events.tsv"));
  put(root_ / "task-main_events.tsv");
  put(root_ / "sub-02/ses-02/sub-02_ses-02_task-main_events.tsv");
  const Dataset dataset = index();
  EXPECT_EQ(dataset.runs[0].events, root_ / "task-main_events.tsv");
  EXPECT_EQ(dataset.runs[2].events, root_ / "task-main_events.tsv");
  EXPECT_EQ(dataset.runs[3].events, root_ / "sub-02/ses-02/sub-02_ses-02_task-main_events.tsv");
}

TEST_F(DatasetFolder, MissingEvents) {
  fake_.write_raw(root_);
  fs::remove(root_ / "sub-02/ses-01/func/sub-02_ses-01_task-main_run-02_events.tsv");
  EXPECT_THAT(error<DataError>(),
              AllOf(HasSubstr("1 of 8 runs"), HasSubstr("sub-02/ses-01/func/sub-02_ses-01_task-main_run-02_events.tsv"),
                    HasSubstr("task-main_events.tsv")));
  const Dataset dataset = index({.needs_events = false});
  EXPECT_EQ(dataset.runs[5].events, "");
  EXPECT_NE(dataset.runs[4].events, "");
}

TEST_F(DatasetFolder, DerivativesAloneSayThatTheRawDatasetIsNeeded) {
  fake_.spaces = {"MNI"};
  fake_.write_derivatives(root_);
  EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("8 of 8 runs"), HasSubstr("--derivatives")));
  const Dataset dataset = index({.needs_events = false});
  EXPECT_THAT(dataset.runs, SizeIs(8));
  EXPECT_EQ(dataset.runs[0].tr_s, 1.5);
  EXPECT_EQ(dataset.runs[0].mask.filename(), "sub-01_ses-01_task-main_run-01_space-MNI_desc-brain_mask.nii.gz");
}

TEST_F(DatasetFolder, FilterFile) {
  fake_.write_raw(root_);
  fake_.write_derivatives(root_ / "derivatives" / "fmriprep");
  const fs::path filter = folder_ / "filter.json";
  const auto filtered = [&](std::string_view text) {
    write_text(filter, text);
    return index({.filter_file = filter});
  };
  EXPECT_THAT(ids(filtered(R"({"bold": {"session": "02", "run": [2, "07"], "space": "T1w", "datatype": "func"}})")),
              ElementsAre("sub-01_ses-02_task-main_run-02", "sub-02_ses-02_task-main_run-02"));
  EXPECT_EQ(filtered(R"({"bold": {"desc": "fmriprep", "space": "MNI"}})").runs[0].entity("desc"), "fmriprep");
  EXPECT_EQ(filtered(R"({"bold": {"space": null}, "t1w": {"x": 1}})").runs[0].bold,
            root_ / (fake_.stems()[0] + "_bold.nii.gz"));
  EXPECT_THAT(error_of<UsageError>([&] { filtered(R"({"bold": {"space": "*"}})"); }), HasSubstr("MNI (8 runs)"));
  EXPECT_THAT(error_of<DataError>([&] { filtered(R"({"bold": {"ses": "7"}})"); }), HasSubstr("filter.json"));
  EXPECT_THAT(error_of<FormatError>([&] { filtered(R"({"bold": {"sesion": "01"}})"); }),
              HasSubstr("did you mean 'session'"));
  EXPECT_THAT(error_of<FormatError>([&] { filtered(R"({"bold": {"ses": {}}})"); }), HasSubstr("'ses'"));
  EXPECT_THAT(error_of<FormatError>([&] { filtered(R"({"t1w": {}})"); }), HasSubstr("\"bold\""));
  EXPECT_THAT(error_of<FormatError>([&] { filtered("{\"bold\": "); }), HasSubstr("broken JSON"));
}

// Echoes are one recording: taking them as runs would put the same data into training and test.
TEST_F(DatasetFolder, FormsOfOneRunMustBeChosen) {
  for (const char* echo : {"1", "2"}) {
    put(root_ / fmt::format("sub-01/func/sub-01_task-a_echo-{}_part-mag_bold.nii.gz", echo));
    put(root_ / fmt::format("sub-01/func/sub-01_task-a_echo-{}_part-phase_bold.nii.gz", echo));
    put(root_ / fmt::format("sub-01/func/sub-01_task-a_echo-{}_part-mag_bold.json", echo), R"({"RepetitionTime": 2})");
  }
  put(root_ / "sub-01/func/sub-01_task-a_events.tsv");
  EXPECT_THAT(error<UsageError>(), AllOf(HasSubstr("2 files"), HasSubstr("'echo'"), HasSubstr("--bids-filter-file")));
  write_text(folder_ / "filter.json", R"({"bold": {"echo": 2}})");
  const Dataset dataset = index({.filter_file = folder_ / "filter.json"});
  ASSERT_THAT(dataset.runs, SizeIs(1));
  EXPECT_EQ(dataset.runs[0].bold.filename(), "sub-01_task-a_echo-2_part-mag_bold.nii.gz");
  EXPECT_EQ(dataset.runs[0].events.filename(), "sub-01_task-a_events.tsv");
  EXPECT_EQ(dataset.runs[0].tr_s, 2);
  // The combination of the echoes stands for all of them.
  put(root_ / "derivatives/f/sub-01/func/sub-01_task-a_space-MNI_desc-preproc_bold.nii.gz");
  EXPECT_THAT(ids(index()), ElementsAre("sub-01_task-a"));
  put(root_ / "derivatives/f/sub-01/func/sub-01_task-a_space-MNI_res-2_desc-preproc_bold.nii.gz");
  EXPECT_THAT(error<UsageError>(), HasSubstr("'res'"));
}

TEST_F(DatasetFolder, BadSidecars) {
  fake_.write_raw(root_);
  const fs::path sidecar = root_ / (fake_.stems()[0] + "_bold.json");
  write_text(sidecar, R"({"RepetitionTime": 0})");
  EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("RepetitionTime as 0"), HasSubstr("run-01_bold")));
  write_text(sidecar, R"({"RepetitionTime": "2"})");
  EXPECT_THAT(error<DataError>(), HasSubstr("\"2\""));
  write_text(sidecar, R"({"VolumeTiming": [0, 2]})");
  EXPECT_THAT(error<DataError>(), HasSubstr("VolumeTiming"));
  write_text(sidecar, R"({"RepetitionTime": )");
  EXPECT_THAT(error<FormatError>(), AllOf(HasSubstr("broken JSON"), HasSubstr("run-01_bold.json")));
  write_text(sidecar, "[1]");
  EXPECT_THAT(error<FormatError>(), HasSubstr("expected an object"));
}

TEST_F(DatasetFolder, DescriptionAndParticipants) {
  fake_.write_raw(root_);
  put(root_ / "participants.tsv", "participant_id\tage\nsub-01\t30\n");
  EXPECT_THAT(index().participants->column("age"), ElementsAre("30"));
  fs::remove(root_ / "dataset_description.json");
  EXPECT_EQ(index().name, "bids");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("dataset_description.json")));
  put(root_ / "dataset_description.json", "{");
  EXPECT_THAT(error<FormatError>(), HasSubstr("dataset_description.json"));
}

TEST_F(DatasetFolder, NothingToFind) {
  EXPECT_THAT(error<IoError>(), HasSubstr("bids"));
  put(root_ / "dataset_description.json", "{}");
  EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("no functional run of 0 subjects"), HasSubstr("sub-*/")));
  put(root_ / "sub-01/func/sub-01_task-a_hemi-L_bold.func.gii");
  EXPECT_THAT(error<DataError>(), HasSubstr(".func.gii is not read"));
  put(root_ / "sub-01/func/sub-02_task-a_bold.nii.gz");
  EXPECT_THAT(error<DataError>(), HasSubstr("folder of sub-01"));
}

TEST_F(DatasetFolder, ContentThatWasNotFetched) {
  fake_.write_raw(root_);
  const fs::path bold = root_ / (fake_.stems()[0] + "_bold.nii.gz");
  fs::remove(bold);
  fs::create_symlink("../.git/annex/none", bold);
  EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("broken link"), HasSubstr("datalad get")));
}

TEST(AgreedTr, SidecarWinsHeaderHelps) {
  noema::Run run;
  run.entities = {{"sub", "01"}, {"task", "a"}};
  run.bold = "sub-01_task-a_bold.nii.gz";
  ImageHeader header;
  const auto agreed = [&](double sidecar_s, double header_s, std::size_t warnings) {
    run.tr_s = sidecar_s;
    header.tr_s = header_s;
    const WarningCollector collector;
    const double tr_s = agreed_tr(run, header);
    EXPECT_THAT(collector.entries(), SizeIs(warnings));
    return tr_s;
  };
  EXPECT_EQ(agreed(2, 2.0000002, 0), 2);
  EXPECT_EQ(agreed(2, 0, 0), 2);
  EXPECT_EQ(agreed(2, 2.5, 1), 2);
  EXPECT_EQ(agreed(0, 2.5, 1), 2.5);
  EXPECT_THAT(error_of<DataError>([&] { agreed(0, 0, 0); }),
              AllOf(HasSubstr("RepetitionTime"), HasSubstr("'sub-01_task-a_bold.json'")));
}

TEST(RealDatasets, HaxbySlice) {
  const fs::path root = test_data() / "haxby-slice";
  if (!fs::exists(root)) GTEST_SKIP() << "no test data at " << root << "; set NOEMA_TEST_DATA";
  const Dataset dataset = index_dataset(root, {});
  ASSERT_THAT(dataset.runs, SizeIs(12));
  EXPECT_EQ(dataset.runs[11].id(), "sub-01_task-objectviewing_run-12");
  EXPECT_EQ(dataset.runs[9].id(), "sub-01_task-objectviewing_run-10");
  for (const auto& run : dataset.runs) {
    EXPECT_EQ(run.tr_s, 2.5);
    EXPECT_THAT(read_events(run.events), SizeIs(8));
  }
}

TEST(RealDatasets, Localizer) {
  const fs::path root = test_data() / "localizer";
  if (!fs::exists(root)) GTEST_SKIP() << "no test data at " << root << "; set NOEMA_TEST_DATA";
  const Dataset dataset = index_dataset(root, {.participants = {"sub-01"}, .task = "localizer"});
  ASSERT_THAT(ids(dataset), ElementsAre("sub-01_task-localizer_run-01"));
  EXPECT_EQ(dataset.runs[0].tr_s, 2);
  const std::vector<Event> events = read_events(dataset.runs[0].events);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events[0].onset_s, 12.028);
  EXPECT_EQ(events[0].label, "face");
}

}  // namespace
}  // namespace noema
