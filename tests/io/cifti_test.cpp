#include "noema/io/cifti.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cifti_bytes.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/cifti_parcels.h"
#include "noema/io/image_info.h"
#include "noema/io/image_reader.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CiftiTest : public ::testing::Test {
 protected:
  std::filesystem::path file(const CiftiParts& parts, const std::string& name = "a.dtseries.nii") {
    write_text(folder_ / name, cifti_bytes(parts));
    return folder_ / name;
  }
  std::string fault(const CiftiParts& parts) {
    return error_of<FormatError>([&] { read_cifti(file(parts)); });
  }
  /// The fault of the small dtseries with one piece of its XML exchanged.
  std::string fault_with(const std::string& piece, const std::string& instead) {
    CiftiParts parts = small_dtseries();
    const std::size_t at = parts.xml.find(piece);
    EXPECT_NE(at, std::string::npos) << piece;
    parts.xml.replace(at, piece.size(), instead);
    return fault(parts);
  }

  TemporaryFolder folder_;
};

TEST_F(CiftiTest, ReadsSeriesOfEitherByteOrder) {
  for (const bool big_endian : {false, true}) {
    CiftiParts parts = small_dtseries();
    parts.big_endian = big_endian;
    const WarningCollector warnings;
    const Series series = read_cifti_series(file(parts));
    EXPECT_TRUE(warnings.entries().empty());
    EXPECT_DOUBLE_EQ(series.tr_s, 0.72);
    ASSERT_EQ(series.values.rows(), 4);
    ASSERT_EQ(series.values.cols(), 5);
    for (int t = 0; t < 4; ++t) {
      for (int g = 0; g < 5; ++g) EXPECT_EQ(series.values(t, g), static_cast<float>(10 * g + t));
    }
    EXPECT_THAT(series.keep, ElementsAre(1, 1, 1, 1));
    const BrainModels& models = *series.features->mask.grid.grayordinates;
    ASSERT_EQ(models.models.size(), 2U);
    EXPECT_EQ(models.models[0].structure, "CIFTI_STRUCTURE_CORTEX_LEFT");
    EXPECT_EQ(models.models[0].surface_vertices, 5);
    EXPECT_THAT(models.models[0].vertices, ElementsAre(0, 2, 4));
    EXPECT_THAT(models.models[1].voxels, ElementsAre(std::array{1, 2, 3}, std::array{3, 4, 5}));
    EXPECT_EQ(models.volume_shape, (std::array<std::int64_t, 3>{4, 5, 6}));
    EXPECT_EQ(models.ras_from_voxel(0, 0), -2);
    EXPECT_EQ(models.ras_from_voxel(1, 3), -126);
  }
}

TEST_F(CiftiTest, ReadsLabelsOfAMap) {
  const CiftiParts parts{cifti_xml(kLabelsMap + kModelsMap), 1, 5, 3007, {0, 3, 7, 7, 3}};
  const Cifti cifti = read_cifti(file(parts, "a.dlabel.nii"));
  EXPECT_EQ(cifti.header.kind, CiftiKind::dlabel);
  ASSERT_EQ(cifti.header.maps.size(), 1U);
  EXPECT_EQ(cifti.header.maps[0].name, "regions");
  ASSERT_EQ(cifti.header.maps[0].labels.size(), 3U);
  EXPECT_EQ(cifti.header.maps[0].labels[1].name, "A");
  EXPECT_EQ(cifti.header.maps[0].labels[2].key, 7);
  EXPECT_EQ(cifti.header.maps[0].labels[2].name, "B & C");
  EXPECT_EQ(cifti.header.maps[0].labels[1].rgba, (std::array<float, 4>{1, 0, 0.5F, 1}));
  EXPECT_EQ(cifti.values(0, 2), 7);
}

TEST_F(CiftiTest, ReadsParcels) {
  const CiftiParts parts{cifti_xml(kSeriesMap + kParcelsMap), 4, 2, 3004, {0, 1, 2, 3, 10, 11, 12, 13}};
  const Series series = read_cifti_series(file(parts, "a.ptseries.nii"));
  EXPECT_EQ(series.features->kind, FeatureKind::parcels);
  EXPECT_THAT(series.features->names, ElementsAre("late", "mixed"));
  EXPECT_EQ(series.values(2, 1), 12);
  // Places: vertices 1, 2, 4 of the cortex, then the voxel.
  EXPECT_THAT(series.features->parcel_of_voxel, ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(series.features->mask.grid.grayordinates->models[0].vertices, ElementsAre(1, 2, 4));
  check_features(*series.features);
}

TEST_F(CiftiTest, ParcelsAreAnImageOfTheirGrayordinates) {
  const CiftiParts parts{cifti_xml(kSeriesMap + kParcelsMap), 4, 2, 3004, {0, 1, 2, 3, 10, 11, 12, 13}};
  const Image image = read_image(file(parts, "a.ptseries.nii"));
  EXPECT_EQ(image.header.volumes, 4);
  EXPECT_DOUBLE_EQ(image.header.tr_s, 0.72);
  EXPECT_THAT(image.header.grid.grayordinates->models[0].vertices, ElementsAre(1, 2, 4));
  EXPECT_THAT(std::vector(image.volume(0).begin(), image.volume(0).end()), ElementsAre(0, 10, 0, 10));
  EXPECT_THAT(std::vector(image.volume(3).begin(), image.volume(3).end()), ElementsAre(3, 13, 3, 13));
}

TEST_F(CiftiTest, OneValueForEachParcel) {
  const CiftiParts parts{cifti_xml(kSeriesMap + kParcelsMap), 4, 2, 3004, {0, 1, 2, 3, 10, 11, 12, 13}};
  FeatureSpace features = parcel_features(read_cifti_header(file(parts, "a.ptseries.nii")));
  EXPECT_TRUE(are_whole_parcels(features));
  write_cifti(folder_ / "b.pscalar.nii", cifti_of_parcels(features, std::vector<float>{5, -7}, "weights"));
  const Cifti back = read_cifti(folder_ / "b.pscalar.nii");
  EXPECT_EQ(back.header.kind, CiftiKind::pscalar);
  EXPECT_EQ(back.header.maps.at(0).name, "weights");
  EXPECT_EQ(back.header.parcels.at(1).name, "mixed");
  EXPECT_EQ(back.header.parcels.at(1).grayordinates, (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(back.values(0, 0), 5);
  EXPECT_EQ(back.values(0, 1), -7);
  EXPECT_THROW(cifti_of_parcels(features, std::vector<float>{5}, ""), ShapeError);
  const std::string hash = features.atlas_hash;
  EXPECT_NE(hash, "");
  features.parcel_of_voxel[0] = -1;
  EXPECT_FALSE(are_whole_parcels(features));
  EXPECT_THROW(cifti_of_parcels(features, std::vector<float>{5, -7}, ""), ShapeError);
  EXPECT_THROW(parcel_features(read_cifti_header(file(small_dtseries()))), ShapeError);
}

TEST_F(CiftiTest, WrittenSeriesComesBack) {
  for (const bool parcels : {false, true}) {
    const CiftiParts dense = small_dtseries();
    const CiftiParts parts =
        parcels ? CiftiParts{cifti_xml(kSeriesMap + kParcelsMap), 4, 2, 3004, {0, 1, 2, 3, 10, 11, 12, 13}} : dense;
    const std::string name = parcels ? "b.ptseries.nii" : "b.dtseries.nii";
    const Series series = read_cifti_series(file(parts, parcels ? "a.ptseries.nii" : "a.dtseries.nii"));
    write_cifti(folder_ / name, cifti_of_series(series));
    const WarningCollector warnings;
    const Series back = read_cifti_series(folder_ / name);
    EXPECT_TRUE(warnings.entries().empty());
    EXPECT_EQ(back.values, series.values);
    EXPECT_DOUBLE_EQ(back.tr_s, 0.72);
    EXPECT_EQ(back.features->names, series.features->names);
    EXPECT_EQ(back.features->parcel_of_voxel, series.features->parcel_of_voxel);
    EXPECT_TRUE(same_grid(back.features->mask.grid, series.features->mask.grid));
  }
}

TEST_F(CiftiTest, WrittenLabelsComeBackAsIntegers) {
  const CiftiParts parts{cifti_xml(kLabelsMap + kModelsMap), 1, 5, 3007, {0, 3, 7, 7, 3}};
  Cifti cifti = read_cifti(file(parts, "a.dlabel.nii"));
  write_cifti(folder_ / "b.dlabel.nii", cifti);
  const Cifti back = read_cifti(folder_ / "b.dlabel.nii");
  EXPECT_EQ(back.header.storage.type, NiftiType::int32);
  EXPECT_EQ(back.values, cifti.values);
  EXPECT_EQ(back.header.maps[0].labels[2].name, "B & C");
  EXPECT_EQ(back.header.maps[0].labels[1].rgba, cifti.header.maps[0].labels[1].rgba);
  cifti.values(0, 1) = 4;
  EXPECT_THAT(error_of<DataError>([&] { write_cifti(folder_ / "c.dlabel.nii", cifti); }),
              AllOf(HasSubstr("grayordinate 1"), HasSubstr("is 4")));
}

TEST_F(CiftiTest, ManyPlacesAndPointsKeepTheirOrder) {
  auto models = std::make_shared<BrainModels>();
  BrainModel cortex{"CIFTI_STRUCTURE_CORTEX_RIGHT", 1000, {}, {}};
  for (int v = 0; v < 333; ++v) cortex.vertices.push_back(999 - 3 * v);
  models->models.push_back(cortex);
  Cifti cifti;
  cifti.header.kind = CiftiKind::dtseries;
  cifti.header.brain_models = models;
  cifti.header.points = 37;
  cifti.header.series.step = 2.5;
  cifti.values.resize(37, 333);
  for (int t = 0; t < 37; ++t) {
    for (int g = 0; g < 333; ++g) cifti.values(t, g) = static_cast<float>(1000 * t + g);
  }
  write_cifti(folder_ / "m.dtseries.nii", cifti);
  const std::string bytes = read_text(folder_ / "m.dtseries.nii");
  float second = 0, of_next_place = 0;  // the points of a place lie side by side
  const std::size_t begin = bytes.size() - 4 * 37 * 333;
  std::memcpy(&second, bytes.data() + begin + 4, 4);
  std::memcpy(&of_next_place, bytes.data() + begin + 4 * 37, 4);
  EXPECT_EQ(second, 1000);
  EXPECT_EQ(of_next_place, 1);
  const Cifti back = read_cifti(folder_ / "m.dtseries.nii");
  EXPECT_EQ(back.values, cifti.values);
  EXPECT_EQ(back.header.brain_models->models[0].vertices, cortex.vertices);
  EXPECT_DOUBLE_EQ(back.header.series.tr_s(), 2.5);
}

TEST_F(CiftiTest, IsAnImageOfGrayordinates) {
  const auto path = file(small_dtseries());
  ImageReader reader(path);
  EXPECT_EQ(reader.header().volumes, 4);
  EXPECT_DOUBLE_EQ(reader.header().tr_s, 0.72);
  EXPECT_EQ(reader.header().grid.voxel_count(), 5);
  std::vector<float> values(5);
  reader.seek(2);
  reader.read_volume(values);
  EXPECT_THAT(values, ElementsAre(2, 12, 22, 32, 42));
  Image image = read_image(path);
  write_image(folder_ / "map.dscalar.nii", image);
  const Image back = read_image(folder_ / "map.dscalar.nii");
  EXPECT_EQ(back.values, image.values);
  EXPECT_TRUE(same_grid(back.header.grid, image.header.grid));
  EXPECT_THAT(describe(image.header.grid), AllOf(HasSubstr("5 grayordinates"), HasSubstr("CORTEX_LEFT 3 of 5")));
}

TEST_F(CiftiTest, InfoNamesKindStructuresAndLabels) {
  const auto series = to_json(read_cifti_header(file(small_dtseries())));
  EXPECT_EQ(series["kind"], "dtseries");
  EXPECT_EQ(series["shape"], nlohmann::json::array({4, 5}));
  EXPECT_DOUBLE_EQ(series["tr_s"].get<double>(), 0.72);
  EXPECT_EQ(series["structures"][1]["structure"], "CIFTI_STRUCTURE_THALAMUS_LEFT");
  EXPECT_EQ(series["structures"][0]["surface_vertices"], 5);
  const CiftiParts labels{cifti_xml(kLabelsMap + kModelsMap), 1, 5, 3007, {0, 3, 7, 7, 3}};
  const auto info = to_json(read_cifti_header(file(labels, "a.dlabel.nii")));
  EXPECT_EQ(info["maps"][0]["labels"]["7"], "B & C");
}

TEST_F(CiftiTest, RefusesBrokenXml) {
  CiftiParts parts = small_dtseries();
  parts.xml.resize(parts.xml.size() / 2);
  EXPECT_THAT(fault(parts), AllOf(HasSubstr("a.dtseries.nii"), HasSubstr("XML"), HasSubstr("damaged")));
  EXPECT_THAT(fault_with("<CIFTI Version=\"2\"", "<CIFTI Version=\"1\""), HasSubstr("expected 2"));
  EXPECT_THAT(fault_with("SeriesUnit=\"SECOND\"", "SeriesUnit=\"HOUR\""), HasSubstr("HOUR"));
  EXPECT_THAT(fault_with("SeriesStep=\"720\"", "SeriesStep=\"0\""), HasSubstr("SeriesStep"));
  EXPECT_THAT(fault_with("SeriesExponent=\"-3\" ", ""), HasSubstr("no attribute SeriesExponent"));
  EXPECT_THAT(fault_with("NumberOfSeriesPoints=\"4\"", "NumberOfSeriesPoints=\"5\""), HasSubstr("lists 5 points"));
  EXPECT_THAT(fault_with("0 2 4", "0 2 x"), HasSubstr("found 'x'"));
  EXPECT_THAT(fault_with("MeterExponent=\"-3\"", "MeterExponent=\"mm\""), HasSubstr("MeterExponent"));
}

TEST_F(CiftiTest, RefusesModelsThatDoNotCoverTheValues) {
  EXPECT_THAT(fault_with("IndexOffset=\"3\"", "IndexOffset=\"4\""), HasSubstr("expected 3"));
  EXPECT_THAT(fault_with("IndexOffset=\"3\"", "IndexOffset=\"2\""), HasSubstr("do not cover each value once"));
  EXPECT_THAT(fault_with(kThalamusModel, ""), HasSubstr("lists 3 grayordinates"));
  EXPECT_THAT(fault_with("IndexCount=\"3\"", "IndexCount=\"4\""), HasSubstr("IndexCount"));
  EXPECT_THAT(fault_with("0 2 4", "0 2 5"), HasSubstr("vertex 5"));
  EXPECT_THAT(fault_with("0 2 4", "0 2 2"), HasSubstr("occurs twice"));
  EXPECT_THAT(fault_with("3 4 5", "3 5 5"), HasSubstr("outside the volume"));
  EXPECT_THAT(fault_with(kVolume, ""), HasSubstr("'Volume'"));
}

TEST_F(CiftiTest, RefusesFilesThatAreNotCifti) {
  CiftiParts parts = small_dtseries();
  parts.extension = 6;
  EXPECT_THAT(fault(parts), HasSubstr("code 32"));
  parts = small_dtseries();
  parts.intent = 0;
  EXPECT_THAT(fault(parts), HasSubstr("intent code 0"));
  parts = small_dtseries();
  parts.values.pop_back();
  EXPECT_THAT(fault(parts), HasSubstr("not copied whole"));
  parts = small_dtseries();
  parts.places = 6;
  EXPECT_THAT(fault(parts), HasSubstr("lists 5 grayordinates"));
}

TEST_F(CiftiTest, NameAndIntentOfAnotherKindAreWarnedAbout) {
  CiftiParts parts = small_dtseries();
  parts.intent = 3006;
  const WarningCollector warnings;
  read_cifti(file(parts, "a.dscalar.nii"));
  ASSERT_EQ(warnings.entries().size(), 2U);
  EXPECT_THAT(error_of<UsageError>([&] { write_cifti(folder_ / "a.nii", read_cifti(file(parts))); }),
              HasSubstr(".dtseries.nii"));
  const CiftiParts labels{cifti_xml(kLabelsMap + kModelsMap), 1, 5, 3007, {0, 3, 7, 7, 3}};
  EXPECT_THAT(error_of<DataError>([&] { read_cifti_series(file(labels, "a.dlabel.nii")); }), HasSubstr("dlabel"));
}

TEST(BrainModelsTest, FindsTheSamePlacesByVertexAndPosition) {
  BrainModels from, to;
  from.models = {{"CIFTI_STRUCTURE_CORTEX_LEFT", 5, {0, 1, 2, 3, 4}, {}},
                 {"CIFTI_STRUCTURE_THALAMUS_LEFT", 0, {}, {{0, 0, 0}, {1, 0, 0}}}};
  from.volume_shape = {2, 1, 1};
  from.ras_from_voxel(0, 0) = -2;
  to.models = {{"CIFTI_STRUCTURE_PUTAMEN_LEFT", 0, {}, {{1, 0, 0}, {2, 0, 0}}},
               {"CIFTI_STRUCTURE_CORTEX_LEFT", 5, {4, 1}, {}},
               {"CIFTI_STRUCTURE_CORTEX_RIGHT", 5, {2}, {}}};
  to.volume_shape = {3, 1, 1};
  to.ras_from_voxel(0, 0) = 2;
  to.ras_from_voxel(0, 3) = -4;  // voxels 1 and 2 are at x = -2 and 0
  EXPECT_THAT(places_in(from, to), ElementsAre(6, 5, 4, 1, -1));
  to.models[1].surface_vertices = 6;
  EXPECT_THAT(error_of<ShapeError>([&] { places_in(from, to); }),
              AllOf(HasSubstr("CORTEX_LEFT"), HasSubstr("5"), HasSubstr("6"), HasSubstr("same mesh")));
}

}  // namespace
}  // namespace noema
