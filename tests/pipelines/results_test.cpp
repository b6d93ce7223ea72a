// results.json keeps everything: what is read back is what was written, numbers that are not known included.
#include "noema/pipelines/results.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "noema/core/error.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

class ResultsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("noema-results-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

Results full_results() {
  Results r;
  r.command = "decode";
  r.dataset = "made up";
  r.title = "A title";
  r.task = "faces";
  r.space = "MNI";
  r.subjects = {"01", "02"};
  r.failed_subjects = {"03"};
  r.subject_rows = {{"01", 2, 300, 16, 15}};
  r.labels = {"cat", "dog"};
  r.samples_by_label = {7, 8};
  r.chance = 0.5;
  r.split = {"run", "abc", 2, false, {"checked"}, {"noted"}, {"violated"}, {4.5, std::nan("")}, {"run-1", "run-2"}};
  ModelScores model;
  model.name = "ridge";
  model.sample_unit = "blocks";
  model.samples = 15;
  model.group_unit = "runs";
  model.groups = 2;
  model.seeds = 3;
  model.balanced_accuracy = 2.0 / 3;
  model.sd_over_seeds = 0.01;
  model.interval = {std::nan(""), 0.9};
  model.per_fold = {0.5, 1};
  model.per_seed = {0.1, 0.2, 0.3};
  model.accuracy = 0.61;
  model.macro_f1 = 0.62;
  model.log_loss = std::nan("");
  model.confusion = (Eigen::MatrixXi(2, 2) << 5, 2, 3, 5).finished();
  model.blocks_right = 9.5;
  model.blocks = 12;
  model.permutation = PermutationResult{0.25, 3, {0.4, 0.5, 0.7}};
  model.honest_balanced_accuracy = 0.55;
  model.seconds = 1.5;
  r.models = {model};
  model.name = "majority";
  model.is_baseline = true;
  model.permutation.reset();
  model.blocks_right.reset();
  model.honest_balanced_accuracy.reset();
  r.models.push_back(model);
  r.comparisons = {{"a", "b", 0.1, {-0.1, 0.3}, 0.04}};
  r.agreement = {{"cat", "a map", "another", "signed", 8, 0.9, 0.8, {0.1, 0.2, 0.3}, 1000}};
  r.faithfulness = {{"ridge", "gradient", 15, 0.4, 0.1, {0, 1}, {1, 0}, {1, 0.5}, std::nan("")}};
  r.contrasts = {{"all", "a; b", "F", 2, 31, {5, 4, {1, 2, 3}, {4.5, -5, 6}}, {-3, -2, {7, 8, 9}, {1, 2, 3}}, 100, 17}};
  r.delays = {{"run-1", 4.5, true, {0, 1}, {0.1, 0.3}}};
  r.training = {{"long-conv", "training loss", {{1, 0.5}, {0.9}}}};
  r.mean_images = {"mean.nii.gz"};
  r.maps = {{"maps/a.nii.gz", "GLM z", "GLM", "cat", "z", 8}};
  r.designs = {{"sub-01", "design.tsv"}};
  r.connectome = ConnectomeFacts{"regions.tsv", {{"tangent", "of all", "group.tsv"}}};
  r.workflow = WorkflowFacts{"[training]\n", {{"qc-fc of edges", 2, 0.1, 0.2, 0.3, 0.4}}, {{"filter", "response.tsv"}}};
  r.method.preprocessing = {"One.", "Two."};
  r.method.sample_unit = "block";
  r.method.delay_rule = "estimated";
  r.method.features = {"F."};
  r.method.glm = {"G."};
  r.method.attributions = {"gradient"};
  r.method.bootstrap_draws = 1000;
  r.method.bootstrap_groups = "runs";
  r.method.permutations = 3;
  r.seconds = {{"second in the alphabet", 1}, {"first", 2}};
  r.peak_memory_mb = 512;
  r.warnings = {{"careful", 2}};
  r.files = {"results.json"};
  return r;
}

Provenance full_provenance() {
  Provenance p = make_provenance(7, "seed = 7\n");
  p.inputs = {{"file.nii.gz", 10, 20, "hash"}};
  return p;
}

TEST_F(ResultsTest, WhatIsReadIsWhatWasWritten) {
  Results written = full_results();
  const Provenance provenance = full_provenance();
  write_results(folder_, written, provenance);
  const StoredResults read = read_results(folder_);
  EXPECT_EQ(to_json(read.results, read.provenance), to_json(written, provenance));
  EXPECT_EQ(read.results.seconds, written.seconds);
  EXPECT_TRUE(std::isnan(read.results.models[0].log_loss));
  EXPECT_EQ(read.results.models[0].confusion(1, 0), 3);
  EXPECT_EQ(read.results.models[0].permutation->null, written.models[0].permutation->null);
  EXPECT_FALSE(read.results.models[1].permutation.has_value());
  EXPECT_TRUE(read.results.models[1].is_baseline);
  EXPECT_EQ(read.results.contrasts[0].min.voxel, (std::array<std::int64_t, 3>{7, 8, 9}));
  for (const char* table : {"models.tsv", "comparisons.tsv", "agreement.tsv", "faithfulness.tsv", "contrasts.tsv"})
    EXPECT_TRUE(fs::exists(folder_ / table)) << table;
}

TEST_F(ResultsTest, OtherFilesAreRefused) {
  EXPECT_THROW(read_results(folder_), IoError);
  const auto write = [&](const std::string& text) { std::ofstream(folder_ / "results.json") << text; };
  write("{ no json");
  EXPECT_THROW(read_results(folder_), FormatError);
  write(R"({"schema": 99})");
  try {
    read_results(folder_);
    ADD_FAILURE() << "another schema was taken";
  } catch (const FormatError& error) {
    EXPECT_NE(std::string(error.what()).find("schema 99"), std::string::npos) << error.what();
  }
  write(R"({"schema": 1, "command": "decode"})");
  try {
    read_results(folder_);
    ADD_FAILURE() << "a file without a dataset was taken";
  } catch (const FormatError& error) {
    EXPECT_NE(std::string(error.what()).find("dataset"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace noema
