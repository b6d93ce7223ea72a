#include "noema/simulate/simulate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/core/settings.h"
#include "noema/io/dataset.h"
#include "noema/io/events.h"
#include "noema/io/nifti.h"
#include "noema/simulate/maps.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

SimulationOptions small() {
  SimulationOptions options;
  options.subjects = 2;
  options.states = 3;
  options.shape = {8, 9, 7};
  options.blocks = 2;
  options.seed = 5;
  options.tr_s = 1.5;
  options.level = 1;
  return options;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[fs::relative(entry.path(), folder).string()] = text_of(entry.path());
  }
  return files;
}

class SimulateTest : public ::testing::Test {
 protected:
  SimulateTest() { fs::create_directories(folder_); }
  ~SimulateTest() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / ("noema-simulate-" + std::to_string(getpid()));
};

// The dataset index finds every run with its image, mask, confounds and events, and they fit each other.
TEST_F(SimulateTest, IndexedAsDataset) {
  const SimulationOptions options = small();
  simulate_dataset(folder_ / "made", options);
  const Dataset dataset = index_dataset(folder_ / "made", {});
  EXPECT_EQ(dataset.subjects(), (std::vector<std::string>{"01", "02"}));
  ASSERT_TRUE(dataset.participants.has_value());
  EXPECT_EQ(dataset.participants->column("participant_id"), (std::vector<std::string>{"sub-01", "sub-02"}));
  ASSERT_EQ(dataset.runs.size(), 4U);
  const auto& run = dataset.runs[3];
  EXPECT_EQ(run.id(), "sub-02_task-states_run-02");
  EXPECT_EQ(run.entity("space"), "MNI152NLin2009cAsym");
  EXPECT_EQ(run.tr_s, 1.5);
  EXPECT_EQ(run.slice_time_s, 0.75);
  const auto events = read_events(run.events);
  EXPECT_EQ(events.size(), 6U);
  const Image bold = read_image(run.bold);
  EXPECT_EQ(bold.header.volumes, 6 * 12 + 4);
  EXPECT_EQ(bold.header.grid.shape, options.shape);
  EXPECT_NEAR(bold.header.tr_s, 1.5, 1e-6);
  EXPECT_EQ(static_cast<std::int64_t>(read_table(run.confounds).rows()), bold.header.volumes);
  const Mask mask = mask_from_image(read_image(run.mask));
  const Phantom phantom = make_phantom(options);
  EXPECT_EQ(mask.voxels, phantom.brain.voxels);
  EXPECT_TRUE(same_grid(mask.grid, phantom.brain.grid));
  EXPECT_NEAR(bold.values[static_cast<std::size_t>(mask.voxels[0])], 1000, 100);
  EXPECT_NEAR(bold.values[0], 50, 15);
  EXPECT_TRUE(fs::exists(folder_ / "made/derivatives/simulated/dataset_description.json"));
}

// The ground truth beside it is what the images were made of.
TEST_F(SimulateTest, GroundTruth) {
  const SimulationOptions options = small();
  simulate_dataset(folder_ / "made", options);
  const Phantom phantom = make_phantom(options);
  const MatrixF maps = state_maps(phantom, options);
  const Image truth = read_image(folder_ / "made/ground-truth/maps.nii.gz");
  const Image own = read_image(folder_ / "made/ground-truth/sub-02_maps.nii.gz");
  ASSERT_EQ(truth.header.volumes, 3);
  const MatrixF second = subject_maps(phantom, options, maps, 1);
  for (std::int64_t k = 0; k < 3; ++k) {
    for (std::int64_t v = 0; v < phantom.brain.size(); ++v) {
      const auto voxel = static_cast<std::size_t>(phantom.brain.voxels[static_cast<std::size_t>(v)]);
      ASSERT_EQ(truth.volume(k)[voxel], maps(k, v));
      ASSERT_EQ(own.volume(k)[voxel], second(k, v));
    }
  }
  const auto parameters = nlohmann::json::parse(text_of(folder_ / "made/ground-truth/parameters.json"));
  EXPECT_EQ(parameters["level"], 1);
  EXPECT_EQ(parameters["seed"], 5);
  EXPECT_EQ(parameters["states"], (std::vector<std::string>{"state1", "state2", "state3"}));
  EXPECT_EQ(parameters["brain_voxels"], phantom.brain.size());
  EXPECT_NE(parameters["hrf"]["sub-01"]["delay_s"], parameters["hrf"]["sub-02"]["delay_s"]);
}

// Every byte of every file is the same with one thread and with four; another seed gives other images.
TEST_F(SimulateTest, SameForAnyThreadCount) {
  SimulationOptions options = small();
  set_thread_count(1);
  simulate_dataset(folder_ / "one", options);
  set_thread_count(4);
  simulate_dataset(folder_ / "four", options);
  const auto one = files_of(folder_ / "one");
  const auto four = files_of(folder_ / "four");
  ASSERT_EQ(one.size(), four.size());
  EXPECT_GT(one.size(), 25U);
  for (const auto& [name, content] : one) EXPECT_TRUE(four.at(name) == content) << name;
  options.seed = 6;
  simulate_dataset(folder_ / "other", options);
  for (const auto& [name, content] : files_of(folder_ / "other")) {
    if (name.ends_with("bold.nii.gz")) {
      EXPECT_TRUE(one.at(name) != content) << name;
    }
  }
}

TEST_F(SimulateTest, EventsAndOneSlice) {
  SimulationOptions options = small();
  options.design = DesignKind::events;
  options.maps = MapKind::fields;
  options.events = 5;
  options.shape = {8, 9, 1};
  simulate_dataset(folder_ / "made", options);
  const Dataset dataset = index_dataset(folder_ / "made", {});
  ASSERT_EQ(dataset.runs.size(), 4U);
  EXPECT_EQ(read_events(dataset.runs[0].events).size(), 15U);
  EXPECT_EQ(read_header(dataset.runs[0].bold).grid.shape[2], 1);
}

TEST_F(SimulateTest, WhatCannotBe) {
  const auto refused = [&](const std::function<void(SimulationOptions&)>& change) {
    SimulationOptions options = small();
    change(options);
    try {
      simulate_dataset(folder_ / "made", options);
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refused([](auto& o) { o.subjects = 0; }), ::testing::HasSubstr("found subjects 0, expected at least 1"));
  EXPECT_NE(refused([](auto& o) { o.shape[1] = 0; }), "");
  EXPECT_NE(refused([](auto& o) { o.tr_s = 0; }), "");
  EXPECT_NE(refused([](auto& o) { o.level = NAN; }), "");
  EXPECT_NE(refused([](auto& o) { o.noise_ar = 1; }), "");
  EXPECT_NE(refused([](auto& o) { o.mean_gap_s = 1; }), "");
  EXPECT_NE(refused([](auto& o) { o.task = "two_words"; }), "");
  EXPECT_NE(refused([](auto& o) { o.space = ""; }), "");
  EXPECT_TRUE(fs::is_empty(folder_));
  std::ofstream(folder_ / "file") << "x";
  EXPECT_THROW(simulate_dataset(folder_, small()), IoError);  // not empty
  EXPECT_THROW(simulate_dataset(folder_ / "no/where", small()), IoError);
}

}  // namespace
}  // namespace noema
