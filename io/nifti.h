// io/nifti: NIfTI-1 and NIfTI-2 images, volume by volume or whole.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "noema/io/image.h"

namespace noema {

/// The number types that are read and written, by their NIfTI codes.
enum class NiftiType : int {
  uint8 = 2,
  int16 = 4,
  int32 = 8,
  float32 = 16,
  float64 = 64,
  int8 = 256,
  uint16 = 512,
  uint32 = 768,
  int64 = 1024,
  uint64 = 1280,
};
std::string to_string(NiftiType type);

/// What a NIfTI file says besides what every image has (ImageHeader).
struct NiftiFacts {
  int version = 1;
  bool big_endian = false;
  /// By its first bytes, not by its name.
  bool gzip = false;
  /// One file, or a pair .hdr and .img.
  bool single_file = true;
  NiftiType type = NiftiType::float32;
  /// value = slope · stored + intercept; 1 and 0 when the file says nothing (slope 0 or not finite).
  double slope = 1;
  double intercept = 0;
  int sform_code = 0;
  int qform_code = 0;
  /// "sform", "qform" or "none": where the affine comes from.
  std::string affine_source;
  /// The file's own units: "m", "mm", "um" or "unknown"; "s", "ms", "us", "unknown", "Hz", "ppm" or "rad/s".
  std::string space_units;
  std::string time_units;
  std::string description;
  /// Byte of the (inflated) file where the data begins.
  std::int64_t data_offset = 0;
  /// Codes of the header extensions, in order (4 AFNI, 6 comment, 32 CIFTI …).
  std::vector<int> extensions;
  /// The text of the comment extensions, joined by line ends; at most 1 MiB of it.
  std::string comment;
};

/// Reads a NIfTI image volume by volume, in canonical orientation.
///
/// NIfTI-1 and -2, one file or a pair (.hdr and .img, either name opens it), plain or gzip, either byte order, all real
/// number types up to 64 bits. Values are slope · stored + intercept; NaN and infinity are passed on. The rules:
/// - Affine: the sform if its code is positive, else the qform, else (with a warning) voxel sizes on the diagonal, RAS
///   axes and the centre of the volume at the origin. Metres and micrometres become mm; unknown units count as mm.
/// - A voxel size that is not positive is an error where the affine needs it, a warning where the sform makes it
///   unneeded.
/// - Times in ms and µs become s. A TR above 30 s is kept and warned about: most often it is in ms though the file says
/// s.
/// - Shapes (x), (x,y), (x,y,z), (x,y,z,t), (x,y,z,1,t) and further axes of length 1.
/// - gzip is known by its first bytes; a name that says otherwise is warned about. Several gzip members are read as
///   one; what follows the last one is warned about. The checksum is tested when the last volume is read.
/// - Memory: one row of voxels and fixed buffers. Nothing is allocated that the size of the file cannot justify.
///
/// Errors of the header name the byte of the header (inflated), damage of a gzip stream the byte of the file.
class NiftiReader {
 public:
  /// Reads and checks the header. @throws IoError, FormatError
  explicit NiftiReader(const std::filesystem::path& path);
  ~NiftiReader();
  NiftiReader(NiftiReader&&) noexcept;
  NiftiReader& operator=(NiftiReader&&) noexcept;

  const ImageHeader& header() const;
  const NiftiFacts& facts() const;
  /// The volume that `read_volume` gives next; `header().volumes` at the end.
  std::int64_t next_volume() const;

  /// Reads the next volume, x fastest. @throws ShapeError unless `values` has the size of one volume; UsageError after
  /// the last; FormatError for truncated or damaged data. Numbers beyond float32 become infinite in the first form.
  void read_volume(std::span<float> values);
  void read_volume(std::span<double> values);
  /// Goes to a volume. At once in plain files; in gzip files what lies between is inflated (from the start when going
  /// back).
  void seek(std::int64_t volume);
  void skip(std::int64_t volumes = 1) { seek(next_volume() + volumes); }
  void rewind() { seek(0); }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The header alone; of CIFTI, too (see ImageReader). @throws as ImageReader
ImageHeader read_header(const std::filesystem::path& path);

/// All volumes as float32; of CIFTI, too. @throws as ImageReader; Cancelled
Image read_image(const std::filesystem::path& path);

struct WriteOptions {
  NiftiType type = NiftiType::float32;
  /// As on the disk where the image came from (`ImageHeader::disk_orientation`), else in canonical orientation.
  bool restore_orientation = true;
  /// Up to 79 bytes for the header.
  std::string description;
  /// Text kept in a comment extension (code 6): the provenance as JSON.
  std::string comment;
  /// For integer types of NiftiWriter: smallest and largest value to come, from which the scaling is made. Without it
  /// only whole numbers that fit the type can be written, as they are. `write_image` finds by itself what is needed.
  std::optional<std::array<double, 2>> value_range;
};

/// Writes a NIfTI image volume by volume (so images larger than memory can be written), all or nothing.
///
/// The name decides: `.nii`, `.nii.gz`, or a pair (`.hdr` and `.img`, either name makes both). NIfTI-1 in the machine's
/// byte order, or NIfTI-2 when an axis is longer than 32,767. Units are mm and s. The sform holds the affine; the qform
/// too if it is a rotation with zooms, else its code is 0. Codes come from the header; without any they are 4 (MNI) for
/// a space label that begins with "MNI", else 2 (aligned). For integer types with a value range, slope and intercept
/// spread the range over the type; the error is at most half the slope. 64-bit integers use 53 bits then.
class NiftiWriter {
 public:
  /// @throws UsageError for another ending of the name or a header without voxels; IoError
  NiftiWriter(const std::filesystem::path& path, const ImageHeader& header, const WriteOptions& options = {});
  ~NiftiWriter();
  NiftiWriter(NiftiWriter&&) noexcept;
  NiftiWriter& operator=(NiftiWriter&&) noexcept;

  /// Appends the next volume, in canonical order. @throws ShapeError, IoError, UsageError for more volumes than
  /// announced; DataError for values that the integer type cannot hold (NaN, infinite, out of range, or fractions
  /// without scaling).
  void write_volume(std::span<const float> values);
  void write_volume(std::span<const double> values);
  /// Ends the file and gives it its name. @throws UsageError if volumes are missing, IoError
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes all volumes of an image. One on grayordinates becomes a CIFTI file: a dtseries where the name ends so, else a
/// dscalar; its maps get the name of the file. @throws as NiftiWriter and write_cifti; Cancelled
void write_image(const std::filesystem::path& path, const Image& image, const WriteOptions& options = {});

}  // namespace noema
