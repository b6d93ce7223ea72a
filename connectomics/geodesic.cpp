// Dijkstra's search over edges, with distances across triangles; corrected again where a shorter way is found later.
#include "noema/connectomics/geodesic.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"

namespace noema {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();

/// A corner's triangle: the other two corners.
struct Opposite {
  std::size_t first, second;
};

struct Mesh {
  const double* points;                         // (V, 3)
  std::vector<std::vector<Opposite>> opposite;  // of each vertex
  double longest_edge = 0;

  std::size_t size() const { return opposite.size(); }
  double length(std::size_t a, std::size_t b) const {
    const double *p = points + 3 * a, *q = points + 3 * b;
    return std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
  }
};

at::Tensor checked_vertices(const at::Tensor& vertices) {
  require_dimensions(vertices, "vertices", 2, "(V, 3)");
  require_size(vertices, "vertices", 1, 3);
  if (vertices.dim() != 2) {
    throw ShapeError(fmt::format("vertices: found shape {}, expected (V, 3)", shape_text(vertices.sizes())));
  }
  const at::Tensor points = vertices.detach().to(at::kCPU, at::kDouble).contiguous();
  if (!points.isfinite().all().item<bool>()) throw DataError("vertices: found coordinates that are not finite");
  return points;
}

/// Whole numbers from 0 to below `size`.
at::Tensor checked_indices(const at::Tensor& indices, const char* name, std::int64_t size) {
  if (!indices.defined() || indices.scalar_type() != at::kLong) {
    throw ShapeError(fmt::format("{}: found no int64 tensor, expected one", name));
  }
  const at::Tensor copy = indices.to(at::kCPU).contiguous();
  if (copy.numel() > 0 && (copy.min().item<std::int64_t>() < 0 || copy.max().item<std::int64_t>() >= size)) {
    throw ShapeError(fmt::format("{}: found vertices {} to {}, expected 0 to {}", name, copy.min().item<std::int64_t>(),
                                 copy.max().item<std::int64_t>(), size - 1));
  }
  return copy;
}

Mesh mesh_of(const at::Tensor& points, const at::Tensor& triangles) {
  const at::Tensor faces = checked_indices(triangles, "triangles", points.size(0));
  if (faces.dim() != 2 || faces.size(1) != 3) {
    throw ShapeError(fmt::format("triangles: found shape {}, expected (F, 3)", shape_text(faces.sizes())));
  }
  Mesh mesh{points.const_data_ptr<double>(), {}, 0};
  mesh.opposite.resize(static_cast<std::size_t>(points.size(0)));
  const std::int64_t* corner = faces.const_data_ptr<std::int64_t>();
  for (std::int64_t f = 0; f < faces.size(0); ++f, corner += 3) {
    for (int k = 0; k < 3; ++k) {
      const auto a = static_cast<std::size_t>(corner[k]), b = static_cast<std::size_t>(corner[(k + 1) % 3]);
      mesh.opposite[a].push_back({b, static_cast<std::size_t>(corner[(k + 2) % 3])});
      mesh.longest_edge = std::max(mesh.longest_edge, mesh.length(a, b));
    }
  }
  return mesh;
}

/// The distance of corner c from the point in the triangle's plane beyond the edge a – b that is `from_a` and `from_b`
/// away from its ends; ∞ unless the way crosses that edge.
double across(const Mesh& mesh, std::size_t a, std::size_t b, std::size_t c, double from_a, double from_b) {
  const double base = mesh.length(a, b), side = mesh.length(a, c), other = mesh.length(b, c);
  if (base == 0 || std::abs(from_a - from_b) > base) return kFar;
  // In the plane with a at the origin and b on the first axis.
  const auto along = [base](double to_a, double to_b) {
    return (to_a * to_a - to_b * to_b + base * base) / (2 * base);
  };
  const auto beside = [](double to_a, double first) { return std::sqrt(std::max(0.0, to_a * to_a - first * first)); };
  const double source_x = along(from_a, from_b), source_y = -beside(from_a, source_x);
  const double corner_x = along(side, other), corner_y = beside(side, corner_x);
  if (corner_y - source_y <= 0) return kFar;
  const double crossing = source_x - source_y / (corner_y - source_y) * (corner_x - source_x);
  if (crossing < 0 || crossing > base) return kFar;
  return std::hypot(corner_x - source_x, corner_y - source_y);
}

/// Searches from one source after another in the same memory.
class Search {
 public:
  Search(const Mesh& mesh, const GeodesicOptions& options)
      : mesh_(mesh), options_(options), distance_(mesh.size(), kFar) {}

  /// Of every vertex; those in `reached` alone may be finite.
  const std::vector<double>& from(std::size_t source) {
    for (const std::size_t vertex : reached_) distance_[vertex] = kFar;
    reached_.clear();
    shorten(source, 0);
    while (!next_.empty()) {
      const auto [far, vertex] = next_.top();
      next_.pop();
      if (far > distance_[vertex]) continue;
      for (const Opposite& triangle : mesh_.opposite[vertex]) spread(vertex, triangle);
    }
    for (const std::size_t vertex : reached_) {
      if (distance_[vertex] > options_.limit) distance_[vertex] = kFar;
    }
    return distance_;
  }
  const std::vector<std::size_t>& reached() const { return reached_; }

 private:
  void spread(std::size_t vertex, const Opposite& triangle) {
    const auto [a, b] = triangle;
    shorten(a, distance_[vertex] + mesh_.length(vertex, a));
    shorten(b, distance_[vertex] + mesh_.length(vertex, b));
    if (options_.paths == MeshPaths::edges) return;
    shorten(b, across(mesh_, vertex, a, b, distance_[vertex], distance_[a]));
    shorten(a, across(mesh_, vertex, b, a, distance_[vertex], distance_[b]));
  }

  /// Vertices up to an edge beyond the limit are searched too: triangles at the limit have corners there.
  void shorten(std::size_t vertex, double distance) {
    if (!(distance <= options_.limit + mesh_.longest_edge)) return;
    // Not for rounding alone, which could go on for ever.
    if (distance_[vertex] != kFar && !(distance < distance_[vertex] * (1 - 1e-13))) return;
    if (distance_[vertex] == kFar) reached_.push_back(vertex);
    distance_[vertex] = distance;
    next_.emplace(distance, vertex);
  }

  using Entry = std::pair<double, std::size_t>;

  const Mesh& mesh_;
  GeodesicOptions options_;
  std::vector<double> distance_;
  std::vector<std::size_t> reached_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> next_;
};

}  // namespace

at::Tensor geodesic_distances(const at::Tensor& vertices, const at::Tensor& triangles, const at::Tensor& sources,
                              const GeodesicOptions& options) {
  if (!(options.limit > 0)) {
    throw UsageError(fmt::format("geodesics: found a limit of {}, expected one above 0", options.limit));
  }
  const at::Tensor points = checked_vertices(vertices);
  const Mesh mesh = mesh_of(points, triangles);
  const at::Tensor from = checked_indices(sources, "sources", points.size(0));
  if (from.dim() != 1) {
    throw ShapeError(fmt::format("sources: found shape {}, expected (S)", shape_text(from.sizes())));
  }
  at::Tensor result = at::full({from.size(0), points.size(0)}, kFar, at::kDouble);
  double* rows = result.mutable_data_ptr<double>();
  const std::int64_t* source = from.const_data_ptr<std::int64_t>();
  parallel_for(from.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    Search search(mesh, options);
    for (std::int64_t s = begin; s < end; ++s) {
      check_cancelled();
      const std::vector<double>& found = search.from(static_cast<std::size_t>(source[s]));
      std::copy(found.begin(), found.end(), rows + s * points.size(0));
    }
  });
  return result;
}

Neighbours geodesic_neighbours(const at::Tensor& vertices, const at::Tensor& triangles, double reach, MeshPaths paths) {
  if (!(reach > 0 && std::isfinite(reach))) {
    throw UsageError(fmt::format("neighbours: found reach {}, expected a finite one above 0", reach));
  }
  const at::Tensor points = checked_vertices(vertices);
  const Mesh mesh = mesh_of(points, triangles);
  const std::int64_t count = points.size(0);
  std::vector<std::vector<std::pair<std::int64_t, double>>> near(static_cast<std::size_t>(count));
  parallel_for(count, 16, [&](std::int64_t begin, std::int64_t end) {
    Search search(mesh, {.paths = paths, .limit = reach});
    for (std::int64_t v = begin; v < end; ++v) {
      check_cancelled();
      const std::vector<double>& found = search.from(static_cast<std::size_t>(v));
      auto& row = near[static_cast<std::size_t>(v)];
      for (const std::size_t u : search.reached()) {
        if (found[u] != kFar) row.emplace_back(static_cast<std::int64_t>(u), found[u]);
      }
      std::sort(row.begin(), row.end());
    }
  });
  std::int64_t pairs = 0;
  for (const auto& row : near) pairs += static_cast<std::int64_t>(row.size());
  const at::Tensor from = at::empty({pairs}, at::kLong), to = at::empty({pairs}, at::kLong);
  const at::Tensor distance = at::empty({pairs}, at::kDouble);
  auto* f = from.mutable_data_ptr<std::int64_t>();
  auto* t = to.mutable_data_ptr<std::int64_t>();
  auto* d = distance.mutable_data_ptr<double>();
  for (std::size_t v = 0; v < near.size(); ++v) {
    for (const auto& [u, apart] : near[v]) {
      *f++ = static_cast<std::int64_t>(v);
      *t++ = u;
      *d++ = apart;
    }
  }
  return {{from, to, at::ones_like(distance), count, count}, distance};
}

}  // namespace noema
