#include "noema/io/gifti.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "noema/core/base64.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/image_info.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Files are put together here without the writer under test.
template <class T>
std::string raw(std::vector<T> values, bool big_endian = false) {
  std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  if (!big_endian) return bytes;
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(T)) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + sizeof(T)));
  }
  return bytes;
}

std::string zlib_stream(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  out.resize(size);
  return out;
}

std::string base64(const std::string& bytes) { return to_base64(std::as_bytes(std::span(bytes))); }

struct ArrayText {
  std::string intent = "NIFTI_INTENT_POINTSET";
  std::string type = "NIFTI_TYPE_FLOAT32";
  std::string order = "RowMajorOrder";
  std::string dims = R"(Dimensionality="2" Dim0="3" Dim1="3")";
  std::string encoding = "ASCII";
  std::string endian = "LittleEndian";
  std::string data = "0 0 0\n1 0 0\n0 2 0";

  std::string str() const {
    return fmt::format(
        R"(<DataArray Intent="{}" DataType="{}" ArrayIndexingOrder="{}" {} Encoding="{}" Endian="{}" )"
        R"(ExternalFileName="" ExternalFileOffset="0"><MetaData><MD><Name><![CDATA[AnatomicalStructurePrimary]]></Name>)"
        R"(<Value><![CDATA[CortexRight]]></Value></MD></MetaData><Data>{}</Data></DataArray>)",
        intent, type, order, dims, encoding, endian, data);
  }
};

ArrayText triangle(const std::string& corners = "0 1 2") {
  return {"NIFTI_INTENT_TRIANGLE",
          "NIFTI_TYPE_INT32",
          "RowMajorOrder",
          R"(Dimensionality="2" Dim0="1" Dim1="3")",
          "ASCII",
          "LittleEndian",
          corners};
}

std::string file_text(const std::vector<ArrayText>& arrays, const std::string& table = "") {
  std::string text = R"(<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE GIFTI SYSTEM "http://www.nitrc.org/frs/download.php/115/gifti.dtd">
)" + fmt::format(R"(<GIFTI Version="1.0" NumberOfDataArrays="{}"><MetaData/>{})", arrays.size(), table);
  for (const ArrayText& array : arrays) text += array.str();
  return text + "</GIFTI>\n";
}

class GiftiTest : public ::testing::Test {
 protected:
  std::filesystem::path file(const std::string& text) {
    write_text(folder_ / "a.gii", text);
    return folder_ / "a.gii";
  }
  std::string fault(const std::vector<ArrayText>& arrays) {
    return error_of<FormatError>([&] { read_surface(file(file_text(arrays))); });
  }

  TemporaryFolder folder_;
};

TEST_F(GiftiTest, ReadsASurface) {
  const SurfaceMesh mesh = read_surface(file(file_text({ArrayText{}, triangle()})));
  EXPECT_EQ(mesh.vertices(), 3);
  EXPECT_EQ(mesh.points_mm(2, 1), 2);
  EXPECT_EQ(mesh.points_mm(1, 0), 1);
  EXPECT_EQ(mesh.triangles(0, 2), 2);
  EXPECT_EQ(mesh.structure, "CIFTI_STRUCTURE_CORTEX_RIGHT");
}

TEST_F(GiftiTest, AllEncodingsOrdersAndByteOrdersGiveTheSame) {
  const std::vector<float> rows{0, 1, 2, 3, 4, 5}, columns{0, 3, 1, 4, 2, 5};
  for (const bool column_major : {false, true}) {
    for (const bool big_endian : {false, true}) {
      for (const char* encoding : {"ASCII", "Base64Binary", "GZipBase64Binary"}) {
        ArrayText array;
        array.intent = "NIFTI_INTENT_VECTOR";
        array.dims = R"(Dimensionality="2" Dim0="2" Dim1="3")";
        array.order = column_major ? "ColumnMajorOrder" : "RowMajorOrder";
        array.endian = big_endian ? "BigEndian" : "LittleEndian";
        array.encoding = encoding;
        const std::vector<float>& values = column_major ? columns : rows;
        const std::string bytes = raw(values, big_endian);
        array.data = array.encoding == "ASCII"          ? fmt::format("{}", fmt::join(values, " "))
                     : array.encoding == "Base64Binary" ? base64(bytes)
                                                        : base64(zlib_stream(bytes));
        const Gifti gifti = read_gifti(file(file_text({array})));
        EXPECT_THAT(gifti.arrays.at(0).values, ElementsAre(0, 1, 2, 3, 4, 5)) << encoding << column_major << big_endian;
        EXPECT_THAT(gifti.arrays[0].shape, ElementsAre(2, 3));
      }
    }
  }
}

TEST_F(GiftiTest, ReadsFunctionalFilesOneArrayAPoint) {
  ArrayText first{"NIFTI_INTENT_TIME_SERIES",
                  "NIFTI_TYPE_FLOAT32",
                  "RowMajorOrder",
                  R"(Dimensionality="1" Dim0="4")",
                  "ASCII",
                  "LittleEndian",
                  "1 2 3 4"};
  ArrayText second = first;
  second.dims = R"(Dimensionality="2" Dim0="4" Dim1="1")";
  second.data = "5 6 7 8.5";
  const MatrixF values = read_vertex_values(file(file_text({first, second})));
  ASSERT_EQ(values.rows(), 2);
  ASSERT_EQ(values.cols(), 4);
  EXPECT_EQ(values(1, 3), 8.5F);
  EXPECT_EQ(values(0, 2), 3);
}

TEST_F(GiftiTest, ReadsLabels) {
  const ArrayText keys{"NIFTI_INTENT_LABEL",
                       "NIFTI_TYPE_INT32",
                       "RowMajorOrder",
                       R"(Dimensionality="1" Dim0="3")",
                       "Base64Binary",
                       "BigEndian",
                       base64(raw(std::vector<std::int32_t>{16777217, 0, -5}, true))};
  const std::string table =
      R"(<LabelTable><Label Key="16777217" Red="1" Green="0.5" Blue="0" Alpha="1"><![CDATA[V1]]></Label>)"
      R"(<Label Key="0">???</Label></LabelTable>)";
  const Gifti gifti = read_gifti(file(file_text({keys}, table)));
  EXPECT_THAT(gifti.arrays[0].values, ElementsAre(16777217, 0, -5));
  ASSERT_EQ(gifti.labels.size(), 2U);
  EXPECT_EQ(gifti.labels[1].name, "V1");
  EXPECT_EQ(gifti.labels[1].rgba[1], 0.5F);
  EXPECT_EQ(to_json(gifti)["labels"]["16777217"], "V1");
}

TEST_F(GiftiTest, WhatIsWrittenComesBack) {
  Gifti gifti;
  gifti.labels = {{0, "???", {0, 0, 0, 0}}, {2, "a <b> & c", {1, 0.25F, 0, 1}}};
  gifti.metadata["Name"] = "test";
  GiftiArray points;
  points.intent = static_cast<int>(GiftiIntent::pointset);
  points.shape = {400, 3};
  for (int i = 0; i < 1200; ++i) points.values.push_back(static_cast<double>(static_cast<float>(std::sin(i) * 100)));
  GiftiArray keys;
  keys.intent = static_cast<int>(GiftiIntent::label);
  keys.type = "int32";
  keys.shape = {3};
  keys.values = {0, 2, -7};
  gifti.arrays = {points, keys};
  for (const auto encoding : {GiftiEncoding::ascii, GiftiEncoding::base64, GiftiEncoding::gzip}) {
    write_gifti(folder_ / "b.gii", gifti, encoding);
    const Gifti back = read_gifti(folder_ / "b.gii");
    ASSERT_EQ(back.arrays.size(), 2U);
    EXPECT_EQ(back.arrays[0].values, points.values);
    EXPECT_EQ(back.arrays[0].shape, points.shape);
    EXPECT_EQ(back.arrays[1].values, keys.values);
    EXPECT_EQ(back.arrays[1].intent, 1002);
    EXPECT_EQ(back.labels.at(1).name, "a <b> & c");
    EXPECT_EQ(back.metadata.at("Name"), "test");
  }
  gifti.arrays[1].values[0] = 0.5;
  EXPECT_THAT(error_of<DataError>([&] { write_gifti(folder_ / "b.gii", gifti); }), HasSubstr("0.5"));
}

TEST_F(GiftiTest, MeshAndValuesComeBack) {
  SurfaceMesh mesh;
  mesh.points_mm.resize(4, 3);
  mesh.points_mm << 0, 0, 0, 10, 0, 0, 0, 20, 0, 0, 0, 30.5;
  mesh.triangles.resize(2, 3);
  mesh.triangles << 0, 1, 2, 0, 3, 1;
  mesh.structure = "CIFTI_STRUCTURE_CORTEX_LEFT";
  write_surface(folder_ / "L.surf.gii", mesh);
  const SurfaceMesh back = read_surface(folder_ / "L.surf.gii");
  EXPECT_EQ(back.points_mm, mesh.points_mm);
  EXPECT_EQ(back.triangles, mesh.triangles);
  EXPECT_EQ(back.structure, mesh.structure);
  MatrixF values(2, 4);
  values << 1, 2, 3, 4, 5, 6, 7, 8;
  write_vertex_values(folder_ / "L.func.gii", values, mesh.structure);
  EXPECT_EQ(read_vertex_values(folder_ / "L.func.gii"), values);
}

TEST_F(GiftiTest, RefusesDamage) {
  const std::string whole = file_text({ArrayText{}, triangle()});
  EXPECT_THAT(error_of<FormatError>([&] { read_gifti(file(whole.substr(0, whole.size() / 2))); }),
              AllOf(HasSubstr("a.gii"), HasSubstr("XML"), HasSubstr("damaged")));
  EXPECT_THAT(error_of<FormatError>([&] { read_gifti(file("not xml")); }), HasSubstr("XML"));
  ArrayText array;
  array.data = "0 0 0 1 0 0 0 2";
  EXPECT_THAT(fault({array, triangle()}), HasSubstr("found 8 numbers, expected 9"));
  array = {};
  array.encoding = "Base64Binary";
  array.data = base64(raw(std::vector<float>(8)));
  EXPECT_THAT(fault({array, triangle()}), HasSubstr("found 32 bytes, expected 36"));
  array.data = "!!!!";
  EXPECT_THAT(fault({array, triangle()}), HasSubstr("base64"));
  array.encoding = "GZipBase64Binary";
  for (const std::size_t values : {8U, 10U}) {
    array.data = base64(zlib_stream(raw(std::vector<float>(values))));
    EXPECT_THAT(fault({array, triangle()}), HasSubstr("do not inflate to 9 values"));
  }
  array.dims = R"(Dimensionality="2" Dim0="100000000" Dim1="3")";  // a bomb is refused before memory is asked for
  EXPECT_THAT(fault({array, triangle()}), HasSubstr("do not inflate"));
  array = {};
  array.dims = R"(Dimensionality="2" Dim0="1000000000" Dim1="1000000000")";
  EXPECT_THAT(fault({array, triangle()}), HasSubstr("multiply"));
  array = {};
  array.encoding = "ExternalFileBinary";
  EXPECT_THAT(fault({array, triangle()}), HasSubstr("another file"));
}

TEST_F(GiftiTest, RefusesWhatIsNoMesh) {
  EXPECT_THAT(fault({ArrayText{}, triangle("0 1 3")}), HasSubstr("vertex 3"));
  EXPECT_THAT(fault({ArrayText{}, triangle("0 1 -1")}), HasSubstr("vertex -1"));
  EXPECT_THAT(fault({ArrayText{}}), HasSubstr("no array of triangles"));
  EXPECT_THAT(fault({ArrayText{}, ArrayText{}, triangle()}), HasSubstr("several arrays of points"));
  EXPECT_THAT(error_of<FormatError>([&] {
                read_vertex_values(file(file_text({ArrayText{}, triangle()})));
              }),
              HasSubstr("found a mesh"));
}

}  // namespace
}  // namespace noema
