// io/image_reader: one way to read images, whether voxels (NIfTI) or grayordinates (CIFTI).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "noema/io/image.h"

namespace noema {

/// Reads an image volume by volume: a NIfTI file as NiftiReader does, a CIFTI file as an image whose grid lists
/// grayordinates; of parcels (ptseries, pscalar) each of their grayordinates has the parcel's value. Of CIFTI all
/// values of the file are in memory from the first `read_volume` on, since it keeps the points in time of one place
/// side by side.
class ImageReader {
 public:
  /// Reads and checks the header. @throws as NiftiReader and read_cifti_header
  explicit ImageReader(const std::filesystem::path& path);
  ~ImageReader();
  ImageReader(ImageReader&&) noexcept;
  ImageReader& operator=(ImageReader&&) noexcept;

  const ImageHeader& header() const;
  /// Reads the next volume. @throws ShapeError unless `values` has the size of one volume; UsageError after the last;
  /// FormatError for truncated or damaged data.
  void read_volume(std::span<float> values);
  void read_volume(std::span<double> values);
  /// Goes to a volume. @throws UsageError when there is no such one
  void seek(std::int64_t volume);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace noema
