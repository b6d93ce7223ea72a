#include "noema/learn/model_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/io/brain_models.h"

namespace noema {
namespace {

using ::testing::HasSubstr;

ModelFile make_model(FeatureKind kind) {
  ModelFile model;
  model.kind = "ridge";
  InputContract& contract = model.contract;
  FeatureSpace& features = contract.features;
  features.kind = kind;
  features.space = "MNI152NLin2009cAsym";
  features.mask.grid.shape = {4, 5, 6};
  features.mask.grid.ras_from_voxel << -2, 1e-17, 0, 90.1, 0, 2.5, 0, -126, 0, 0, 3, -72, 0, 0, 0, 1;
  features.mask.voxels = {3, 17, 18, 119};
  if (kind != FeatureKind::voxels) {
    features.names = {"left μ", "right"};
    features.atlas_hash = "abcd";
  }
  if (kind == FeatureKind::parcels) features.parcel_of_voxel = {1, -1, 0, 1};
  if (kind == FeatureKind::maps) features.map_weights = MatrixF::Random(4, 2);
  contract.tr_s = 0.72;
  contract.normalisation = "percent-change";
  contract.preprocessing = "[clean]\nhigh-pass = \"none\"\n";
  contract.labels = {"face", "house"};
  contract.unit = SampleUnit::trials;
  contract.window_volumes = 9;
  contract.delay_s = 4.1;
  contract.hrf_weighted = true;
  contract.discard_s = 1.5;
  contract.extend_s = 0.25;
  contract.windows = EventWindows::hcp;
  contract.provenance = R"({"seed":7})";
  contract.licence = "CC0-1.0";
  model.content.tensors["weight"] = TensorData::from_floats({2, 4}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
  model.content.metadata["model"] = R"({"alpha": 10})";
  return model;
}

class ModelFileTest : public ::testing::Test {
 protected:
  ModelFileTest() { std::filesystem::create_directories(folder_); }
  ~ModelFileTest() override { std::filesystem::remove_all(folder_); }

  /// The error that reading gives after the file's parts were changed.
  std::string refusal(const std::function<void(SafeTensors&)>& change) {
    write_model(path_, make_model(FeatureKind::parcels));
    SafeTensors file = read_safetensors(path_);
    change(file);
    write_safetensors(path_, file);
    try {
      read_model(path_);
    } catch (const FormatError& error) {
      return error.what();
    }
    return "";
  }
  std::string refusal_of_contract(const std::function<void(nlohmann::json&)>& change) {
    return refusal([&](SafeTensors& file) {
      auto contract = nlohmann::json::parse(file.metadata.at("contract"));
      change(contract);
      file.metadata["contract"] = contract.dump();
    });
  }
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("noema-model-" + std::to_string(getpid()));
  std::filesystem::path path_ = folder_ / "model.safetensors";
};

// All of a model comes back, for each kind of features, the affine to the bit.
TEST_F(ModelFileTest, RoundTrip) {
  for (const FeatureKind kind : {FeatureKind::voxels, FeatureKind::parcels, FeatureKind::maps}) {
    const ModelFile model = make_model(kind);
    write_model(path_, model);
    const ModelFile back = read_model(path_);
    EXPECT_EQ(back.kind, "ridge");
    const FeatureSpace& a = model.contract.features;
    const FeatureSpace& b = back.contract.features;
    EXPECT_EQ(b.kind, kind);
    EXPECT_EQ(b.space, a.space);
    EXPECT_EQ(b.mask.grid.shape, a.mask.grid.shape);
    EXPECT_EQ(b.mask.grid.ras_from_voxel, a.mask.grid.ras_from_voxel);
    EXPECT_EQ(b.mask.voxels, a.mask.voxels);
    EXPECT_EQ(b.parcel_of_voxel, a.parcel_of_voxel);
    EXPECT_TRUE(b.map_weights == a.map_weights);
    EXPECT_EQ(b.names, a.names);
    EXPECT_EQ(b.atlas_hash, a.atlas_hash);
    EXPECT_EQ(b.count(), kind == FeatureKind::voxels ? 4 : 2);
    EXPECT_EQ(back.contract.tr_s, 0.72);
    EXPECT_EQ(back.contract.normalisation, "percent-change");
    EXPECT_EQ(back.contract.preprocessing, model.contract.preprocessing);
    EXPECT_EQ(back.contract.labels, model.contract.labels);
    EXPECT_EQ(back.contract.unit, SampleUnit::trials);
    EXPECT_EQ(back.contract.window_volumes, 9);
    EXPECT_EQ(back.contract.delay_s, 4.1);
    EXPECT_TRUE(back.contract.hrf_weighted);
    EXPECT_EQ(back.contract.discard_s, 1.5);
    EXPECT_EQ(back.contract.extend_s, 0.25);
    EXPECT_EQ(back.contract.windows, EventWindows::hcp);
    EXPECT_EQ(back.contract.provenance, R"({"seed":7})");
    EXPECT_EQ(back.contract.licence, "CC0-1.0");
    EXPECT_EQ(back.content.metadata, model.content.metadata);
    ASSERT_EQ(back.content.tensors.size(), 1U);
    EXPECT_EQ(back.content.tensor("weight").floats(), model.content.tensor("weight").floats());
  }
}

TEST_F(ModelFileTest, GrayordinatesComeBack) {
  ModelFile model = make_model(FeatureKind::voxels);
  auto models = std::make_shared<BrainModels>();
  models->models = {{"CIFTI_STRUCTURE_CORTEX_RIGHT", 9, {7, 2, 3}, {}},
                    {"CIFTI_STRUCTURE_PUTAMEN_LEFT", 0, {}, {{1, 0, 2}, {0, 1, 0}}}};
  models->volume_shape = {2, 2, 3};
  model.contract.features.mask = {grid_of(models), {0, 1, 3, 4}};
  write_model(path_, model);
  const FeatureSpace back = read_model(path_).contract.features;
  ASSERT_NE(back.mask.grid.grayordinates, nullptr);
  EXPECT_TRUE(same_grid(back.mask.grid, model.contract.features.mask.grid));
  EXPECT_EQ(back.mask.voxels, model.contract.features.mask.voxels);
}

TEST_F(ModelFileTest, InfoWithoutArrays) {
  write_model(path_, make_model(FeatureKind::parcels));
  const nlohmann::json info = read_model_info(path_);
  EXPECT_EQ(info["noema_model"], "1");
  EXPECT_EQ(info["kind"], "ridge");
  EXPECT_EQ(info["contract"]["feature_count"], 2);
  EXPECT_EQ(info["contract"]["grid"]["shape"], (std::vector{4, 5, 6}));
  EXPECT_EQ(info["contract"]["orientation"], "RAS");
  EXPECT_EQ(info["contract"]["unit"], "trials");
  EXPECT_EQ(info["metadata"]["model"]["alpha"], 10);
}

TEST_F(ModelFileTest, DamagedOrForeign) {
  EXPECT_EQ(refusal([](SafeTensors&) {}), "");
  EXPECT_THAT(refusal([](SafeTensors& file) { file.metadata.erase("noema_model"); }), HasSubstr("no model"));
  EXPECT_THAT(refusal([](SafeTensors& file) { file.metadata["noema_model"] = "2"; }), HasSubstr("version '2'"));
  EXPECT_THAT(refusal([](SafeTensors& file) { file.metadata.erase("kind"); }), HasSubstr("no metadata 'kind'"));
  EXPECT_THAT(refusal([](SafeTensors& file) { file.metadata["contract"] = "{"; }), HasSubstr("incomplete"));
  EXPECT_THAT(refusal([](SafeTensors& file) { file.tensors["weight"].bytes[5] ^= std::byte{1}; }),
              HasSubstr("fingerprint"));
  EXPECT_THAT(refusal([](SafeTensors& file) { file.tensors.erase("contract/voxels"); }), HasSubstr("fingerprint"));
  EXPECT_THAT(refusal_of_contract([](auto& contract) { contract.erase("tr_s"); }), HasSubstr("tr_s"));
  EXPECT_THAT(refusal_of_contract([](auto& contract) { contract["labels"] = 3; }), HasSubstr("incomplete"));
  EXPECT_THAT(refusal_of_contract([](auto& contract) { contract["unit"] = "hours"; }), HasSubstr("'hours'"));
  EXPECT_THAT(refusal_of_contract([](auto& contract) { contract["feature_kind"] = "x"; }), HasSubstr("\"x\""));
  EXPECT_THAT(refusal_of_contract([](auto& contract) { contract["preprocessing"] = ""; }), HasSubstr("by hand"));
  EXPECT_THAT(refusal_of_contract([](auto& contract) { contract["grid"]["shape"] = {1, 1, 1}; }), HasSubstr("voxel 3"));
  EXPECT_THAT(refusal_of_contract([](auto& contract) { contract["feature_names"] = {"one"}; }), HasSubstr("parcel 1"));
}

TEST_F(ModelFileTest, WhatCannotBeWritten) {
  ModelFile model = make_model(FeatureKind::voxels);
  model.kind = "";
  EXPECT_THROW(write_model(path_, model), UsageError);
  model = make_model(FeatureKind::voxels);
  model.content.tensors["contract/x"] = TensorData::from_floats({0}, {});
  EXPECT_THROW(write_model(path_, model), UsageError);
  model = make_model(FeatureKind::voxels);
  model.content.metadata["kind"] = "x";
  EXPECT_THROW(write_model(path_, model), UsageError);
  model = make_model(FeatureKind::voxels);
  model.contract.provenance = "not JSON";
  EXPECT_THROW(write_model(path_, model), DataError);
  model = make_model(FeatureKind::voxels);
  model.contract.features.mask.voxels = {3, 3};
  EXPECT_THROW(write_model(path_, model), ShapeError);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

std::string refusal_of_run(const InputContract& contract, const ImageHeader& run, double tr_s, bool allow_resample) {
  try {
    check_contract(contract, run, tr_s, allow_resample);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(ContractTest, WhatFits) {
  const InputContract contract = make_model(FeatureKind::voxels).contract;
  ImageHeader run;
  run.path = "run.nii.gz";
  run.grid = contract.features.mask.grid;
  run.disk_orientation.flipped = {true, false, false};  // no matter: the grid is canonical
  for (const double tr_s : {0.72, 0.7271, 0.7129}) {
    for (const std::string space : {"", "MNI152NLin2009cAsym"}) {
      run.space = space;
      const ContractCheck check = check_contract(contract, run, tr_s, false);
      EXPECT_FALSE(check.resample_grid);
      EXPECT_TRUE(check.notes.empty());
    }
  }
}

TEST(ContractTest, WhatDoesNotFit) {
  const InputContract contract = make_model(FeatureKind::voxels).contract;
  ImageHeader run;
  run.path = "run.nii.gz";
  run.grid = contract.features.mask.grid;
  EXPECT_THAT(refusal_of_run(contract, run, 0, true), HasSubstr("TR is not known"));
  const std::string tr = refusal_of_run(contract, run, 0.73, false);
  EXPECT_THAT(tr, HasSubstr("run.nii.gz"));
  EXPECT_THAT(tr, HasSubstr("found a TR of 0.73 s, expected 0.72 s"));
  EXPECT_THAT(tr, HasSubstr("resample the run"));
  run.grid.ras_from_voxel(0, 3) += 0.5;
  const std::string both = refusal_of_run(contract, run, 2, false);
  EXPECT_THAT(both, HasSubstr("found a grid of 4×5×6 voxels"));
  EXPECT_THAT(both, HasSubstr("Also: found a TR of 2 s"));
  EXPECT_THAT(both, HasSubstr("--allow-resample"));
  EXPECT_THAT(refusal_of_run(contract, run, 2, true), HasSubstr("found a TR of 2 s, expected 0.72 s"));
  const ContractCheck check = check_contract(contract, run, 0.72, true);
  EXPECT_TRUE(check.resample_grid);
  ASSERT_EQ(check.notes.size(), 1U);
  EXPECT_THAT(check.notes[0], HasSubstr("found a grid of 4×5×6 voxels"));
  run.space = "MNI152NLin6Asym";
  EXPECT_THAT(refusal_of_run(contract, run, 2, true), HasSubstr("--space MNI152NLin2009cAsym"));
}

}  // namespace
}  // namespace noema
