// connectomics/geodesic: distances along folded surfaces, and the neighbours that smoothing along them needs.
#pragma once

#include <ATen/core/Tensor.h>

#include <limits>

#include "noema/connectomics/smoothing.h"

namespace noema {

/// What paths run along.
enum class MeshPaths {
  /// Edges alone (Dijkstra): never shorter than the shortest path on the mesh, up to a quarter longer on a sphere of
  /// triangles, √2 times across the diagonals of a grid of squares.
  edges,
  /// Also across triangles: each is laid flat with the source that the distances of two of its corners say (Novotni and
  /// Klein 2002). Exact on flat meshes of convex outline without obtuse triangles, folded or not; too short where the
  /// surface bulges, on a sphere of 2,562 vertices by at most 1.3 %, which halves with the length of edges.
  triangles,
};

struct GeodesicOptions {
  MeshPaths paths = MeshPaths::triangles;
  /// Farther vertices get ∞, and are not searched.
  double limit = std::numeric_limits<double>::infinity();
};

/// Distances from sources (S) int64 to all vertices (V, 3) of a mesh of triangles (F, 3) int64: (S, V) float64, ∞ where
/// nothing leads. No gradient; on the CPU, sources side by side. Cost about O(V log V) a source, less by the limit.
/// @throws ShapeError also for vertex numbers outside of the mesh; UsageError unless the limit is above 0; DataError
/// for
///   coordinates that are not finite; Cancelled
at::Tensor geodesic_distances(const at::Tensor& vertices, const at::Tensor& triangles, const at::Tensor& sources,
                              const GeodesicOptions& options = {});

/// All pairs of vertices within `reach` of one another along the mesh, each with itself, for `smooth_vertices`: by
/// rows, each in ascending order. The two directions of a pair may differ by the error of `paths`. The limit is the
/// reach.
/// @throws as above; UsageError unless the reach is finite and above 0
Neighbours geodesic_neighbours(const at::Tensor& vertices, const at::Tensor& triangles, double reach,
                               MeshPaths paths = MeshPaths::triangles);

}  // namespace noema
