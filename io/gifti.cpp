#include "noema/io/gifti.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "noema/core/error.h"
#include "noema/core/log.h"

namespace noema {
namespace {

constexpr std::pair<const char*, const char*> kStructures[] = {
    {"CortexLeft", "CIFTI_STRUCTURE_CORTEX_LEFT"},
    {"CortexRight", "CIFTI_STRUCTURE_CORTEX_RIGHT"},
    {"CortexRightAndLeft", "CIFTI_STRUCTURE_CORTEX"},
    {"Cerebellum", "CIFTI_STRUCTURE_CEREBELLUM"},
};
constexpr const char* kStructureKey = "AnatomicalStructurePrimary";

bool is_mesh_part(int intent) {
  return intent == static_cast<int>(GiftiIntent::pointset) || intent == static_cast<int>(GiftiIntent::triangle);
}

/// The only array of an intent, which must have three columns.
const GiftiArray& triples(const Gifti& gifti, GiftiIntent intent, std::string_view what) {
  const GiftiArray* found = nullptr;
  for (const GiftiArray& array : gifti.arrays) {
    if (array.intent != static_cast<int>(intent)) continue;
    if (found != nullptr)
      throw FormatError(gifti.path, -1, fmt::format("found several arrays of {}, expected one", what));
    found = &array;
  }
  if (found == nullptr) {
    throw FormatError(gifti.path, -1,
                      fmt::format("found no array of {}, expected one; is it a surface (.surf.gii)?", what));
  }
  if (found->shape.size() != 2 || found->shape[1] != 3) {
    throw FormatError(gifti.path, -1, fmt::format("the array of {} has no three columns", what));
  }
  return *found;
}

std::string structure_of(const Gifti& gifti, const GiftiArray& points) {
  for (const auto* metadata : {&points.metadata, &gifti.metadata}) {
    if (const auto found = metadata->find(kStructureKey); found != metadata->end())
      return cifti_structure(found->second);
  }
  return {};
}

void check_mesh(const std::filesystem::path& path, const SurfaceMesh& mesh) {
  if (!mesh.points_mm.allFinite()) throw FormatError(path, -1, "a vertex has coordinates that are not finite");
  const std::int64_t vertices = mesh.vertices();
  for (Eigen::Index f = 0; f < mesh.triangles.rows(); ++f) {
    for (int corner = 0; corner < 3; ++corner) {
      const std::int32_t vertex = mesh.triangles(f, corner);
      if (vertex >= 0 && vertex < vertices) continue;
      throw FormatError(path, -1,
                        fmt::format("triangle {} has the vertex {}, but there are {}; the file is damaged or its two "
                                    "arrays are of different meshes",
                                    f, vertex, vertices));
    }
  }
}

GiftiArray array_of(GiftiIntent intent, std::string type, std::vector<std::int64_t> shape) {
  GiftiArray array;
  array.intent = static_cast<int>(intent);
  array.type = std::move(type);
  array.shape = std::move(shape);
  return array;
}

}  // namespace

std::string cifti_structure(const std::string& gifti_name) {
  for (const auto& [gifti, cifti] : kStructures) {
    if (gifti_name == gifti) return cifti;
  }
  return {};
}

std::string gifti_structure(const std::string& cifti_name) {
  for (const auto& [gifti, cifti] : kStructures) {
    if (cifti_name == cifti) return gifti;
  }
  return {};
}

SurfaceMesh read_surface(const std::filesystem::path& path) {
  const Gifti gifti = read_gifti(path);
  const GiftiArray& points = triples(gifti, GiftiIntent::pointset, "points (NIFTI_INTENT_POINTSET)");
  const GiftiArray& triangles = triples(gifti, GiftiIntent::triangle, "triangles (NIFTI_INTENT_TRIANGLE)");
  if (points.has_transform) {
    log_warning(
        fmt::format("'{}': the points have a coordinate transform, which was not applied (as nibabel and "
                    "Workbench do); they should be in millimetres of the volume already",
                    path.string()));
  }
  for (const double vertex : triangles.values) {
    if (!(vertex >= 0 && vertex <= std::numeric_limits<std::int32_t>::max() && vertex == std::floor(vertex))) {
      throw FormatError(path, -1,
                        fmt::format("a triangle names the vertex {:g}, expected whole numbers from 0", vertex));
    }
  }
  SurfaceMesh mesh;
  mesh.points_mm = Eigen::Map<const decltype(mesh.points_mm)>(points.values.data(), points.rows(), 3);
  mesh.triangles = Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, 3, Eigen::RowMajor>>(triangles.values.data(),
                                                                                               triangles.rows(), 3)
                       .cast<std::int32_t>();
  mesh.structure = structure_of(gifti, points);
  check_mesh(path, mesh);
  return mesh;
}

MatrixF read_vertex_values(const std::filesystem::path& path) {
  const Gifti gifti = read_gifti(path);
  MatrixF values;
  for (std::size_t a = 0; a < gifti.arrays.size(); ++a) {
    const GiftiArray& array = gifti.arrays[a];
    if (is_mesh_part(array.intent)) throw FormatError(path, -1, "found a mesh, expected values of vertices");
    const auto count = static_cast<Eigen::Index>(array.values.size());
    if (a == 0) values.resize(static_cast<Eigen::Index>(gifti.arrays.size()), count);
    if (array.rows() != static_cast<std::int64_t>(array.values.size()) || count != values.cols()) {
      throw FormatError(
          path, -1,
          fmt::format("array {} has {} values, expected {}, one for each vertex", a + 1, count, values.cols()));
    }
    values.row(static_cast<Eigen::Index>(a)) =
        Eigen::Map<const Eigen::VectorXd>(array.values.data(), count).transpose().cast<float>();
  }
  if (values.size() == 0) throw FormatError(path, -1, "found no data array, expected values of vertices");
  return values;
}

void write_surface(const std::filesystem::path& path, const SurfaceMesh& mesh) {
  Gifti gifti;
  GiftiArray points = array_of(GiftiIntent::pointset, "float32", {mesh.vertices(), 3});
  points.values.assign(mesh.points_mm.data(), mesh.points_mm.data() + mesh.points_mm.size());
  if (const std::string name = gifti_structure(mesh.structure); !name.empty()) points.metadata[kStructureKey] = name;
  GiftiArray triangles = array_of(GiftiIntent::triangle, "int32", {mesh.triangles.rows(), 3});
  triangles.values.assign(mesh.triangles.data(), mesh.triangles.data() + mesh.triangles.size());
  gifti.arrays = {std::move(points), std::move(triangles)};
  write_gifti(path, gifti);
}

void write_vertex_values(const std::filesystem::path& path, const MatrixF& values, const std::string& structure) {
  Gifti gifti;
  if (const std::string name = gifti_structure(structure); !name.empty()) gifti.metadata[kStructureKey] = name;
  for (Eigen::Index t = 0; t < values.rows(); ++t) {
    GiftiArray array = array_of(GiftiIntent::time_series, "float32", {values.cols()});
    array.values.assign(values.row(t).begin(), values.row(t).end());
    gifti.arrays.push_back(std::move(array));
  }
  write_gifti(path, gifti);
}

}  // namespace noema
