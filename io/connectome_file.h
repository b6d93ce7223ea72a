// io/connectome_file: connectivity matrices of many runs in one HDF5 file, with the names and places of their regions.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "noema/io/series.h"

namespace noema {

/// A region of the matrices.
struct ConnectomeRegion {
  std::string name;
  /// Its centre in RAS millimetres; NaN where it has none.
  std::array<double, 3> ras_mm{0, 0, 0};
  /// Voxels (grayordinates, voxels of weight in a map) that it is made of.
  std::int64_t voxels = 0;
};

/// One measure of connectivity.
struct ConnectomeMatrices {
  /// "correlation", "tangent" …
  std::string kind;
  /// One (R, R) matrix for each run.
  std::vector<MatrixD> runs;
  MatrixD group;
};

/// Schema: docs/connectome-file.md.
struct ConnectomeFile {
  std::vector<ConnectomeRegion> regions;
  std::vector<std::string> runs;
  /// Of each run.
  std::vector<std::string> subjects;
  std::vector<ConnectomeMatrices> kinds;
  /// JSON.
  std::string provenance = "{}";
};

/// Writes all or nothing. @throws ShapeError if a matrix does not fit the regions, or there is not one for each run;
/// IoError
void write_connectome_file(const std::filesystem::path& path, const ConnectomeFile& content);

/// Whether an HDF5 file says that it is one of these. @throws IoError, FormatError for what is no HDF5
bool is_connectome_file(const std::filesystem::path& path);

/// @throws IoError; FormatError for a file of another kind, cut off or damaged (a fingerprint does not fit)
ConnectomeFile read_connectome_file(const std::filesystem::path& path);

}  // namespace noema
