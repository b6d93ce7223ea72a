#include "noema/io/atlas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/region_names.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

Image image_of(std::vector<float> values, std::int64_t volumes = 1) {
  Image image;
  image.header.grid.shape = {static_cast<std::int64_t>(values.size()) / volumes, 1, 1};
  image.header.disk_grid = image.header.grid;
  image.header.volumes = volumes;
  image.values = std::move(values);
  return image;
}

Mask mask_of(std::int64_t voxels, std::vector<std::int64_t> chosen) {
  Mask mask;
  mask.grid.shape = {voxels, 1, 1};
  mask.voxels = std::move(chosen);
  return mask;
}

TEST(MakeAtlas, IdsAscendWithGaps) {
  const Atlas atlas = make_atlas(image_of({0, 7, 2, 7, 0, 300}), {"a", "b", "c"});
  EXPECT_EQ(atlas.kind, FeatureKind::parcels);
  EXPECT_THAT(atlas.ids, ElementsAre(2, 7, 300));
  EXPECT_THAT(atlas.names, ElementsAre("a", "b", "c"));
  EXPECT_THAT(make_atlas(image_of({0, 7, 2})).names, ElementsAre("region_2", "region_7"));
  EXPECT_THAT(make_atlas(image_of({16777216})).ids, ElementsAre(16777216));
}

TEST(MakeAtlas, VolumesAreMaps) {
  const Atlas atlas = make_atlas(image_of({0, 0.5F, -1, 0, 0, 2}, 3));
  EXPECT_EQ(atlas.kind, FeatureKind::maps);
  EXPECT_THAT(atlas.ids, ElementsAre(1, 2, 3));
  EXPECT_THAT(atlas.names, ElementsAre("region_1", "region_2", "region_3"));
}

TEST(MakeAtlas, WhatIsNoAtlas) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of<DataError>([&] {
                make_atlas(image_of({0, 1.5F}));
              }),
              AllOf(HasSubstr("(1, 0, 0)"), HasSubstr("1.5")));
  EXPECT_THAT(error_of<DataError>([&] { make_atlas(image_of({-1, 1})); }), HasSubstr("-1"));
  EXPECT_THAT(error_of<DataError>([&] { make_atlas(image_of({nan, 1})); }), HasSubstr("nan"));
  EXPECT_THAT(error_of<DataError>([&] { make_atlas(image_of({2e7F})); }), HasSubstr("2^24"));
  EXPECT_THAT(error_of<DataError>([&] { make_atlas(image_of({0, 0})); }), HasSubstr("no region"));
  EXPECT_THAT(error_of<DataError>([&] { make_atlas(image_of({0, 0}, 2)); }), HasSubstr("no region"));
  EXPECT_THAT(error_of<DataError>([&] { make_atlas(image_of({1, nan}, 2)); }), HasSubstr("finite"));
  EXPECT_THAT(error_of<ShapeError>([&] { make_atlas(image_of({1, 2}), {"a"}); }), HasSubstr("1 names for 2 regions"));
  EXPECT_THAT(error_of<DataError>([&] { make_atlas(image_of({1, 2}), {"a", "a"}); }), HasSubstr("'a'"));
}

TEST(MakeAtlas, HashTellsValuesPlaceAndNamesApart) {
  const std::string hash = make_atlas(image_of({0, 1, 2})).hash;
  EXPECT_EQ(make_atlas(image_of({0, 1, 2})).hash, hash);
  EXPECT_NE(make_atlas(image_of({0, 2, 1})).hash, hash);
  EXPECT_NE(make_atlas(image_of({0, 1, 2}), {"a", "b"}).hash, hash);
  Image moved = image_of({0, 1, 2});
  moved.header.grid.ras_from_voxel(0, 3) = 1;
  EXPECT_NE(make_atlas(moved).hash, hash);
}

TEST(FeatureSpaceOfAtlas, RegionsWithinTheMask) {
  const Atlas atlas = make_atlas(image_of({9, 9, 0, 4, 6, 4}), {"four", "six", "nine"});
  const WarningCollector collector;
  const FeatureSpace features = make_feature_space(atlas, mask_of(6, {1, 2, 3, 5}));
  EXPECT_EQ(features.kind, FeatureKind::parcels);
  EXPECT_THAT(features.names, ElementsAre("four", "nine"));
  EXPECT_THAT(features.parcel_of_voxel, ElementsAre(1, -1, 0, 0));
  EXPECT_EQ(features.atlas_hash, atlas.hash);
  EXPECT_EQ(features.count(), 2);
  ASSERT_THAT(collector.entries(), SizeIs(1));
  EXPECT_THAT(collector.entries()[0].message, AllOf(HasSubstr("1 of 3 regions"), HasSubstr("six")));
}

TEST(FeatureSpaceOfAtlas, WeightsWithinTheMask) {
  const Atlas atlas = make_atlas(image_of({1, 2, 3, 0, 5, 0, -1, 0, -3}, 3), {"a", "b", "c"});
  const WarningCollector collector;
  const FeatureSpace features = make_feature_space(atlas, mask_of(3, {0, 2}));
  EXPECT_THAT(features.names, ElementsAre("a", "c"));
  MatrixF expected(2, 2);
  expected << 1, -1, 3, -3;
  EXPECT_EQ(features.map_weights, expected);
  EXPECT_THAT(features.parcel_of_voxel, IsEmpty());
  EXPECT_THAT(collector.entries(), SizeIs(1));
}

TEST(FeatureSpaceOfAtlas, MustFitTheMask) {
  const Atlas atlas = make_atlas(image_of({1, 0, 2}));
  Mask other = mask_of(3, {0});
  other.grid.ras_from_voxel(0, 0) = 2;
  EXPECT_THAT(error_of<ShapeError>([&] { make_feature_space(atlas, other); }),
              AllOf(HasSubstr("1×1×1 mm"), HasSubstr("2×1×1 mm"), HasSubstr("resample the atlas")));
  EXPECT_THAT(error_of<DataError>([&] { make_feature_space(atlas, mask_of(3, {1})); }), HasSubstr("no region"));
}

class RegionNames : public testing::Test {
 protected:
  std::map<std::int32_t, std::string> read(std::string_view text) {
    write_text(path_, text);
    return read_region_names(path_);
  }
  std::string error(std::string_view text) {
    return error_of<FormatError>([&] { read(text); });
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "atlas.txt";
};

TEST_F(RegionNames, BidsTable) {
  EXPECT_THAT(read("name\tindex\tcolor\nLeft Area 1\t3\t#ff0000\nb\t1\t#00ff00\n"),
              ElementsAre(Pair(1, "b"), Pair(3, "Left Area 1")));
  EXPECT_THAT(read("index\tlabel\tname\n0\t5\tbackground\n1\t6\t7\n"),
              ElementsAre(Pair(0, "background"), Pair(1, "7")));
}

TEST_F(RegionNames, CommaSeparated) {
  EXPECT_THAT(read("ROI Label,ROI Name,R,A,S\n1,7Networks_LH_Vis_1,-32,-42,-20\n2,7Networks_LH_Vis_2,-30,-32,-18\n"),
              ElementsAre(Pair(1, "7Networks_LH_Vis_1"), Pair(2, "7Networks_LH_Vis_2")));
  EXPECT_THAT(read("component, difumo_names, gm\n1, \"Fusiform gyrus, left\", 0.5\n2, b, 0.25\n"),
              ElementsAre(Pair(1, "Fusiform gyrus, left"), Pair(2, "b")));
  EXPECT_THAT(read("1,Precentral_L\n4,Precentral_R\n"), ElementsAre(Pair(1, "Precentral_L"), Pair(4, "Precentral_R")));
}

TEST_F(RegionNames, FreeSurferAndSchaefer) {
  EXPECT_THAT(read("#No. Label Name:  R G B A\n\n0   Unknown           0   0   0   0\n"
                   "17  Left-Hippocampus  220 216 20 0\n"),
              ElementsAre(Pair(0, "Unknown"), Pair(17, "Left-Hippocampus")));
  EXPECT_THAT(read("1\t7Networks_LH_Vis_1\t120\t18\t131\t255\r\n2\t7Networks_LH_Vis_2\t120\t18\t132\t255\r\n"),
              ElementsAre(Pair(1, "7Networks_LH_Vis_1"), Pair(2, "7Networks_LH_Vis_2")));
  EXPECT_THAT(read("1 Precentral_L 2001\n2 Frontal Pole\n3 Area 4\n4 Insula 10 20 30\n5 Rectus_L 5\n"),
              ElementsAre(Pair(1, "Precentral_L"), Pair(2, "Frontal Pole"), Pair(3, "Area 4"), Pair(4, "Insula"),
                          Pair(5, "Rectus_L")));
}

TEST_F(RegionNames, Fsl) {
  EXPECT_THAT(read("1 0.47059 0.07059 0.52549 7Networks_LH_Vis_1\n2 0.5 0 1 Frontal Pole 2\n"),
              ElementsAre(Pair(1, "7Networks_LH_Vis_1"), Pair(2, "Frontal Pole 2")));
}

TEST_F(RegionNames, Workbench) {
  EXPECT_THAT(read("LEFT HIPPOCAMPUS\n5 220 216 20 255\n12\n6 1 2 3 255\n"),
              ElementsAre(Pair(5, "LEFT HIPPOCAMPUS"), Pair(6, "12")));
}

TEST_F(RegionNames, BrokenTablesNameTheLine) {
  EXPECT_THAT(error("# nothing\n"), HasSubstr("empty"));
  EXPECT_THAT(error("1 a\n# x\n1 b\n"), AllOf(HasSubstr("line 3"), HasSubstr("twice"), HasSubstr("atlas.txt")));
  EXPECT_THAT(error("1 a\nb\n"), HasSubstr("line 2"));
  EXPECT_THAT(error("1 a\n-2 b\n"), HasSubstr("line 2"));
  EXPECT_THAT(error("index\tname\n1\ta\n2\n"), HasSubstr("line 3"));
  EXPECT_THAT(error("index\tname\n1\ta\n2\t\n"), AllOf(HasSubstr("line 3"), HasSubstr("no name")));
  EXPECT_THAT(error("index\tname\n1.5\ta\n"), HasSubstr("'index'"));
  EXPECT_THAT(error("index\tsize\n1\t5\n"), HasSubstr("'name'"));
}

}  // namespace
}  // namespace noema
