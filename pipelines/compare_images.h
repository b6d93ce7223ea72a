// pipelines/compare_images: how far two images say the same, voxel by voxel.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "noema/interpret/agreement.h"
#include "noema/io/image.h"
#include "noema/pipelines/results.h"

namespace noema {

/// One volume of an image.
struct VolumeChoice {
  std::filesystem::path file;
  /// Counted from 0; needed where the image has several.
  std::optional<std::int64_t> volume;
  /// The volume minus the mean of the others.
  bool against_others = false;
};

struct CompareImagesOptions {
  VolumeChoice first;
  VolumeChoice second;
  /// Which voxels; empty: those where either image is not zero.
  std::filesystem::path mask;
  /// Behind the maps of the report; empty: the mask.
  std::filesystem::path background;
  /// Smoothing of the first image.
  double fwhm_mm = 0;
  /// Grayordinates: meshes of the cortex that smoothing goes along and the report's maps are drawn on.
  std::vector<std::filesystem::path> surfaces;
  std::vector<MapPart> parts;
};

struct ImageComparison {
  std::vector<MapAgreement> rows;  // one for each part
  /// As they were compared, zero outside of the mask.
  Image first;
  Image second;
  Mask mask;
  Image background;
};

/// Voxels where either image has no number are left out, with a counted warning.
/// @throws ShapeError for images of different grids (names both files); UsageError for a volume that is not there, or
///   none chosen of several, or grayordinates to be smoothed without a mesh of each cortex; DataError for fewer than
///   three voxels
ImageComparison compare_images(const CompareImagesOptions& options);

/// Writes both maps, agreement.tsv, results.json and report.html.
void write_image_comparison(const std::filesystem::path& folder, const CompareImagesOptions& options,
                            const ImageComparison& comparison, const Provenance& provenance);

}  // namespace noema
