// io/image: an image in memory, in canonical orientation.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "noema/io/grid.h"

namespace noema {

/// How the axes of a file relate to the canonical ones: canonical axis a is file axis `axis[a]`, reversed when
/// `flipped[a]`.
struct Orientation {
  std::array<int, 3> axis{0, 1, 2};
  std::array<bool, 3> flipped{false, false, false};

  bool is_canonical() const { return axis == std::array{0, 1, 2} && flipped == std::array{false, false, false}; }
  /// Three letters for the directions in which the file's axes run, such as "LAS".
  std::string letters() const;
};

/// What is known of an image besides its values. `grid` is canonical: axes permuted and flipped (never resampled) so
/// that i runs to the right, j to the front, k up, as nearly as the axes allow.
struct ImageHeader {
  Grid grid;
  std::int64_t volumes = 1;
  /// Seconds from volume to volume; 0 when the file does not say.
  double tr_s = 0;
  /// A BIDS space label such as "MNI152NLin2009cAsym", or empty.
  std::string space;
  /// As it was on disk, kept so that results can be written back the same way.
  Orientation disk_orientation;
  Grid disk_grid;
  /// NIfTI datatype code of the file (16 = float32 …).
  int disk_datatype = 16;
  /// What the file's affines refer to: 0 not said, 1 scanner, 2 aligned, 3 Talairach, 4 MNI, 5 another template. The
  /// qform's counts only where it gives the same affine; kept so that results say the same.
  int sform_code = 0;
  int qform_code = 0;
  std::filesystem::path path;
};

/// An image of float32 values, x fastest, then y, z and volume; canonical orientation.
struct Image {
  ImageHeader header;
  std::vector<float> values;  // (X, Y, Z, T), X fastest

  std::span<float> volume(std::int64_t t) {
    return std::span(values).subspan(static_cast<std::size_t>(t * header.grid.voxel_count()),
                                     static_cast<std::size_t>(header.grid.voxel_count()));
  }
  std::span<const float> volume(std::int64_t t) const {
    return std::span(values).subspan(static_cast<std::size_t>(t * header.grid.voxel_count()),
                                     static_cast<std::size_t>(header.grid.voxel_count()));
  }
};

/// A set of voxels of a grid, in ascending linear index: the order of voxel features everywhere.
struct Mask {
  Grid grid;
  std::vector<std::int64_t> voxels;

  std::int64_t size() const { return static_cast<std::int64_t>(voxels.size()); }
};

/// The voxels of a 3-D image that are not zero. @throws DataError if none is, ShapeError if the image has several
/// volumes.
Mask mask_from_image(const Image& image);

/// A one-volume image on the mask's grid: `values[v]` at the v-th voxel of the mask, `outside` elsewhere.
Image unmask(const Mask& mask, std::span<const float> values, float outside = 0);

}  // namespace noema
