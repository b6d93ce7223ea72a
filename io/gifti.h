// io/gifti: GIFTI files: surface meshes, values of their vertices and labels.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "noema/io/cifti.h"
#include "noema/io/series.h"

namespace noema {

/// A mesh of triangles in space.
struct SurfaceMesh {
  /// (V, 3), RAS mm.
  Eigen::Matrix<double, Eigen::Dynamic, 3, Eigen::RowMajor> points_mm;
  /// (F, 3) vertices of each triangle, anticlockwise seen from outside.
  Eigen::Matrix<std::int32_t, Eigen::Dynamic, 3, Eigen::RowMajor> triangles;
  /// CIFTI's name such as "CIFTI_STRUCTURE_CORTEX_LEFT"; empty when the file does not say.
  std::string structure;

  std::int64_t vertices() const { return points_mm.rows(); }
};

/// What a data array of a GIFTI file holds, by its NIfTI intent code.
enum class GiftiIntent : int {
  none = 0,
  label = 1002,
  pointset = 1008,
  triangle = 1009,
  vector = 1007,
  time_series = 2001,
  rgb = 2003,
  rgba = 2004,
  shape = 2005,
};

/// One data array: values as doubles (all types of GIFTI fit), rows first.
struct GiftiArray {
  /// Any NIfTI intent code; GiftiIntent names the usual ones.
  int intent = 0;
  /// "uint8", "int32" or "float32" (or "float64", which some programs write).
  std::string type = "float32";
  std::vector<std::int64_t> shape;
  std::vector<double> values;
  /// Is there a coordinate transform that is not the identity?
  bool has_transform = false;
  /// Metadata such as {"Name", "AnatomicalStructurePrimary"}.
  std::map<std::string, std::string> metadata;

  std::int64_t rows() const { return shape.empty() ? 0 : shape.front(); }
};

struct Gifti {
  std::filesystem::path path;
  std::vector<GiftiArray> arrays;
  /// Ascending keys.
  std::vector<CiftiLabel> labels;
  std::map<std::string, std::string> metadata;
};

/// How `write_gifti` stores values.
enum class GiftiEncoding { ascii, base64, gzip };

/// Reads all arrays: ASCII, base64 and compressed base64, either byte order, row and column major, one or two
/// dimensions (a last one of length 1 counts). Data in external files is refused, as is anything that announces more
/// values than it brings.
/// @throws IoError; FormatError naming the array
Gifti read_gifti(const std::filesystem::path& path);

/// A mesh. The coordinates are taken as they are stored, as nibabel and Workbench take them; a coordinate transform
/// that is not the identity is warned about. @throws as read_gifti; FormatError unless there is one pointset (V, 3) of
/// finite numbers and one list of triangles (F, 3) of its vertices
SurfaceMesh read_surface(const std::filesystem::path& path);

/// Values of the vertices of one surface: (points, V), one row for each array (functional, shape or label files).
/// @throws as read_gifti; FormatError for a mesh, or arrays of different lengths
MatrixF read_vertex_values(const std::filesystem::path& path);

/// @throws UsageError unless the name ends in .gii; ShapeError for values that do not fit their shape; DataError for
/// values that the type cannot hold; IoError
void write_gifti(const std::filesystem::path& path, const Gifti& gifti, GiftiEncoding encoding = GiftiEncoding::gzip);

/// A mesh as .surf.gii. @throws as write_gifti
void write_surface(const std::filesystem::path& path, const SurfaceMesh& mesh);

/// Rows of values of the vertices as .func.gii (float32). @throws as write_gifti
void write_vertex_values(const std::filesystem::path& path, const MatrixF& values, const std::string& structure);

/// CIFTI's name for GIFTI's ("CortexLeft"), and back; a name that is not known is empty.
std::string cifti_structure(const std::string& gifti_name);
std::string gifti_structure(const std::string& cifti_name);

}  // namespace noema
