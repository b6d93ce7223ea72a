#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "nifti_bytes.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/nifti.h"
#include "noema/io/orientation.h"
#include "noema/tests/support/test_data.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The warnings that `work` gives, joined.
template <class Work>
std::string warnings_of(Work&& work) {
  WarningCollector collector;
  work();
  std::string text;
  for (const auto& entry : collector.entries()) text += entry.message + "\n";
  return text;
}

Image read_bytes(const TemporaryFolder& folder, std::string_view bytes, std::string_view name = "image.nii") {
  write_text(folder / name, bytes);
  return read_image(folder / name);
}

// A 3×2×2×2 image of int16 values 100, 101, … in file order.
NiftiBytes small_image(int version = 1, bool big_endian = false) {
  NiftiBytes bytes(version, big_endian);
  bytes.shape({3, 2, 2, 2}).pixdim({1, 2, 3, 4, 0.72}).type(4, 16);
  bytes.sform({{{2, 0, 0, -10}, {0, 3, 0, -20}, {0, 0, 4, -30}}}, 1);
  for (int i = 0; i < 24; ++i) bytes.add(static_cast<std::int16_t>(100 + i));
  return bytes;
}

std::vector<float> counting(float first, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = first + static_cast<float>(i);
  return values;
}

TEST(NiftiRead, HeaderAndValuesOfBothVersionsAndByteOrders) {
  const TemporaryFolder folder;
  for (const int version : {1, 2}) {
    for (const bool big_endian : {false, true}) {
      SCOPED_TRACE(fmt::format("version {}, big endian {}", version, big_endian));
      const Image image = read_bytes(folder, small_image(version, big_endian).str());
      EXPECT_THAT(image.header.grid.shape, ElementsAre(3, 2, 2));
      EXPECT_EQ(image.header.volumes, 2);
      EXPECT_DOUBLE_EQ(image.header.tr_s, 0.72);
      EXPECT_EQ(image.header.disk_datatype, 4);
      EXPECT_EQ(image.header.sform_code, 1);
      EXPECT_EQ(image.header.qform_code, 0);
      EXPECT_EQ(image.values, counting(100, 24));
      Eigen::Matrix4d affine;
      affine << 2, 0, 0, -10, 0, 3, 0, -20, 0, 0, 4, -30, 0, 0, 0, 1;
      EXPECT_EQ(image.header.grid.ras_from_voxel, affine);
      const NiftiReader reader(folder / "image.nii");
      EXPECT_EQ(reader.facts().version, version);
      EXPECT_EQ(reader.facts().big_endian, big_endian);
      EXPECT_EQ(reader.facts().type, NiftiType::int16);
      EXPECT_EQ(reader.facts().data_offset, version == 1 ? 352 : 544);
      EXPECT_EQ(reader.facts().affine_source, "sform");
      EXPECT_TRUE(reader.facts().single_file);
      EXPECT_FALSE(reader.facts().gzip);
    }
  }
}

template <class T>
void expect_type(int code, const std::vector<T>& values) {
  const TemporaryFolder folder;
  for (const bool big_endian : {false, true}) {
    SCOPED_TRACE(fmt::format("type {}, big endian {}", code, big_endian));
    NiftiBytes bytes(1, big_endian);
    bytes.shape({static_cast<std::int64_t>(values.size())}).type(code, 8 * sizeof(T)).add_all(values);
    write_text(folder / "a.nii", bytes.str());
    NiftiReader reader(folder / "a.nii");
    EXPECT_EQ(static_cast<int>(reader.facts().type), code);
    std::vector<double> as_double(values.size());
    std::vector<float> as_float(values.size());
    reader.read_volume(as_double);
    reader.rewind();
    reader.read_volume(as_float);
    // And with a scaling, which takes another way.
    write_text(folder / "b.nii", bytes.scaling(-0.5, 3).str());
    NiftiReader scaled(folder / "b.nii");
    std::vector<double> as_scaled(values.size());
    scaled.read_volume(as_scaled);
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(as_double[i], static_cast<double>(values[i]));
      EXPECT_EQ(as_float[i], static_cast<float>(values[i]));
      EXPECT_EQ(as_scaled[i], -0.5 * static_cast<double>(values[i]) + 3);
    }
  }
}

template <class T>
std::vector<T> limits() {
  return {
      std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max(), T{0}, T{1}, static_cast<T>(-1), T{77}, T{100}};
}

TEST(NiftiRead, EveryNumberTypeToItsLimits) {
  expect_type<std::uint8_t>(2, limits<std::uint8_t>());
  expect_type<std::int16_t>(4, limits<std::int16_t>());
  expect_type<std::int32_t>(8, limits<std::int32_t>());
  expect_type<float>(16, {-1.5F, 3.25e-20F, 3e38F, 0.1F});
  expect_type<double>(64, {-1.5, 3.25e-30, 3e38, 0.1});
  expect_type<std::int8_t>(256, limits<std::int8_t>());
  expect_type<std::uint16_t>(512, limits<std::uint16_t>());
  expect_type<std::uint32_t>(768, limits<std::uint32_t>());
  expect_type<std::int64_t>(1024, limits<std::int64_t>());
  expect_type<std::uint64_t>(1280, limits<std::uint64_t>());
}

TEST(NiftiRead, SpecialNumbersPass) {
  const TemporaryFolder folder;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  NiftiBytes bytes;
  bytes.shape({4}).type(64, 64).add_all<double>({std::nan(""), kInfinity, -kInfinity, 1e300});
  const Image image = read_bytes(folder, bytes.str());
  EXPECT_TRUE(std::isnan(image.values[0]));
  EXPECT_EQ(image.values[1], std::numeric_limits<float>::infinity());
  EXPECT_EQ(image.values[2], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(image.values[3], std::numeric_limits<float>::infinity());
}

TEST(NiftiRead, Gzip) {
  const TemporaryFolder folder;
  const std::string bytes = small_image().str();
  std::string members;
  for (std::size_t i = 0; i < bytes.size(); i += 57) members += gzip(bytes.substr(i, 57));
  for (const std::string& file : {gzip(bytes), gzip(bytes, 0), members}) {
    EXPECT_THAT(warnings_of([&] { EXPECT_EQ(read_bytes(folder, file, "a.nii.gz").values, counting(100, 24)); }),
                IsEmpty());
    EXPECT_TRUE(NiftiReader(folder / "a.nii.gz").facts().gzip);
  }
  EXPECT_THAT(warnings_of([&] { EXPECT_EQ(read_bytes(folder, gzip(bytes), "a.nii").values, counting(100, 24)); }),
              HasSubstr("its name says otherwise"));
  EXPECT_THAT(warnings_of([&] { EXPECT_EQ(read_bytes(folder, bytes, "b.nii.gz").values, counting(100, 24)); }),
              HasSubstr("its name says otherwise"));
  EXPECT_THAT(warnings_of([&] { read_bytes(folder, gzip(bytes) + "rubbish", "c.nii.gz"); }), HasSubstr("7 bytes"));
  EXPECT_THAT(warnings_of([&] { read_bytes(folder, gzip(bytes + "more"), "d.nii.gz"); }), HasSubstr("4 bytes"));
}

// Many members of random sizes whose borders meet those of the reader's buffers in every way.
TEST(NiftiRead, LongStreamOfManyMembers) {
  const TemporaryFolder folder;
  NiftiBytes header;
  header.shape({500, 1000, 3}).type(8, 32);
  std::string bytes = header.str();
  std::uint32_t state = 1;
  std::vector<float> expected;
  for (int i = 0; i < 1'500'000; ++i) {
    state = state * 1664525 + 1013904223;
    const std::int32_t value = static_cast<std::int32_t>(state >> 8 & 0xffff);
    bytes.append(reinterpret_cast<const char*>(&value), 4);
    expected.push_back(static_cast<float>(value));
  }
  std::string members;
  for (std::size_t i = 0; i < bytes.size();) {
    state = state * 1664525 + 1013904223;
    const std::size_t size = 1 + (state >> 8) % 40'000;
    members += gzip(std::string_view(bytes).substr(i, size), 1);
    i += size;
  }
  EXPECT_EQ(read_bytes(folder, members, "a.nii.gz").values, expected);
  EXPECT_EQ(read_bytes(folder, gzip(bytes, 1), "b.nii.gz").values, expected);
}

TEST(NiftiRead, VolumesInAnyOrder) {
  const TemporaryFolder folder;
  for (const bool compressed : {false, true}) {
    const std::string bytes = small_image().str();
    write_text(folder / "a.nii", compressed ? gzip(bytes) : bytes);
    NiftiReader reader(folder / "a.nii");
    std::vector<float> values(12);
    reader.skip();
    reader.read_volume(values);
    EXPECT_EQ(values, counting(112, 12));
    EXPECT_EQ(reader.next_volume(), 2);
    EXPECT_THAT(error_of<UsageError>([&] { reader.read_volume(values); }), HasSubstr("there are 2"));
    reader.rewind();
    reader.read_volume(values);
    EXPECT_EQ(values, counting(100, 12));
    reader.seek(1);
    reader.read_volume(values);
    EXPECT_EQ(values, counting(112, 12));
    EXPECT_THROW(reader.seek(3), UsageError);
    EXPECT_THROW(reader.seek(-1), UsageError);
    reader.rewind();
    std::vector<float> wrong(11);
    EXPECT_THROW(reader.read_volume(wrong), ShapeError);
    EXPECT_EQ(reader.next_volume(), 0);
  }
}

TEST(NiftiRead, PairOpenedByEitherName) {
  const TemporaryFolder folder;
  const std::string single = small_image().str();
  std::string header = NiftiBytes(small_image()).text(344, std::string_view("ni1\0", 4)).set_offset(16).str();
  header.resize(352);
  const std::string data = std::string(16, 'x') + single.substr(352);
  write_text(folder / "a.hdr", header);
  write_text(folder / "a.img", data);
  write_text(folder / "b.hdr.gz", gzip(header));
  write_text(folder / "b.img.gz", gzip(data));
  write_text(folder / "c.hdr", header.substr(0, 348));
  write_text(folder / "c.img.gz", gzip(data));
  for (const char* name : {"a.hdr", "a.img", "b.hdr.gz", "b.img.gz", "c.hdr", "c.img.gz"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(read_image(folder / name).values, counting(100, 24));
    EXPECT_FALSE(NiftiReader(folder / name).facts().single_file);
    EXPECT_EQ(read_header(folder / name).path, folder / name);
  }
  write_text(folder / "d.nii", header);
  EXPECT_THAT(error_of<FormatError>([&] { read_header(folder / "d.nii"); }), HasSubstr("header of a pair"));
  write_text(folder / "e.hdr", header);
  EXPECT_THAT(error_of<IoError>([&] { read_header(folder / "e.hdr"); }), HasSubstr("e.img"));
}

TEST(NiftiRead, Shapes) {
  const TemporaryFolder folder;
  const auto shape_of = [&](const std::vector<std::int64_t>& lengths) {
    NiftiBytes bytes;
    bytes.shape(lengths).add_all(counting(0, 24));
    write_text(folder / "a.nii", bytes.str());
    const ImageHeader header = read_header(folder / "a.nii");
    return std::vector<std::int64_t>{header.grid.shape[0], header.grid.shape[1], header.grid.shape[2], header.volumes};
  };
  EXPECT_THAT(shape_of({24}), ElementsAre(24, 1, 1, 1));
  EXPECT_THAT(shape_of({6, 4}), ElementsAre(6, 4, 1, 1));
  EXPECT_THAT(shape_of({2, 3, 4}), ElementsAre(2, 3, 4, 1));
  EXPECT_THAT(shape_of({2, 3, 1, 4}), ElementsAre(2, 3, 1, 4));
  EXPECT_THAT(shape_of({2, 3, 2, 1, 2}), ElementsAre(2, 3, 2, 2));
  EXPECT_THAT(shape_of({2, 3, 2, 2, 1, 1, 1}), ElementsAre(2, 3, 2, 2));
  EXPECT_THAT(error_of<FormatError>([&] { shape_of({2, 3, 1, 2, 2}); }), HasSubstr("longer than 1 (2 × 2)"));
}

// Signs and order of the axes of all 48 orientations: the value of each voxel tells its place in the world.
TEST(NiftiRead, AllOrientationsBecomeCanonical) {
  const TemporaryFolder folder;
  const std::array<std::int64_t, 3> lengths{2, 3, 4};  // along x, y, z of the world
  std::array<int, 3> world_of{0, 1, 2};                // world axis of each file axis
  do {
    for (int signs = 0; signs < 8; ++signs) {
      std::array<std::array<double, 4>, 3> rows{};
      std::vector<std::int64_t> shape(3);
      for (std::size_t a = 0; a < 3; ++a) {
        const auto w = static_cast<std::size_t>(world_of[a]);
        const bool flip = signs >> a & 1;
        shape[a] = lengths[w];
        rows[w][a] = flip ? -1 : 1;
        rows[w][3] = flip ? static_cast<double>(lengths[w] - 1) : 0;
      }
      NiftiBytes bytes;
      bytes.shape(shape).sform(rows, 2);
      for (std::int64_t k = 0; k < shape[2]; ++k) {
        for (std::int64_t j = 0; j < shape[1]; ++j) {
          for (std::int64_t i = 0; i < shape[0]; ++i) {
            const std::array<double, 4> voxel{static_cast<double>(i), static_cast<double>(j), static_cast<double>(k),
                                              1};
            std::array<double, 3> place{};
            for (std::size_t w = 0; w < 3; ++w) {
              for (std::size_t a = 0; a < 4; ++a) place[w] += rows[w][a] * voxel[a];
            }
            bytes.add(static_cast<float>(place[0] + 2 * (place[1] + 3 * place[2])));
          }
        }
      }
      const Image image = read_bytes(folder, bytes.str());
      EXPECT_EQ(image.values, counting(0, 24)) << image.header.disk_orientation.letters();
      EXPECT_EQ(image.header.grid.ras_from_voxel, Eigen::Matrix4d::Identity());
      EXPECT_THAT(image.header.grid.shape, ElementsAre(2, 3, 4));
      EXPECT_TRUE(std::equal(shape.begin(), shape.end(), image.header.disk_grid.shape.begin()));
    }
  } while (std::next_permutation(world_of.begin(), world_of.end()));
}

TEST(NiftiRead, SformQformOrNeither) {
  const TemporaryFolder folder;
  // A quarter turn about z (b = c = 0, d = sin 45°), qfac −1: columns (0, 2, 0), (−3, 0, 0), (0, 0, −4).
  NiftiBytes bytes = small_image();
  bytes.pixdim({-1, 2, 3, 4, 1}).qform({0, 0, std::numbers::sqrt2 / 2}, {5, 6, 7}, 3);
  write_text(folder / "a.nii", bytes.str());
  EXPECT_EQ(read_header(folder / "a.nii").disk_grid.ras_from_voxel(0, 3), -10) << "the sform goes first";
  EXPECT_EQ(read_header(folder / "a.nii").qform_code, 0) << "it says something else";
  EXPECT_EQ(NiftiReader(folder / "a.nii").facts().qform_code, 3);

  bytes.code_at(254, 348, 0);
  write_text(folder / "a.nii", bytes.str());
  const ImageHeader turned = read_header(folder / "a.nii");
  Eigen::Matrix4d expected;
  expected << 0, -3, 0, 5, 2, 0, 0, 6, 0, 0, -4, 7, 0, 0, 0, 1;
  EXPECT_LT((turned.disk_grid.ras_from_voxel - expected).cwiseAbs().maxCoeff(), 1e-6);
  EXPECT_EQ(turned.sform_code, 0);
  EXPECT_EQ(turned.qform_code, 3);
  EXPECT_EQ(turned.disk_orientation.letters(), "ALI");
  EXPECT_THAT(turned.grid.shape, ElementsAre(2, 3, 2));

  bytes.no_affine();
  write_text(folder / "a.nii", bytes.str());
  ImageHeader bare;
  EXPECT_THAT(warnings_of([&] { bare = read_header(folder / "a.nii"); }), HasSubstr("neither sform nor qform"));
  expected << 2, 0, 0, -2, 0, 3, 0, -1.5, 0, 0, 4, -2, 0, 0, 0, 1;
  EXPECT_EQ(bare.grid.ras_from_voxel, expected);
  EXPECT_EQ(NiftiReader(folder / "a.nii").facts().affine_source, "none");
}

TEST(NiftiRead, QformWithTheSameAffineCounts) {
  const TemporaryFolder folder;
  NiftiBytes bytes = small_image();
  bytes.qform({0, 0, 0}, {-10, -20, -30}, 1);
  write_text(folder / "a.nii", bytes.str());
  EXPECT_EQ(read_header(folder / "a.nii").qform_code, 1);
  EXPECT_EQ(read_header(folder / "a.nii").sform_code, 1);
}

TEST(NiftiRead, ScalingThatSaysNothing) {
  const TemporaryFolder folder;
  const auto first_value = [&](double slope, double intercept) {
    return read_bytes(folder, small_image().scaling(slope, intercept).str()).values[0];
  };
  EXPECT_EQ(first_value(2, 5), 205);
  EXPECT_EQ(first_value(1, 5), 105);
  EXPECT_EQ(first_value(0, 5), 100);
  EXPECT_EQ(first_value(std::nan(""), std::nan("")), 100);
  EXPECT_EQ(first_value(std::numeric_limits<double>::infinity(), 0), 100);
  EXPECT_THAT(error_of<FormatError>([&] { first_value(1, std::nan("")); }), HasSubstr("(byte 116)"));
}

TEST(NiftiRead, UnitsOfSpaceAndTime) {
  const TemporaryFolder folder;
  const auto with_units = [&](int units, double time) {
    write_text(folder / "a.nii", small_image().units(units).pixdim({1, 2, 3, 4, time}).str());
    return read_header(folder / "a.nii");
  };
  EXPECT_EQ(with_units(1 | 8, 2).grid.ras_from_voxel(0, 0), 2000);
  EXPECT_EQ(with_units(1 | 8, 2).grid.ras_from_voxel(2, 3), -30000);
  EXPECT_DOUBLE_EQ(with_units(3 | 8, 2).grid.ras_from_voxel(0, 0), 0.002);
  EXPECT_EQ(with_units(0, 2).grid.ras_from_voxel(0, 0), 2);
  EXPECT_DOUBLE_EQ(with_units(2 | 16, 720).tr_s, 0.72);
  EXPECT_DOUBLE_EQ(with_units(2 | 24, 720000).tr_s, 0.72);
  EXPECT_DOUBLE_EQ(with_units(2, 2.5).tr_s, 2.5);
  EXPECT_EQ(with_units(2 | 32, 2.5).tr_s, 0) << "Hz is no time";
  EXPECT_EQ(NiftiReader(folder / "a.nii").facts().time_units, "Hz");
  EXPECT_EQ(NiftiReader(folder / "a.nii").facts().space_units, "mm");
  EXPECT_THAT(warnings_of([&] { EXPECT_EQ(with_units(2 | 8, 2000).tr_s, 2000); }), HasSubstr("most often it is in ms"));
  EXPECT_THAT(warnings_of([&] { EXPECT_EQ(with_units(2 | 8, -1).tr_s, 0); }), HasSubstr("cannot be"));
}

TEST(NiftiRead, ExtensionsAndComments) {
  const TemporaryFolder folder;
  for (const bool big_endian : {false, true}) {
    NiftiBytes bytes(1, big_endian);
    bytes.text(348, std::string_view("\1\0\0\0", 4)).shape({2}).type(2, 8).set_offset(352 + 16 + 32 + 16);
    bytes.add<std::int32_t>(16).add<std::int32_t>(4).add_text("<AFNI/> ");
    bytes.add<std::int32_t>(32).add<std::int32_t>(6).add_text(std::string("first comment") + std::string(11, '\0'));
    bytes.add<std::int32_t>(16).add<std::int32_t>(6).add_text("caf\xe9 2\0\0");
    bytes.add_text(std::string_view("\0\0", 2)).add_text("\x07\x09");
    const Image image = read_bytes(folder, bytes.str());
    EXPECT_THAT(image.values, ElementsAre(7, 9));
    const NiftiReader reader(folder / "image.nii");
    EXPECT_THAT(reader.facts().extensions, ElementsAre(4, 6, 6));
    EXPECT_EQ(reader.facts().comment, "first comment\ncafé 2");
  }
}

TEST(NiftiRead, RealScans) {
  const auto haxby = test_data() / "haxby-slice/sub-01/func/sub-01_task-objectviewing_run-01_bold.nii.gz";
  const auto localizer = test_data() / "localizer/sub-01/func/sub-01_task-localizer_run-01_bold.nii.gz";
  if (!std::filesystem::exists(haxby) || !std::filesystem::exists(localizer)) GTEST_SKIP() << "no test data";
  // Values by nibabel 5: nib.as_closest_canonical(nib.load(f)).dataobj[i, j, k, t], mean over all.
  const auto mean_of = [](const Image& image) {
    double sum = 0;
    for (const float value : image.values) sum += value;
    return sum / static_cast<double>(image.values.size());
  };
  const auto at = [](const Image& image, std::int64_t i, std::int64_t j, std::int64_t k, std::int64_t t) {
    return image.volume(t)[static_cast<std::size_t>(image.header.grid.linear_index(i, j, k))];
  };
  const Image slice = read_image(haxby);
  EXPECT_THAT(slice.header.grid.shape, ElementsAre(40, 20, 1));
  EXPECT_EQ(slice.header.volumes, 121);
  EXPECT_EQ(slice.header.tr_s, 2.5);
  EXPECT_EQ(slice.header.disk_orientation.letters(), "LAS");
  EXPECT_NEAR(slice.header.grid.ras_from_voxel(0, 3), -60.44999933, 1e-6);
  EXPECT_EQ(at(slice, 20, 11, 0, 7), 1659);
  EXPECT_EQ(at(slice, 10, 19, 0, 120), 2085);
  EXPECT_EQ(at(slice, 20, 10, 0, 17), 1403);
  EXPECT_NEAR(mean_of(slice), 975.3398760330579, 1e-9);

  const Image whole = read_image(localizer);
  EXPECT_THAT(whole.header.grid.shape, ElementsAre(80, 80, 35));
  EXPECT_EQ(whole.header.volumes, 156);
  EXPECT_NEAR(whole.header.tr_s, 2, 1e-6);
  EXPECT_EQ(whole.header.disk_orientation.letters(), "LPS");
  EXPECT_EQ(whole.header.sform_code, 2);
  EXPECT_NEAR(whole.header.grid.ras_from_voxel(1, 3), -85.2275230, 1e-5);
  EXPECT_EQ(at(whole, 40, 40, 17, 17), 501);
  EXPECT_NEAR(mean_of(whole), 88.86415327380952, 1e-9);
}

}  // namespace
}  // namespace noema
