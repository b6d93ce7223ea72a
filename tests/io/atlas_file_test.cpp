#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/atlas.h"
#include "noema/io/cifti.h"
#include "noema/io/nifti.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

Image image_of(std::vector<float> values, std::int64_t volumes = 1) {
  Image image;
  image.header.grid.shape = {static_cast<std::int64_t>(values.size()) / volumes, 1, 1};
  image.header.disk_grid = image.header.grid;
  image.header.volumes = volumes;
  image.values = std::move(values);
  return image;
}

class AtlasFile : public testing::Test {
 protected:
  void write(const Image& image) { write_image(path_, image); }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "tpl-X_atlas-A_res-02_dseg.nii.gz";
};

TEST_F(AtlasFile, NamesFromTheTableBeside) {
  write(image_of({0, 3, 1, 5}));
  EXPECT_THAT(read_atlas(path_).names, ElementsAre("region_1", "region_3", "region_5"));
  write_text(folder_ / "tpl-X_atlas-A_dseg.tsv", "index\tname\n1\tone\n3\tthree\n5\tfive\n9\tnine\n");
  const Atlas atlas = read_atlas(path_);
  EXPECT_THAT(atlas.names, ElementsAre("one", "three", "five"));
  EXPECT_THAT(atlas.image.values, ElementsAre(0, 3, 1, 5));
  EXPECT_EQ(atlas.image.header.path, path_);
  write_text(folder_ / "tpl-X_atlas-A_res-02_dseg.lut", "1 eins\n3 drei\n5 fünf\n");
  EXPECT_THAT(read_atlas(path_).names, ElementsAre("eins", "drei", "fünf"));
  write_text(folder_ / "other.csv", "1,un\n3,trois\n5,cinq\n");
  EXPECT_THAT(read_atlas(path_, folder_ / "other.csv").names, ElementsAre("un", "trois", "cinq"));
  EXPECT_NE(read_atlas(path_, folder_ / "other.csv").hash, atlas.hash);
}

TEST_F(AtlasFile, MissingAndSharedNames) {
  write(image_of({2, 3, 1, 5}));
  write_text(folder_ / "names.txt", "1 a\n3 a\n2 b\n");
  const WarningCollector collector;
  EXPECT_THAT(read_atlas(path_, folder_ / "names.txt").names, ElementsAre("a_1", "b", "a_3", "region_5"));
  ASSERT_THAT(collector.entries(), SizeIs(2));
  EXPECT_THAT(collector.entries()[0].message, AllOf(HasSubstr("1 of 4"), HasSubstr("5")));
  EXPECT_THAT(collector.entries()[1].message, AllOf(HasSubstr("2 regions"), HasSubstr("'a'")));
}

std::shared_ptr<const BrainModels> cortex(std::vector<std::int32_t> vertices, std::int64_t total = 6) {
  BrainModels models;
  models.models = {{"CIFTI_STRUCTURE_CORTEX_LEFT", total, std::move(vertices), {}}};
  return std::make_shared<const BrainModels>(std::move(models));
}

Cifti dlabel_of_all_vertices() {
  Cifti cifti;
  cifti.header.kind = CiftiKind::dlabel;
  cifti.header.brain_models = cortex({0, 1, 2, 3, 4, 5});
  cifti.header.points = 1;
  cifti.header.maps = {{"regions", {{0, "???", {}}, {2, "V1", {}}, {5, "M1", {}}, {9, "none", {}}}}};
  cifti.values.resize(1, 6);
  cifti.values << 5, 2, 2, 0, 5, 5;
  return cifti;
}

// The runs lack vertex 0 and have a deep structure besides: each vertex is found by its number, what is deep is in
// none.
TEST_F(AtlasFile, RegionsOfGrayordinatesGoByVertex) {
  write_cifti(folder_ / "a.dlabel.nii", dlabel_of_all_vertices());
  const Atlas atlas = read_atlas(folder_ / "a.dlabel.nii");
  EXPECT_THAT(atlas.names, ElementsAre("V1", "M1"));
  EXPECT_THAT(atlas.ids, ElementsAre(2, 5));
  BrainModels runs = *cortex({5, 3, 1});
  runs.models.push_back({"CIFTI_STRUCTURE_PUTAMEN_LEFT", 0, {}, {{0, 0, 0}}});
  runs.volume_shape = {1, 1, 1};
  const Mask mask{grid_of(std::make_shared<const BrainModels>(runs)), {0, 1, 2, 3}};
  const FeatureSpace features = make_feature_space(atlas, mask);
  EXPECT_THAT(features.parcel_of_voxel, ElementsAre(1, -1, 0, -1));
  EXPECT_THAT(features.names, ElementsAre("V1", "M1"));
  EXPECT_THAT(to_image(features, std::vector<float>{3, 4}).values, ElementsAre(4, 0, 3, 0));
}

TEST_F(AtlasFile, GrayordinatesOfAnotherMeshAreRefused) {
  write_cifti(folder_ / "a.dlabel.nii", dlabel_of_all_vertices());
  const Atlas atlas = read_atlas(folder_ / "a.dlabel.nii");
  const Mask mask{grid_of(cortex({1, 2}, 7)), {0, 1}};
  EXPECT_THAT(error_of<ShapeError>([&] { make_feature_space(atlas, mask); }),
              AllOf(HasSubstr("a.dlabel.nii"), HasSubstr("7"), HasSubstr("6"), HasSubstr("same mesh")));
  Mask volume;
  volume.grid.shape = {2, 1, 1};
  volume.voxels = {0};
  EXPECT_THAT(error_of<ShapeError>([&] { make_feature_space(atlas, volume); }), HasSubstr("atlas of volumes"));
}

TEST_F(AtlasFile, RowsOfMapsGoById) {
  write(image_of({1, 0, 0, 1, 0.5F, 0.25F}, 3));
  write_text(folder_ / "names.tsv", "index\tname\n30\tc\n10\ta\n20\tb\n");
  const Atlas atlas = read_atlas(path_, folder_ / "names.tsv");
  EXPECT_EQ(atlas.kind, FeatureKind::maps);
  EXPECT_THAT(atlas.names, ElementsAre("a", "b", "c"));
  EXPECT_THAT(atlas.ids, ElementsAre(1, 2, 3));
  EXPECT_THAT(atlas.image.values, ElementsAre(1, 0, 0, 1, 0.5F, 0.25F));
  write_text(folder_ / "names.tsv", "index\tname\n0\tbackground\n1\ta\n2\tb\n3\tc\n");
  EXPECT_THAT(read_atlas(path_, folder_ / "names.tsv").names, ElementsAre("a", "b", "c"));
  write_text(folder_ / "names.tsv", "index\tname\n1\ta\n2\tb\n");
  EXPECT_THAT(error_of<FormatError>([&] { read_atlas(path_, folder_ / "names.tsv"); }), HasSubstr("3 maps"));
}

TEST_F(AtlasFile, WhatIsNoAtlasNamesTheFile) {
  write(image_of({0, 0.5F}));
  EXPECT_THAT(error_of<FormatError>([&] { read_atlas(path_); }), AllOf(HasSubstr("dseg.nii.gz"), HasSubstr("0.5")));
  EXPECT_THAT(error_of<IoError>([&] { read_atlas(folder_ / "none.nii"); }), HasSubstr("none.nii"));
}

}  // namespace
}  // namespace noema
