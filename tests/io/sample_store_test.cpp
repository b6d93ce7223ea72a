#include "noema/io/sample_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/random.h"
#include "noema/core/settings.h"
#include "noema/io/brain_models.h"
#include "noema/io/safetensors.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using ::testing::HasSubstr;

FeatureSpace voxel_features(std::int64_t count) {
  FeatureSpace features;
  features.space = "MNI152NLin2009cAsym";
  features.mask.grid.shape = {7, 5, 300};
  features.mask.grid.ras_from_voxel << -2, 0.1, 0, 9, 0, 2.5, 0, -8, 0, 0, 3, 7, 0, 0, 0, 1;
  for (std::int64_t v = 0; v < count; ++v) features.mask.voxels.push_back(2 * v + 3);
  return features;
}

FeatureSpace parcel_features() {
  FeatureSpace features = voxel_features(6);
  features.kind = FeatureKind::parcels;
  features.parcel_of_voxel = {1, -1, 0, 2, 2, 0};
  features.names = {"left", "rechts μ", "x"};
  features.atlas_hash = "0123456789abcdef";
  return features;
}

FeatureSpace map_features() {
  FeatureSpace features = voxel_features(4);
  features.kind = FeatureKind::maps;
  features.map_weights = MatrixF::Random(4, 2);
  features.names = {"a", "b"};
  features.atlas_hash = "77";
  return features;
}

StoredRun make_run(const std::string& subject, std::int64_t volumes, std::int64_t features, std::uint64_t seed) {
  StoredRun run;
  run.id = "sub-" + subject + "_task-x";
  run.entities = {{"sub", subject}, {"task", "x"}};
  run.series.tr_s = 0.72;
  run.series.start_s = -0.36;
  run.series.values.resize(volumes, features);
  run.nuisance.resize(volumes, 2);
  RandomStream random(seed, "run");
  for (auto& value : run.series.values.reshaped()) value = static_cast<float>(random.normal());
  for (auto& value : run.nuisance.reshaped()) value = random.normal();
  for (std::int64_t t = 0; t < volumes; ++t) run.series.keep.push_back(random.uniform() < 0.8);
  run.nuisance_names = {"trans_x", "global_signal"};
  run.events = {{1.25, 3, "face", 1}, {5, 0, "", -0.5}, {1e3, 0.1, "Häuser", 2}};
  run.notes = {"detrend: linear", ""};
  return run;
}

void expect_same(const FeatureSpace& a, const FeatureSpace& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.space, b.space);
  EXPECT_EQ(a.mask.grid.shape, b.mask.grid.shape);
  EXPECT_EQ(a.mask.grid.ras_from_voxel, b.mask.grid.ras_from_voxel);
  EXPECT_EQ(a.mask.voxels, b.mask.voxels);
  EXPECT_EQ(a.parcel_of_voxel, b.parcel_of_voxel);
  EXPECT_TRUE(a.map_weights == b.map_weights);
  EXPECT_EQ(a.names, b.names);
  EXPECT_EQ(a.atlas_hash, b.atlas_hash);
}

void expect_same(const StoredRun& a, const StoredRun& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.entities, b.entities);
  EXPECT_TRUE(a.series.values == b.series.values);
  EXPECT_EQ(a.series.tr_s, b.series.tr_s);
  EXPECT_EQ(a.series.start_s, b.series.start_s);
  EXPECT_EQ(a.series.keep, b.series.keep);
  EXPECT_TRUE(a.nuisance == b.nuisance);
  EXPECT_EQ(a.nuisance_names, b.nuisance_names);
  EXPECT_EQ(a.notes, b.notes);
  ASSERT_EQ(a.events.size(), b.events.size());
  for (std::size_t i = 0; i < a.events.size(); ++i) {
    EXPECT_EQ(a.events[i].onset_s, b.events[i].onset_s);
    EXPECT_EQ(a.events[i].duration_s, b.events[i].duration_s);
    EXPECT_EQ(a.events[i].label, b.events[i].label);
    EXPECT_EQ(a.events[i].modulation, b.events[i].modulation);
  }
}

class SampleStoreTest : public ::testing::Test {
 protected:
  void write(const FeatureSpace& features, const std::vector<StoredRun>& runs) {
    SampleStoreWriter writer(path_, features, R"({"seed": 7})");
    for (const StoredRun& run : runs) writer.add_run(run);
    writer.commit();
  }
  /// Changes one bit of the first place where these bytes stand.
  void damage(std::string_view bytes) {
    std::string content = read_text(path_);
    const std::size_t place = content.find(bytes);
    ASSERT_NE(place, std::string::npos);
    content[place] = static_cast<char>(content[place] ^ 1);
    write_text(path_, content);
  }
  std::string error_of_verify() {
    return error_of<FormatError>([&] { SampleStore::open(path_).verify(); });
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "store.h5";
};

// Voxels, parcels and maps, with all that belongs to the runs, come back as they were.
TEST_F(SampleStoreTest, RoundTrip) {
  for (const FeatureSpace& features : {voxel_features(9), parcel_features(), map_features()}) {
    std::vector<StoredRun> runs{make_run("01", 20, features.count(), 1), make_run("02", 33, features.count(), 2)};
    runs[1].entities["ses"] = "a+b";
    runs[1].nuisance.resize(33, 0);
    runs[1].nuisance_names.clear();
    runs[1].events.clear();
    runs[1].notes.clear();
    write(features, runs);
    const SampleStore store = SampleStore::open(path_);
    store.verify();
    EXPECT_EQ(store.provenance(), R"({"seed": 7})");
    expect_same(*store.features(), features);
    ASSERT_EQ(store.runs().size(), 2U);
    EXPECT_EQ(store.runs()[1].id, "sub-02_task-x");
    EXPECT_EQ(store.runs()[1].entities, runs[1].entities);
    EXPECT_EQ(store.runs()[1].volumes, 33);
    EXPECT_EQ(store.runs()[1].features, features.count());
    EXPECT_EQ(store.runs()[1].tr_s, 0.72);
    EXPECT_EQ(store.runs()[1].start_s, -0.36);
    for (std::int64_t r = 0; r < 2; ++r) {
      const StoredRun back = store.read_run(r);
      expect_same(back, runs[static_cast<std::size_t>(r)]);
      EXPECT_EQ(back.series.features, store.features());
    }
  }
  EXPECT_EQ(folder_.entries(), 1U);
  EXPECT_LT(std::filesystem::file_size(path_), 100'000U);
}

// A provenance longer than an attribute of HDF5 may be, no runs, and a run without volumes.
TEST_F(SampleStoreTest, GrayordinatesComeBack) {
  auto models = std::make_shared<BrainModels>();
  models->models = {{"CIFTI_STRUCTURE_CORTEX_RIGHT", 9, {7, 2, 3}, {}},
                    {"CIFTI_STRUCTURE_PUTAMEN_LEFT", 0, {}, {{1, 0, 2}, {0, 1, 0}}}};
  models->volume_shape = {2, 2, 3};
  models->ras_from_voxel(0, 3) = -0.1;
  FeatureSpace features;
  features.mask = {grid_of(models), {0, 2, 4}};
  write(features, {make_run("01", 5, 3, 1)});
  const SampleStore store = SampleStore::open(path_);
  const FeatureSpace& back = *store.features();
  expect_same(back, features);
  ASSERT_NE(back.mask.grid.grayordinates, nullptr);
  EXPECT_EQ(back.mask.grid.grayordinates->models, models->models);
  EXPECT_TRUE(same_grid(back.mask.grid, features.mask.grid));
}

TEST_F(SampleStoreTest, Edges) {
  const std::string provenance(200'000, 'p');
  SampleStoreWriter(path_, voxel_features(3), provenance).commit();
  EXPECT_EQ(SampleStore::open(path_).provenance(), provenance);
  EXPECT_TRUE(SampleStore::open(path_).runs().empty());
  write(voxel_features(3), {make_run("01", 0, 3, 1)});
  const SampleStore store = SampleStore::open(path_);
  store.verify();
  EXPECT_EQ(store.read_run(0).series.values.rows(), 0);
  EXPECT_EQ(store.read_window(0, 0, 0).rows(), 0);
  EXPECT_EQ(store.read_window(0, 0, 0).cols(), 3);
}

// Any window, also across chunks (5,000 features are 13 volumes a chunk), from several threads at once.
TEST_F(SampleStoreTest, RandomWindows) {
  const std::vector<StoredRun> runs{make_run("01", 60, 5000, 1), make_run("02", 31, 5000, 2)};
  write(voxel_features(5000), runs);
  const SampleStore store = SampleStore::open(path_);
  set_thread_count(4);
  std::vector<int> same(200, 0);
  parallel_tasks(200, [&](std::int64_t i) {
    RandomStream random(3, "window", {static_cast<std::uint64_t>(i)});
    const std::size_t run = random.below(2);
    const std::int64_t volumes = runs[run].series.volumes();
    const auto first = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(volumes + 1)));
    const auto count = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(volumes - first + 1)));
    const MatrixF window = store.read_window(static_cast<std::int64_t>(run), first, count);
    same[static_cast<std::size_t>(i)] =
        window.rows() == count && window == runs[run].series.values.middleRows(first, count);
  });
  EXPECT_THAT(same, ::testing::Each(1));
  EXPECT_THROW(store.read_window(0, 0, 61), UsageError);
  EXPECT_THROW(store.read_window(0, 61, 0), UsageError);
  EXPECT_THROW(store.read_window(0, -1, 1), UsageError);
  EXPECT_THROW(store.read_window(0, 1, -1), UsageError);
  EXPECT_THROW(store.read_window(2, 0, 1), UsageError);
  EXPECT_THROW(store.read_run(-1), UsageError);
}

// One bit of the values: the window that holds it and the run are refused, other windows are not.
TEST_F(SampleStoreTest, DamagedValues) {
  std::vector<StoredRun> runs{make_run("01", 60, 5000, 1)};
  const float mark = 12345.678F;
  runs[0].series.values(20, 7) = mark;
  write(voxel_features(5000), runs);
  damage({reinterpret_cast<const char*>(&mark), sizeof mark});
  const SampleStore store = SampleStore::open(path_);
  EXPECT_THAT(error_of<FormatError>([&] { store.read_window(0, 20, 1); }),
              HasSubstr("'/runs/000000/values' is damaged"));
  EXPECT_THAT(error_of<FormatError>([&] { store.read_run(0); }), HasSubstr("is damaged"));
  EXPECT_THAT(error_of_verify(), HasSubstr("is damaged"));
  EXPECT_TRUE(store.read_window(0, 40, 5) == runs[0].series.values.middleRows(40, 5));
}

TEST_F(SampleStoreTest, DamagedParts) {
  std::vector<StoredRun> runs{make_run("01", 30, 6, 1)};
  const double mark = 98765.4321;
  runs[0].nuisance(3, 1) = mark;
  for (const std::string& part :
       {std::string(reinterpret_cast<const char*>(&mark), sizeof mark), std::string("Häuser"), std::string("rechts"),
        std::string("\"seed\""), std::string("detrend"), std::string("global_signal")}) {
    FeatureSpace features = voxel_features(6);
    features.names = {"rechts", "", "", "", "", ""};
    write(features, runs);
    damage(part);
    EXPECT_THAT(error_of_verify(), HasSubstr("is damaged")) << part;
  }
  for (const std::string part : {"sub-01_task-x", "MNI152NLin"}) {  // attributes, with checksums of HDF5's own
    write(voxel_features(6), runs);
    damage(part);
    EXPECT_NE(error_of_verify(), "") << part;
  }
}

// Wherever the file is cut off, or whatever it is instead, the error is ours and names the file.
TEST_F(SampleStoreTest, CutOffOrForeign) {
  write(parcel_features(), {make_run("01", 30, 3, 1)});
  const std::string whole = read_text(path_);
  for (std::size_t length = 0; length < whole.size(); length += 1 + whole.size() / 50) {
    write_text(path_, whole.substr(0, length));
    EXPECT_THAT(error_of_verify(), HasSubstr("store.h5")) << length;
  }
  EXPECT_THAT(error_of<IoError>([&] { SampleStore::open(folder_ / "absent.h5"); }), HasSubstr("absent.h5"));
  write_safetensors(path_, {});
  EXPECT_THAT(error_of_verify(), HasSubstr("no HDF5 file"));
}

// Random bytes anywhere in a valid file never crash; where they matter they are noticed.
TEST_F(SampleStoreTest, RandomDamage) {
  write(map_features(), {make_run("01", 12, 2, 1)});
  const std::string whole = read_text(path_);
  RandomStream random(5, "damage");
  int noticed = 0;
  for (int i = 0; i < 200; ++i) {
    std::string damaged = whole;
    for (int k = 0; k < 3; ++k) damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
    write_text(path_, damaged);
    try {
      SampleStore::open(path_).verify();
    } catch (const Error&) {
      ++noticed;
    }
  }
  EXPECT_GT(noticed, 50);
}

TEST_F(SampleStoreTest, WhatCannotBeWritten) {
  {
    SampleStoreWriter writer(path_, voxel_features(4), "{}");
    writer.add_run(make_run("01", 5, 4, 1));
    EXPECT_THAT(error_of<DataError>([&] { writer.add_run(make_run("01", 5, 4, 1)); }), HasSubstr("there already"));
    EXPECT_THROW(writer.add_run(make_run("02", 5, 3, 1)), ShapeError);
    StoredRun run = make_run("03", 5, 4, 1);
    run.series.keep.pop_back();
    EXPECT_THROW(writer.add_run(run), ShapeError);
    run = make_run("04", 5, 4, 1);
    run.nuisance.conservativeResize(4, 2);
    EXPECT_THROW(writer.add_run(run), ShapeError);
    run = make_run("05", 5, 4, 1);
    run.entities["acq"] = "a_b";
    EXPECT_THROW(writer.add_run(run), DataError);
    EXPECT_THROW(SampleStoreWriter(folder_ / "no/folder/x.h5", voxel_features(4), "{}"), IoError);
    FeatureSpace parcels = parcel_features();
    parcels.parcel_of_voxel.pop_back();
    EXPECT_THROW(SampleStoreWriter(folder_ / "y.h5", parcels, "{}"), ShapeError);
    EXPECT_THROW(SampleStore::open(path_), IoError);
  }
  EXPECT_EQ(folder_.entries(), 0U);
}

// A write that the system refuses (here: a limit of file size) is an IoError that names the store, and nothing is left,
// nothing is printed, and the process goes on to write another.
TEST_F(SampleStoreTest, FullDisk) {
  const auto write_too_much = [&] {
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    for (const rlim_t room : {0, 100, 3'000, 20'000, 100'000, 500'000}) {
      const rlimit small{room, limit.rlim_max};
      ::setrlimit(RLIMIT_FSIZE, &small);
      const std::string error = error_of<IoError>([&] { write(voxel_features(5000), {make_run("01", 60, 5000, 1)}); });
      if (error.find("store.h5") == std::string::npos || folder_.entries() != 0) std::exit(1);
      ::setrlimit(RLIMIT_FSIZE, &limit);
      write(voxel_features(50), {make_run("01", 60, 50, 1)});
      SampleStore::open(path_).verify();
      std::filesystem::remove(path_);
    }
    std::exit(0);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // other tests leave threads, which a fork does not copy
  EXPECT_EXIT(write_too_much(), ::testing::ExitedWithCode(0), "^$");
}

}  // namespace
}  // namespace noema
