// io/atlas: named regions of the brain and what becomes of them within a mask.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "noema/io/image.h"
#include "noema/io/series.h"

namespace noema {

/// Regions of the brain: a label for each voxel, or a weight for each voxel and region.
struct Atlas {
  /// parcels (3-D, labels) or maps (4-D, weights).
  FeatureKind kind = FeatureKind::parcels;
  /// parcels: one volume of ids, 0 where there is no region. maps: one volume for each region.
  Image image;
  /// Ascending ids of the regions that occur (gaps allowed); maps: 1 … number of volumes.
  std::vector<std::int32_t> ids;
  /// One name for each id, all different.
  std::vector<std::string> names;
  /// Fingerprint of values, grid and names.
  std::string hash;
};

/// Reads an atlas: a dlabel file of CIFTI (its first map; names and ids of its table of labels), or one volume of whole
/// numbers (of any stored type, 0 the background, ids may have gaps), or several
/// volumes of weights.
///
/// Names come from `names`, else from a table beside the image (same name, ending .tsv, .lut, .txt or .csv; BIDS tables
/// also without `res-` and `den-`), else they are `region_<id>`. Tables: BIDS (columns index and name), CSV with a
/// column of ids and one of names, lines `id name …` (FreeSurfer, Schaefer), lines `id r g b name` (FSL), or names and
/// `id r g b a` on alternate lines (Workbench). A region without a row is named `region_<id>`, with one warning;
/// regions that share a name get `_<id>` behind it, with one warning. For maps the rows, by id, are the maps in order.
/// @throws IoError; FormatError for labels that are no whole numbers in [0, 2^24], no region at all, a table that
/// cannot be
///         read (names the line) or that does not fit the number of maps.
Atlas read_atlas(const std::filesystem::path& path, const std::filesystem::path& names = {});

/// An atlas from an image in memory; `names` empty, or one for each id in ascending order.
/// @throws DataError, ShapeError as above.
Atlas make_atlas(Image image, std::vector<std::string> names = {});

/// The regions of an atlas within a mask, as features.
///
/// Regions without a voxel (or weight) in the mask are dropped; one warning names them. An atlas of grayordinates may
/// list others than the mask's grid does (the medial wall, no deep structures): each is found by its vertex or place.
/// @throws ShapeError if the grids differ (names both and the remedy), or surfaces of grayordinates have other numbers
/// of vertices; DataError if no region is left.
FeatureSpace make_feature_space(const Atlas& atlas, const Mask& mask);

/// Divides a mask into `count` parcels of about equal size, named parcel-001 …: a stand-in where there is no atlas.
///
/// k-means on voxel positions in mm, with weights that even out the sizes, from seeds drawn by `seed`; afterwards each
/// parcel is made connected through faces, except for islands of the mask that hold no centre, which join the nearest
/// parcel. Parcels are numbered by their first voxel. The result does not depend on the thread count. Cost O(voxels ·
/// count) for the seeds, then 60 rounds in which a voxel meets only the parcels near it.
/// @throws UsageError unless 1 ≤ count ≤ voxels of the mask.
Atlas geometric_parcels(const Mask& mask, int count, std::uint64_t seed = 0);

}  // namespace noema
