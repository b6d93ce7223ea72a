// Smoothing along a surface.
#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/preprocess/surface.h"

namespace noema {
namespace {

constexpr std::int64_t kGrain = 4096;

int passes_for(const SurfaceMesh& mesh, double fwhm_mm) {
  if (!(fwhm_mm >= 0) || !std::isfinite(fwhm_mm)) {
    throw UsageError(fmt::format("smoothing: found a width of {} mm, expected at least 0", fwhm_mm));
  }
  if (fwhm_mm == 0) return 0;
  const double area = mesh_area_mm2(mesh) / static_cast<double>(mesh.vertices());
  const double variance = fwhm_mm * fwhm_mm / std::log(256.0);
  return static_cast<int>(std::floor(1.14 * (4 * std::numbers::pi * variance) / (7 * area) + 0.5));
}

/// The neighbours among `vertices`, by their places.
MeshNeighbours among(const MeshNeighbours& all, std::span<const std::int32_t> vertices) {
  const auto count = static_cast<std::int32_t>(all.first.size()) - 1;
  std::vector<std::int32_t> place(static_cast<std::size_t>(count), -1);
  for (std::size_t i = 0; i < vertices.size(); ++i) {
    if (vertices[i] < 0 || vertices[i] >= count) {
      throw ShapeError(fmt::format(
          "values at vertex {} of a mesh of {} vertices; take the mesh that the values belong to", vertices[i], count));
    }
    place[static_cast<std::size_t>(vertices[i])] = static_cast<std::int32_t>(i);
  }
  MeshNeighbours kept;
  kept.first.push_back(0);
  for (const std::int32_t vertex : vertices) {
    const auto v = static_cast<std::size_t>(vertex);
    for (std::int64_t n = all.first[v]; n < all.first[v + 1]; ++n) {
      const std::int32_t neighbour = place[static_cast<std::size_t>(all.vertices[static_cast<std::size_t>(n)])];
      if (neighbour >= 0) kept.vertices.push_back(neighbour);
    }
    kept.first.push_back(static_cast<std::int64_t>(kept.vertices.size()));
  }
  return kept;
}

}  // namespace

SurfaceSmoother::SurfaceSmoother(const SurfaceMesh& mesh, double fwhm_mm, std::span<const std::int32_t> vertices)
    : passes_(passes_for(mesh, fwhm_mm)), neighbours_(mesh_neighbours(mesh)) {
  if (!vertices.empty()) neighbours_ = among(neighbours_, vertices);
}

void SurfaceSmoother::smooth_finite(const MeshNeighbours& neighbours, std::vector<double>& values) const {
  std::vector<double> next(values.size());
  for (int pass = 0; pass < passes_; ++pass) {
    parallel_for(static_cast<std::int64_t>(values.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (auto v = static_cast<std::size_t>(begin); v < static_cast<std::size_t>(end); ++v) {
        const std::int64_t first = neighbours.first[v], last = neighbours.first[v + 1];
        double sum = 0;
        for (std::int64_t n = first; n < last; ++n) {
          sum += values[static_cast<std::size_t>(neighbours.vertices[static_cast<std::size_t>(n)])];
        }
        next[v] = last > first ? 0.5 * values[v] + 0.5 * sum / static_cast<double>(last - first) : values[v];
      }
    });
    values.swap(next);
  }
}

template <class T>
void SurfaceSmoother::smooth(std::span<T> values) const {
  if (values.size() + 1 != neighbours_.first.size()) {
    throw ShapeError(
        fmt::format("{} values to smooth on a surface of {}", values.size(), neighbours_.first.size() - 1));
  }
  std::vector<std::int32_t> finite;
  std::vector<double> own;
  for (std::size_t v = 0; v < values.size(); ++v) {
    if (!std::isfinite(values[v])) continue;
    finite.push_back(static_cast<std::int32_t>(v));
    own.push_back(static_cast<double>(values[v]));
  }
  if (finite.size() == values.size()) {
    smooth_finite(neighbours_, own);
  } else {
    smooth_finite(among(neighbours_, finite), own);
  }
  for (std::size_t i = 0; i < own.size(); ++i) values[static_cast<std::size_t>(finite[i])] = static_cast<T>(own[i]);
}

void SurfaceSmoother::apply(std::span<float> values) const { smooth(values); }
void SurfaceSmoother::apply(std::span<double> values) const { smooth(values); }

}  // namespace noema
