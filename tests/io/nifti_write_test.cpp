#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>

#include "noema/core/error.h"
#include "noema/io/nifti.h"
#include "noema/io/orientation.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// 4×3×2 voxels, oblique, with values that float32 holds.
Image oblique_image(std::int64_t volumes) {
  Image image;
  image.header.grid.shape = {4, 3, 2};
  Eigen::Matrix4d& affine = image.header.grid.ras_from_voxel;
  affine.topLeftCorner<3, 3>() = Eigen::AngleAxisd(0.3, Eigen::Vector3d(1, 2, 3).normalized()).toRotationMatrix() *
                                 Eigen::Vector3d(2, 2.5, 3).asDiagonal();
  affine.topRightCorner<3, 1>() << -12.5, 40.25, 7;
  image.header.volumes = volumes;
  image.header.tr_s = 1.25;
  for (std::int64_t i = 0; i < 24 * volumes; ++i) image.values.push_back(0.37F * static_cast<float>(i) - 11);
  return image;
}

TEST(NiftiWrite, ReadsBackInEveryFloatTypeAndBothForms) {
  const TemporaryFolder folder;
  const Image image = oblique_image(3);
  for (const char* name : {"a.nii", "a.nii.gz"}) {
    for (const NiftiType type : {NiftiType::float32, NiftiType::float64}) {
      write_image(folder / name, image, {.type = type, .description = "made by a test", .comment = "{\"seed\": 7}"});
      const Image back = read_image(folder / name);
      EXPECT_EQ(back.values, image.values);
      EXPECT_TRUE(same_grid(back.header.grid, image.header.grid, 1e-4));
      EXPECT_EQ(back.header.volumes, 3);
      EXPECT_EQ(back.header.tr_s, 1.25);
      EXPECT_EQ(back.header.disk_datatype, static_cast<int>(type));
      const NiftiReader reader(folder / name);
      EXPECT_EQ(reader.facts().description, "made by a test");
      EXPECT_EQ(reader.facts().comment, "{\"seed\": 7}");
      EXPECT_EQ(reader.facts().extensions, std::vector<int>{6});
      EXPECT_EQ(reader.facts().gzip, std::string(name) == "a.nii.gz");
      EXPECT_EQ(reader.facts().sform_code, 2);
      EXPECT_EQ(reader.facts().qform_code, 2);
      EXPECT_EQ(back.header.qform_code, 2) << "the quaternion gives the same affine";
    }
  }
  EXPECT_EQ(folder.entries(), 2U);
}

TEST(NiftiWrite, PairsByEitherName) {
  const TemporaryFolder folder;
  const Image image = oblique_image(3);
  for (const char* name : {"a.hdr", "b.img"}) {
    SCOPED_TRACE(name);
    write_image(folder / name, image, {.comment = "{\"seed\": 7}"});
    const std::string stem = std::string(name).substr(0, 2);
    const std::string header = read_text(folder / (stem + "hdr"));
    EXPECT_EQ(header.substr(344, 4), std::string_view("ni1\0", 4));
    EXPECT_EQ(header.substr(108, 4), std::string(4, '\0')) << "the data begin at the first byte of the .img file";
    EXPECT_EQ(read_text(folder / (stem + "img")).size(), 24U * 3 * 4);
    for (const char* ending : {"hdr", "img"}) {
      const Image back = read_image(folder / (stem + ending));
      EXPECT_EQ(back.values, image.values);
      EXPECT_TRUE(same_grid(back.header.grid, image.header.grid, 1e-4));
      const NiftiReader reader(folder / (stem + ending));
      EXPECT_FALSE(reader.facts().single_file);
      EXPECT_EQ(reader.facts().comment, "{\"seed\": 7}");
    }
  }
  EXPECT_EQ(folder.entries(), 4U);
  Image flat;
  flat.header.grid.shape = {40000, 1, 1};
  flat.values.assign(40000, 1.5F);
  write_image(folder / "long.hdr", flat);
  EXPECT_EQ(NiftiReader(folder / "long.img").facts().version, 2);
  EXPECT_EQ(read_image(folder / "long.img").values, flat.values);
}

TEST(NiftiWrite, APairThatFailsLeavesNeitherFile) {
  const TemporaryFolder folder;
  Image image = oblique_image(2);
  image.values.back() = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(write_image(folder / "a.hdr", image, {.type = NiftiType::int16}), DataError);
  EXPECT_EQ(folder.entries(), 0U);
}

// What was turned on reading is turned back on writing, for all 48 orientations.
TEST(NiftiWrite, RestoresEveryOrientation) {
  const TemporaryFolder folder;
  Image image = oblique_image(2);
  std::array<int, 3> axis{0, 1, 2};
  do {
    for (int signs = 0; signs < 8; ++signs) {
      Orientation& orientation = image.header.disk_orientation;
      orientation.axis = axis;
      for (std::size_t a = 0; a < 3; ++a) orientation.flipped[a] = signs >> a & 1;
      SCOPED_TRACE(orientation.letters());
      write_image(folder / "a.nii", image);
      const Image back = read_image(folder / "a.nii");
      EXPECT_EQ(back.values, image.values);
      EXPECT_EQ(back.header.disk_orientation.letters(), orientation.letters());
      EXPECT_TRUE(same_grid(back.header.grid, image.header.grid, 1e-4));
      EXPECT_TRUE(same_grid(back.header.disk_grid, to_disk(image.header.grid, orientation), 1e-4));
      // The first value of the file is that of the file's first voxel.
      float first = 0;
      std::memcpy(&first, read_text(folder / "a.nii").data() + 352, sizeof(first));
      EXPECT_EQ(first, image.values[static_cast<std::size_t>(disk_walk(image.header.grid, orientation).first)]);
      write_image(folder / "b.nii", image, {.restore_orientation = false});
      EXPECT_TRUE(read_header(folder / "b.nii").disk_orientation.is_canonical());
      EXPECT_EQ(read_image(folder / "b.nii").values, image.values);
    }
  } while (std::next_permutation(axis.begin(), axis.end()));
}

constexpr NiftiType kIntegerTypes[] = {NiftiType::uint8, NiftiType::int8,   NiftiType::int16, NiftiType::uint16,
                                       NiftiType::int32, NiftiType::uint32, NiftiType::int64, NiftiType::uint64};

TEST(NiftiWrite, IntegersThatFitStayAsTheyAre) {
  const TemporaryFolder folder;
  Image image = oblique_image(1);
  for (std::size_t i = 0; i < 24; ++i) image.values[i] = static_cast<float>(i * 5);
  for (const NiftiType type : kIntegerTypes) {
    write_image(folder / "a.nii", image, {.type = type});
    EXPECT_EQ(read_image(folder / "a.nii").values, image.values);
    EXPECT_EQ(NiftiReader(folder / "a.nii").facts().slope, 1);
    EXPECT_EQ(NiftiReader(folder / "a.nii").facts().type, type);
  }
}

TEST(NiftiWrite, ScaledIntegersAreWithinHalfAStep) {
  const TemporaryFolder folder;
  const std::vector<std::pair<double, double>> ranges{{-3.7, 11.3},  {0, 1},         {1e6, 1e6 + 1}, {-1e-9, 1e-9},
                                                      {-5e20, 3e20}, {0.1, 0.1},     {-7, -6.5},     {1e-3, 1e5},
                                                      {-32769, 0.5}, {16777217, 3e9}};
  for (const NiftiType type : kIntegerTypes) {
    for (const auto& [low, high] : ranges) {
      SCOPED_TRACE(fmt::format("{} from {} to {}", to_string(type), low, high));
      ImageHeader header;
      header.grid.shape = {101, 1, 1};
      std::vector<double> values(101);
      for (std::size_t i = 0; i < 101; ++i) values[i] = std::lerp(low, high, static_cast<double>(i) / 100);
      NiftiWriter writer(folder / "a.nii.gz", header, {.type = type, .value_range = {{low, high}}});
      writer.write_volume(values);
      writer.commit();
      NiftiReader reader(folder / "a.nii.gz");
      const double slope = reader.facts().slope;
      const int bits = type == NiftiType::uint8 || type == NiftiType::int8     ? 8
                       : type == NiftiType::int16 || type == NiftiType::uint16 ? 16
                                                                               : 32;
      // Near the best slope, but for the intercept's rounding to float32.
      const double magnitude = std::max(std::abs(low), std::abs(high));
      if (high > low) {
        EXPECT_LE(slope, 1.01 * (high - low + magnitude * 6e-7) / (std::pow(2, bits) - 1));
      }
      std::vector<double> back(101);
      reader.read_volume(back);
      for (std::size_t i = 0; i < 101; ++i) {
        ASSERT_NEAR(back[i], values[i], 0.5 * slope + 4e-16 * magnitude) << "value " << i;
      }
    }
  }
}

TEST(NiftiWrite, FloatsInAnIntegerImageAreScaled) {
  const TemporaryFolder folder;
  const Image image = oblique_image(2);
  write_image(folder / "a.nii", image, {.type = NiftiType::int16});
  const NiftiReader reader(folder / "a.nii");
  EXPECT_NEAR(reader.facts().slope, 0.37 * 47 / 65535, 1e-7);
  const Image back = read_image(folder / "a.nii");
  for (std::size_t i = 0; i < image.values.size(); ++i)
    EXPECT_NEAR(back.values[i], image.values[i], 0.6 * 0.37 * 47 / 65535);
}

TEST(NiftiWrite, ValuesThatIntegersCannotHoldLeaveNoFile) {
  const TemporaryFolder folder;
  write_text(folder / "a.nii", "former content");
  const auto write = [&](double value, NiftiType type, std::optional<std::array<double, 2>> range = {}) {
    ImageHeader header;
    header.grid.shape = {2, 1, 1};
    NiftiWriter writer(folder / "a.nii", header, {.type = type, .value_range = range});
    writer.write_volume(std::vector<double>{1, value});
    writer.commit();
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto error = [&](auto... arguments) { return error_of<DataError>([&] { write(arguments...); }); };
  EXPECT_THAT(error(0.5, NiftiType::int16), HasSubstr("holds 0.5, which int16 cannot hold"));
  EXPECT_THAT(error(256, NiftiType::uint8), HasSubstr("256"));
  EXPECT_THAT(error(-1, NiftiType::uint64), HasSubstr("-1"));
  EXPECT_THAT(error(0x1p63, NiftiType::int64), HasSubstr("int64"));
  EXPECT_THAT(error(std::nan(""), NiftiType::int32), HasSubstr("nan"));
  EXPECT_THAT(error(-kInfinity, NiftiType::int8), HasSubstr("-inf"));
  const std::optional<std::array<double, 2>> range{{0, 1}};
  EXPECT_THAT(error(1.5, NiftiType::int16, range), HasSubstr("the value range said 0 to 1"));
  EXPECT_THAT(error(std::nan(""), NiftiType::uint8, range), HasSubstr("nan"));
  EXPECT_THAT(error(1, NiftiType::uint8, std::optional<std::array<double, 2>>{{0, 1e300}}), HasSubstr("too large"));
  EXPECT_EQ(read_text(folder / "a.nii"), "former content");
  EXPECT_EQ(folder.entries(), 1U);
}

TEST(NiftiWrite, LongAxesMakeNifti2) {
  const TemporaryFolder folder;
  Image image;
  image.header.grid.shape = {40'000, 2, 1};
  for (int i = 0; i < 80'000; ++i) image.values.push_back(static_cast<float>(i));
  write_image(folder / "a.nii.gz", image, {.comment = "long"});
  EXPECT_EQ(NiftiReader(folder / "a.nii.gz").facts().version, 2);
  EXPECT_EQ(NiftiReader(folder / "a.nii.gz").facts().comment, "long");
  EXPECT_EQ(read_image(folder / "a.nii.gz").values, image.values);
  image.header.grid.shape = {2, 1, 1};
  image.header.volumes = 40'000;
  image.header.tr_s = 0.1;
  write_image(folder / "b.nii", image);
  EXPECT_EQ(read_header(folder / "b.nii").volumes, 40'000);
  EXPECT_EQ(read_header(folder / "b.nii").tr_s, 0.1);
  EXPECT_EQ(read_image(folder / "b.nii").values, image.values);
}

TEST(NiftiWrite, CodesSayWhatTheAffineRefersTo) {
  const TemporaryFolder folder;
  Image image = oblique_image(1);
  const auto codes = [&] {
    write_image(folder / "a.nii", image);
    const NiftiReader reader(folder / "a.nii");
    return std::pair(reader.facts().sform_code, reader.facts().qform_code);
  };
  EXPECT_EQ(codes(), std::pair(2, 2));
  image.header.space = "MNI152NLin2009cAsym";
  EXPECT_EQ(codes(), std::pair(4, 4));
  image.header.sform_code = 1;
  EXPECT_EQ(codes(), std::pair(1, 1));
  image.header.qform_code = 3;
  EXPECT_EQ(codes(), std::pair(1, 3));
  image.header.sform_code = 0;
  EXPECT_EQ(codes(), std::pair(3, 3));
  // A sheared grid has no quaternion; the sform alone holds it.
  image.header.grid.ras_from_voxel(0, 1) += 0.5;
  EXPECT_EQ(codes(), std::pair(3, 0));
  EXPECT_TRUE(same_grid(read_header(folder / "a.nii").grid, image.header.grid, 1e-4));
}

TEST(NiftiWrite, DoublesKeepTheirDigits) {
  const TemporaryFolder folder;
  ImageHeader header;
  header.grid.shape = {3, 1, 1};
  const std::vector<double> values{0.1, -1e-200, 12345678.9012345};
  NiftiWriter writer(folder / "a.nii", header, {.type = NiftiType::float64});
  writer.write_volume(values);
  writer.commit();
  NiftiReader reader(folder / "a.nii");
  std::vector<double> back(3);
  reader.read_volume(back);
  EXPECT_EQ(back, values);
}

TEST(NiftiWrite, LargerThanTheBuffersAndAlwaysTheSameBytes) {
  const TemporaryFolder folder;
  Image image;
  image.header.grid.shape = {300, 301, 3};
  image.header.disk_orientation.flipped = {true, false, true};
  image.header.volumes = 2;
  std::uint32_t state = 3;
  for (int i = 0; i < 300 * 301 * 3 * 2; ++i) {
    state = state * 1664525 + 1013904223;
    image.values.push_back(static_cast<float>(state >> 12));
  }
  write_image(folder / "a.nii.gz", image);
  write_image(folder / "b.nii.gz", image);
  EXPECT_EQ(read_image(folder / "a.nii.gz").values, image.values);
  EXPECT_EQ(read_text(folder / "a.nii.gz"), read_text(folder / "b.nii.gz"));
}

TEST(NiftiWrite, WrongUseIsRefusedAndLeavesNothing) {
  const TemporaryFolder folder;
  const Image image = oblique_image(2);
  for (const char* name : {"a.mgz", "a.nii.bz2", "a", ".nii", ".nii.gz", ".hdr", ".img"}) {
    EXPECT_THAT(error_of<UsageError>([&] { write_image(folder / name, image); }), HasSubstr(".nii.gz")) << name;
  }
  EXPECT_THROW(write_image(folder / "none/a.nii", image), IoError);
  {
    NiftiWriter writer(folder / "a.nii", image.header);
    writer.write_volume(image.volume(0));
    EXPECT_THAT(error_of<UsageError>([&] { writer.commit(); }), HasSubstr("1 volumes written"));
    EXPECT_THROW(writer.write_volume(image.volume(0).first(23)), ShapeError);
    writer.write_volume(image.volume(1));
    EXPECT_THROW(writer.write_volume(image.volume(1)), UsageError);
  }
  const auto refused = [&](auto change) {
    Image other = image;
    WriteOptions options;
    change(other, options);
    return error_of<UsageError>([&] { write_image(folder / "a.nii", other, options); });
  };
  EXPECT_THAT(refused([](Image& other, WriteOptions&) { other.header.grid.shape[1] = 0, other.values.clear(); }),
              HasSubstr("no voxels"));
  EXPECT_THAT(refused([](Image& other, WriteOptions&) { other.header.grid.ras_from_voxel.setZero(); }),
              HasSubstr("singular"));
  EXPECT_THAT(refused([](Image& other, WriteOptions&) { other.header.tr_s = -1; }), HasSubstr("TR"));
  EXPECT_THAT(refused([](Image&, WriteOptions& options) { options.description = std::string(80, 'x'); }),
              HasSubstr("80 bytes"));
  Image short_one = image;
  short_one.values.pop_back();
  EXPECT_THROW(write_image(folder / "a.nii", short_one), ShapeError);
  EXPECT_EQ(folder.entries(), 0U);
}

// What nibabel reads of our files, and what we read of its.
TEST(NiftiWrite, InteropWithNibabel) {
  if (std::system("python3 -c 'import nibabel' > /dev/null 2>&1") != 0) GTEST_SKIP() << "python3 has no module nibabel";
  const TemporaryFolder folder;
  Image image = oblique_image(3);
  image.header.disk_orientation.flipped = {true, false, false};
  write_image(folder / "ours.nii.gz", image, {.type = NiftiType::int16, .description = "ours", .comment = "a comment"});
  write_image(folder / "pair_of_ours.hdr", image);
  write_text(folder / "check.py", R"(import sys, nibabel, numpy
folder = sys.argv[1]
image = nibabel.load(folder + "/ours.nii.gz")
assert image.shape == (4, 3, 2, 3) and image.get_data_dtype() == numpy.int16, image.header
assert nibabel.aff2axcodes(image.affine) == ("L", "A", "S"), image.affine
assert numpy.allclose(image.header.get_qform(), image.get_sform(), atol=1e-4)
assert image.header.get_zooms()[3] == 1.25 and image.header.get_xyzt_units() == ("mm", "sec")
assert image.header["descrip"] == b"ours" and image.header.extensions[0].get_content() == b"a comment"
values = nibabel.as_closest_canonical(image).get_fdata().ravel(order="F")
assert numpy.allclose(values, 0.37 * numpy.arange(72) - 11, atol=2e-4), values
pair = nibabel.load(folder + "/pair_of_ours.img")
assert isinstance(pair, nibabel.Nifti1Pair) and pair.shape == (4, 3, 2, 3), pair
assert numpy.allclose(nibabel.as_closest_canonical(pair).get_fdata().ravel(order="F"), values, atol=2e-4)
theirs = nibabel.Nifti2Image(numpy.arange(24, dtype=">f8").reshape(2, 3, 4), numpy.diag([-2, 3, 4, 1]))
nibabel.save(theirs, folder + "/theirs.nii")
nibabel.save(nibabel.Nifti1Pair(numpy.arange(24, dtype=numpy.uint16).reshape(2, 3, 4), None), folder + "/pair.img")
)");
  const std::string command = "python3 '" + (folder / "check.py").string() + "' '" + folder.path().string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const Image theirs = read_image(folder / "theirs.nii");
  EXPECT_THAT(theirs.header.grid.shape, ElementsAre(2, 3, 4));
  EXPECT_EQ(theirs.values[0], 12) << "x runs backwards in the file: (1, 0, 0) comes first";
  EXPECT_EQ(theirs.values[1], 0);
  EXPECT_EQ(theirs.values[2], 16);
  EXPECT_EQ(read_image(folder / "pair.img").values[1], 12);
}

}  // namespace
}  // namespace noema
