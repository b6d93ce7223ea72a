// preprocess/surface: values on cortex meshes: sampling volumes at vertices, and smoothing along the surface.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "noema/io/gifti.h"
#include "noema/io/image.h"

namespace noema {

/// (V, 3): the sum of the unit normals of the triangles around each vertex, of length 1; 0 for vertices without
/// triangles. Triangles run anticlockwise seen from where their normal points to.
Eigen::Matrix<double, Eigen::Dynamic, 3, Eigen::RowMajor> vertex_normals(const SurfaceMesh& mesh);

/// Half the sum of the lengths of the edges' cross products.
double mesh_area_mm2(const SurfaceMesh& mesh);

/// The vertices that share an edge with each vertex: those of vertex v are `vertices[first[v]]` …
/// `vertices[first[v+1]-1]`, ascending.
struct MeshNeighbours {
  std::vector<std::int64_t> first;
  std::vector<std::int32_t> vertices;
};
MeshNeighbours mesh_neighbours(const SurfaceMesh& mesh);

/// Where a volume is sampled around each vertex.
enum class SurfaceSampling {
  line,   ///< along the normal, from radius outwards to radius inwards
  ball,   ///< spread evenly in a ball
  depth,  ///< between the vertex and the same vertex of an inner mesh
};

struct SurfaceSampleOptions {
  SurfaceSampling kind = SurfaceSampling::line;
  double radius_mm = 3;
  /// Default: 10 for lines and depths, 20 for balls. Not together with `depths`.
  std::optional<int> samples;
  /// line and depth: places instead of evenly spread ones, as fractions: of the radius inwards (line; negative:
  /// outwards), or of the way to the inner mesh.
  std::vector<double> depths;
  /// depth: the inner mesh, vertex by vertex across the grey matter.
  const SurfaceMesh* inner = nullptr;
  /// Labels: the most frequent value of the nearest voxels (of equally frequent ones the smallest) instead of the mean
  /// of interpolated values.
  bool labels = false;
  /// Samples outside of it are left out; null: all voxels of the volume. On the volume's grid.
  const Mask* mask = nullptr;

  /// @throws UsageError for options that do not fit (no inner mesh, depths in a ball or with a number of samples, no
  /// sample); ShapeError for an inner mesh of another number of vertices
  void validate(const SurfaceMesh& mesh) const;
};

/// Takes the values of volumes of one grid at the vertices of a mesh in the same space: the mean of the samples around
/// each, by trilinear interpolation. Samples outside the volume (below the first voxel's centre, or a whole voxel
/// beyond the last one's) or the mask, and NaN, are left out; a vertex without any gets NaN. Source:
/// nilearn.surface.vol_to_surf, except that the samples in a ball are spread by the golden angle, each with its
/// opposite. Memory: 24 bytes for each sample.
class SurfaceSampler {
 public:
  /// @throws as `options.validate`; ShapeError for a mask that does not fit the grid
  SurfaceSampler(const Grid& grid, const SurfaceMesh& mesh, const SurfaceSampleOptions& options = {});

  std::int64_t vertices() const { return vertices_; }
  /// (V), parallel over vertices. @throws ShapeError unless there is a value for each voxel
  std::vector<double> apply(std::span<const float> volume) const;

 private:
  Grid grid_;
  bool labels_ = false;
  std::int64_t vertices_ = 0;
  /// Samples of one vertex after the other, in voxels.
  std::vector<Eigen::Vector3d> places_;
  /// Of each voxel: 1 inside of the mask; empty without one.
  std::vector<std::uint8_t> inside_;
};

/// The same for one volume. @throws as SurfaceSampler
std::vector<double> sample_volume(const Grid& grid, std::span<const float> volume, const SurfaceMesh& mesh,
                                  const SurfaceSampleOptions& options = {});

/// Smooths values along a surface: each pass takes half of a vertex's value and half of the mean of its neighbours'.
///
/// The number of passes is ⌊1.14·4π·σ²/(7·A) + ½⌋ with σ = FWHM/√(ln 256) and A the mesh's area for each vertex, which
/// gives about the FWHM (FreeSurfer's rule, as nilearn takes it). Vertices without values (the medial wall) do not take
/// part, those without neighbours keep their value. Values that are not finite stay as they are and count for nothing:
/// the mean is that of the finite neighbours.
class SurfaceSmoother {
 public:
  /// @param vertices  where there are values, in their order; empty: all vertices.
  /// @throws UsageError for a width that is negative or not finite; ShapeError for vertices that are not there
  SurfaceSmoother(const SurfaceMesh& mesh, double fwhm_mm, std::span<const std::int32_t> vertices = {});

  int passes() const { return passes_; }
  /// @throws ShapeError unless there is a value for each vertex
  void apply(std::span<float> values) const;
  void apply(std::span<double> values) const;

 private:
  template <class T>
  void smooth(std::span<T> values) const;
  /// All passes over values that are all finite.
  void smooth_finite(const MeshNeighbours& neighbours, std::vector<double>& values) const;
  int passes_ = 0;
  /// Of the vertices with values, by their place.
  MeshNeighbours neighbours_;
};

}  // namespace noema
