#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "nifti_bytes.h"
#include "noema/core/error.h"
#include "noema/io/nifti.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

NiftiBytes two_volumes(int version = 1, bool big_endian = false) {
  NiftiBytes bytes(version, big_endian);
  bytes.shape({3, 2, 2, 2}).type(4, 16);
  for (int i = 0; i < 24; ++i) bytes.add(static_cast<std::int16_t>(100 + i));
  return bytes;
}

// A file in memory with a name, for tests of thousands of files.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("image", MFD_CLOEXEC)) {}
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  const MemoryFile& set(std::string_view bytes) const {
    EXPECT_EQ(::ftruncate(descriptor_, 0), 0);
    EXPECT_EQ(::pwrite(descriptor_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return *this;
  }
  std::filesystem::path path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

 private:
  int descriptor_;
};

class NiftiBad : public testing::Test {
 protected:
  // The FormatError that reading these bytes gives; it always names the file.
  std::string error_of_bytes(std::string_view bytes, std::string_view name = "bad.nii") {
    write_text(folder_ / name, bytes);
    const std::string error = error_of<FormatError>([&] { read_image(folder_ / name); });
    EXPECT_THAT(error, HasSubstr((folder_ / name).string()));
    return error;
  }

  TemporaryFolder folder_;
};

TEST_F(NiftiBad, WhatIsNoImageIsNamed) {
  EXPECT_THAT(error_of_bytes(""), HasSubstr("empty"));
  EXPECT_THAT(error_of_bytes("abc"), HasSubstr("not a NIfTI image"));
  EXPECT_THAT(error_of_bytes("version https://git-lfs.github.com/spec/v1\noid sha256:00"), HasSubstr("git lfs pull"));
  EXPECT_THAT(error_of_bytes("/annex/objects/SHA256E-s12--00.nii.gz"), HasSubstr("datalad get"));
  EXPECT_THAT(error_of_bytes("<!DOCTYPE html><html>not found</html>"), HasSubstr("HTML"));
  EXPECT_THAT(error_of_bytes("PK\3\4rest of the archive"), HasSubstr("unpack it"));
  EXPECT_THAT(error_of_bytes(std::string(400, '\0')), HasSubstr("the header size is 0, expected 348 or 540"));
  EXPECT_THAT(error_of_bytes(two_volumes().put<std::int32_t>(0, 0x50df0000).str()), HasSubstr("expected 348 or 540"));
  EXPECT_THAT(error_of_bytes(two_volumes().text(344, std::string_view("\0\0\0\0", 4)).str()), HasSubstr("Analyze 7.5"));
  EXPECT_THAT(error_of_bytes(two_volumes().text(344, "n+7").str()), AllOf(HasSubstr("byte 344"), HasSubstr("'n+1'")));
  EXPECT_THAT(error_of_bytes(two_volumes(2).text(8, std::string_view("\n\x1a\n\0", 4)).str()),
              AllOf(HasSubstr("byte 8"), HasSubstr("binary mode")));
}

TEST_F(NiftiBad, WhatIsNoFileIsNamed) {
  EXPECT_THAT(error_of<IoError>([&] { read_image(folder_ / "none.nii"); }), HasSubstr("none.nii"));
  EXPECT_THAT(error_of<IoError>([&] { read_image(folder_.path()); }), HasSubstr("folder"));
  std::filesystem::create_symlink("nowhere", folder_ / "link.nii.gz");
  EXPECT_THAT(error_of<IoError>([&] { read_image(folder_ / "link.nii.gz"); }), HasSubstr("datalad get"));
  ASSERT_EQ(::mkfifo((folder_ / "pipe.nii").c_str(), 0600), 0);
  EXPECT_THAT(error_of<IoError>([&] { read_image(folder_ / "pipe.nii"); }), HasSubstr("pipe"));
}

TEST_F(NiftiBad, Dimensions) {
  for (const int version : {1, 2}) {
    const std::string at = version == 1 ? "byte 40" : "byte 16";
    for (const std::int64_t axes : {0, -1, 8, 200, -32768}) {
      EXPECT_THAT(error_of_bytes(two_volumes(version).dim(0, axes).str()), AllOf(HasSubstr(at), HasSubstr("1 to 7")));
    }
    EXPECT_THAT(error_of_bytes(two_volumes(version).dim(2, 0).str()), HasSubstr("axis 2 has length 0"));
    EXPECT_THAT(error_of_bytes(two_volumes(version).dim(4, -5).str()), HasSubstr("axis 4 has length -5"));
  }
  // Giant images in tiny files: refused before any memory is asked for.
  const std::vector<std::int64_t> giant{32767, 32767, 32767, 2};
  EXPECT_THAT(error_of_bytes(two_volumes().shape(giant).str()), HasSubstr("the file has 400 bytes"));
  EXPECT_THAT(error_of_bytes(gzip(two_volumes().shape(giant).str()), "bad.nii.gz"), HasSubstr("which inflate to"));
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  EXPECT_THAT(error_of_bytes(two_volumes(2).dim(1, kHuge).str()), HasSubstr("more bytes than any file has"));
  EXPECT_THAT(error_of_bytes(two_volumes(2).shape({kHuge, kHuge, kHuge, kHuge, 1, 1, kHuge}).str()),
              HasSubstr("more bytes than any file has"));
}

TEST_F(NiftiBad, NumberTypesThatAreNotRead) {
  for (const int code : {0, 1, 32, 128, 255, 1536, 1792, 2048, 2304, -4, 7}) {
    EXPECT_THAT(error_of_bytes(two_volumes().type(code, 16).str()),
                AllOf(HasSubstr("byte 70"), HasSubstr(fmt::format("number type {} ", code)), HasSubstr("float32")));
  }
  NiftiBytes cifti = two_volumes(2);
  EXPECT_THAT(error_of_bytes(cifti.put<std::int32_t>(504, 3002).str()), HasSubstr("CIFTI"));
}

TEST_F(NiftiBad, DataOffset) {
  for (const double offset : {kNan, -1.0, 1.0, 348.0, 351.0, 352.5, 1e30, static_cast<double>(INFINITY)}) {
    EXPECT_THAT(error_of_bytes(two_volumes().put(108, static_cast<float>(offset)).str()), HasSubstr("byte 108"));
  }
  EXPECT_THAT(error_of_bytes(two_volumes().put(108, 368.0F).str()), HasSubstr("from byte 368 on"));
  EXPECT_THAT(error_of_bytes(gzip(two_volumes().put(108, 368.0F).str()), "bad.nii.gz"), HasSubstr("data ends early"));
  for (const std::int64_t offset : {std::int64_t{-1}, std::int64_t{543}, std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_THAT(error_of_bytes(two_volumes(2).put(168, offset).str()), HasSubstr("byte 168"));
  }
  // No place said: right behind the header.
  write_text(folder_ / "zero.nii", two_volumes().put(108, 0.0F).str());
  EXPECT_EQ(read_image(folder_ / "zero.nii").values[0], 100);
}

TEST_F(NiftiBad, Affines) {
  EXPECT_THAT(error_of_bytes(two_volumes().put(280 + 12, std::nanf("")).str()),
              AllOf(HasSubstr("byte 280"), HasSubstr("not finite")));
  EXPECT_THAT(error_of_bytes(two_volumes().put(280, 0.0F).str()), HasSubstr("singular"));
  NiftiBytes by_qform = two_volumes();
  by_qform.no_affine().qform({0, 0, 0}, {0, 0, 0}, 1);
  EXPECT_THAT(error_of_bytes(NiftiBytes(by_qform).pixdim({1, 0, 1, 1}).str()),
              AllOf(HasSubstr("byte 76"), HasSubstr("0, 1, 1")));
  EXPECT_THAT(error_of_bytes(NiftiBytes(by_qform).pixdim({1, 1, -2, 1}).str()), HasSubstr("positive"));
  EXPECT_THAT(error_of_bytes(NiftiBytes(by_qform).qform({1, 1, 0}, {0, 0, 0}, 1).str()),
              AllOf(HasSubstr("byte 256"), HasSubstr("no rotation")));
  EXPECT_THAT(error_of_bytes(NiftiBytes(by_qform).qform({kNan, 0, 0}, {0, 0, 0}, 1).str()), HasSubstr("no rotation"));
  EXPECT_THAT(error_of_bytes(NiftiBytes(by_qform).qform({0, 0, 0}, {0, kNan, 0}, 1).str()), HasSubstr("no rotation"));
  EXPECT_THAT(error_of_bytes(two_volumes().no_affine().pixdim({1, 1, 1, kNan}).str()), HasSubstr("positive"));
}

TEST_F(NiftiBad, ExtensionsThatLeaveTheirRoom) {
  const auto with_extension = [](std::int32_t size) {
    NiftiBytes bytes;
    bytes.text(348, std::string_view("\1\0\0\0", 4)).shape({2}).type(2, 8).set_offset(352 + 32);
    bytes.add(size).add<std::int32_t>(6).add_text(std::string(24, 'x')).add_text("ab");
    return bytes.str();
  };
  EXPECT_EQ(error_of<Error>([&] {
              write_text(folder_ / "good.nii", with_extension(32));
              EXPECT_EQ(read_image(folder_ / "good.nii").values[1], 'b');
            }),
            "");
  for (const std::int32_t size : {7, -16, 33, 48, 0x7fffffff, std::numeric_limits<std::int32_t>::min()}) {
    EXPECT_THAT(error_of_bytes(with_extension(size)), AllOf(HasSubstr("byte 352"), HasSubstr("expected 8 to 32")));
  }
}

// A file cut anywhere is refused, plain or compressed, whatever the place of the cut.
TEST_F(NiftiBad, TruncatedAnywhere) {
  const MemoryFile file;
  const auto expect_refused = [&](const std::string& bytes, std::size_t size) {
    file.set(std::string_view(bytes).substr(0, size));
    const std::string error = error_of<FormatError>([&] { read_image(file.path()); });
    EXPECT_THAT(error, HasSubstr(file.path().string())) << size << " of " << bytes.size() << " bytes";
  };
  for (const int version : {1, 2}) {
    const std::string plain = two_volumes(version).str();
    const std::string compressed = gzip(plain);
    for (std::size_t size = 0; size < plain.size(); ++size) expect_refused(plain, size);
    for (std::size_t size = 0; size < compressed.size(); ++size) expect_refused(compressed, size);
  }
  EXPECT_THAT(error_of_bytes(two_volumes().str().substr(0, 399)),
              AllOf(HasSubstr("2 volumes of 24 bytes"), HasSubstr("the file has 399 bytes"), HasSubstr("again")));
}

// Good volumes before the damage can still be read one by one.
TEST_F(NiftiBad, DamageIsReportedWhereItBegins) {
  NiftiBytes bytes;
  bytes.shape({100, 100, 10, 8}).type(16, 32);
  std::mt19937 random(5);
  for (int i = 0; i < 800'000; ++i) bytes.add(static_cast<float>(random()));
  std::string compressed = gzip(bytes.str(), 1);
  write_text(folder_ / "cut.nii.gz", compressed.substr(0, compressed.size() / 2));
  NiftiReader cut(folder_ / "cut.nii.gz");
  std::vector<float> values(100'000);
  for (int t = 0; t < 3; ++t) cut.read_volume(values);
  EXPECT_EQ(cut.next_volume(), 3);
  const std::string error = error_of<FormatError>([&] {
    while (true) cut.read_volume(values);
  });
  EXPECT_THAT(error, AllOf(HasSubstr("of 8: "), HasSubstr("cut.nii.gz"), HasSubstr("ends early")));

  compressed[compressed.size() - 6] ^= 1;  // in the checksum
  write_text(folder_ / "sum.nii.gz", compressed);
  EXPECT_EQ(read_header(folder_ / "sum.nii.gz").volumes, 8);
  EXPECT_THAT(error_of<FormatError>([&] { read_image(folder_ / "sum.nii.gz"); }),
              AllOf(HasSubstr("volume 8 of 8"), HasSubstr("checksum")));
}

// Random changes of header bytes either give an image of the size the header tells, or an error of the library.
TEST_F(NiftiBad, RandomHeaders) {
  std::mt19937 random(20240521);
  const MemoryFile file;
  int read = 0, refused = 0;
  for (int round = 0; round < 6000; ++round) {
    const int version = round % 2 + 1;
    std::string bytes = two_volumes(version, round % 3 == 0).str();
    const std::size_t header = version == 1 ? 352 : 544;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % header] = static_cast<char>(random() % 3 == 0 ? random() : 1U << random() % 8);
    }
    const bool compressed = round % 5 == 0;
    file.set(compressed ? gzip(bytes, 1) : bytes);
    try {
      const Image image = read_image(file.path());
      ASSERT_EQ(static_cast<std::int64_t>(image.values.size()), image.header.grid.voxel_count() * image.header.volumes);
      ASSERT_LE(image.values.size(), bytes.size());
      ASSERT_TRUE(image.header.grid.ras_from_voxel.allFinite());
      ++read;
    } catch (const Error& error) {
      ASSERT_THAT(error.what(), HasSubstr(file.path().string()));
      ++refused;
    }
  }
  EXPECT_GT(read, 500);
  EXPECT_GT(refused, 500);
}

// A changed byte of a gzip stream is either found, or it did not matter.
TEST_F(NiftiBad, RandomGzipDamage) {
  const std::string good = gzip(two_volumes().str());
  const MemoryFile file;
  file.set(good);
  const std::vector<float> expected = read_image(file.path()).values;
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    bytes[2 + random() % (bytes.size() - 2)] ^= static_cast<char>(1U << random() % 8);
    file.set(bytes);
    try {
      ASSERT_EQ(read_image(file.path()).values, expected);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 2000);
}

}  // namespace
}  // namespace noema
