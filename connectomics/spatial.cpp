// Distances from differences, with a gradient of 0 where they have a kink.
#include "noema/connectomics/spatial.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/atan2.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/triu_indices.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"

namespace noema {
namespace {

/// √s, with gradient 0 at s = 0.
at::Tensor safe_root(const at::Tensor& square) {
  const at::Tensor zero = square == 0;
  return at::where(zero, at::zeros_like(square), at::where(zero, at::ones_like(square), square).sqrt());
}

/// Σ_d (a_d + sign·b_d)², one axis at a time so that no (…, D) difference of all pairs is held.
at::Tensor square_sum(const at::Tensor& a, const at::Tensor& b, double sign) {
  at::Tensor total;
  for (std::int64_t d = 0; d < a.size(-1); ++d) {
    const at::Tensor step = a.select(-1, d) + sign * b.select(-1, d);
    total = total.defined() ? total + step * step : step * step;
  }
  return total;
}

at::Tensor unit_vectors(const at::Tensor& points) {
  const at::Tensor length = safe_root((points * points).sum(-1, true));
  return points / at::where(length == 0, at::ones_like(length), length);
}

/// Of points that broadcast.
at::Tensor distance_of(const at::Tensor& a, const at::Tensor& b, Geometry geometry) {
  if (geometry == Geometry::euclidean) return safe_root(square_sum(a, b, -1));
  // Kahan's angle, accurate for all angles: 2·atan2(|u − v|, |u + v|) of unit vectors.
  const at::Tensor u = unit_vectors(a), v = unit_vectors(b);
  const at::Tensor radius = safe_root((a * a).sum(-1));
  return 2 * radius * at::atan2(safe_root(square_sum(u, v, -1)), safe_root(square_sum(u, v, 1)));
}

void require_points(const at::Tensor& points, std::string_view name, std::int64_t dimensions, Geometry geometry) {
  require_dimensions(points, name, dimensions, dimensions == 1 ? "(…, D)" : "(…, N, D)");
  if (points.size(-1) == 0) throw ShapeError(fmt::format("{}: found no coordinates, expected (…, D)", name));
  if (geometry == Geometry::spherical) require_size(points, name, -1, 3);
}

struct Centred {
  at::Tensor centres;  // (…, P, D)
  at::Tensor total;    // (…, P), 1 for empty parcels
};

Centred centred(const at::Tensor& weights, const at::Tensor& coordinates, Geometry geometry) {
  require_dimensions(weights, "parcel weights", 2, "(…, P, V)");
  require_points(coordinates, "coordinates", 2, geometry);
  require_size(coordinates, "coordinates", -2, weights.size(-1));
  const at::Tensor points = coordinates.to(weights.scalar_type());
  const at::Tensor sum = weights.sum(-1);
  const at::Tensor total = at::where(sum == 0, at::ones_like(sum), sum);
  at::Tensor centres = weights.matmul(points) / total.unsqueeze(-1);
  if (geometry == Geometry::spherical) centres = unit_vectors(centres) * points[0].norm();
  return {centres, total};
}

/// Places of the smallest distances, ascending, of equals the first: as many as `places` holds.
void smallest_of(std::span<const double> distances, std::span<std::int64_t> places) {
  std::vector<std::pair<double, std::int64_t>> best;  // a heap with the largest on top
  best.reserve(places.size());
  for (std::size_t i = 0; i < distances.size(); ++i) {
    const std::pair one{std::isnan(distances[i]) ? std::numeric_limits<double>::infinity() : distances[i],
                        static_cast<std::int64_t>(i)};
    if (best.size() == places.size()) {
      if (one >= best.front()) continue;
      std::pop_heap(best.begin(), best.end());
      best.back() = one;
    } else {
      best.push_back(one);
    }
    std::push_heap(best.begin(), best.end());
  }
  std::sort_heap(best.begin(), best.end());
  for (std::size_t k = 0; k < places.size(); ++k) places[k] = best[k].second;
}

}  // namespace

at::Tensor distance_matrix(const at::Tensor& a, const at::Tensor& b, Geometry geometry) {
  require_points(a, "points", 2, geometry);
  require_points(b, "points", 2, geometry);
  require_size(b, "points", -1, a.size(-1));
  return distance_of(a.unsqueeze(-2), b.unsqueeze(-3), geometry);
}

at::Tensor point_distance(const at::Tensor& a, const at::Tensor& b, Geometry geometry) {
  require_points(a, "points", 1, geometry);
  require_points(b, "points", 1, geometry);
  require_size(b, "points", -1, a.size(-1));
  return distance_of(a, b, geometry);
}

at::Tensor parcel_centres(const at::Tensor& weights, const at::Tensor& coordinates, Geometry geometry) {
  return centred(weights, coordinates, geometry).centres;
}

at::Tensor nearest_centres(const at::Tensor& coordinates, const at::Tensor& centres, std::int64_t count,
                           Geometry geometry) {
  require_dimensions(coordinates, "coordinates", 2, "(V, D)");
  require_dimensions(centres, "centres", 2, "(P, D)");
  if (count < 1 || count > centres.size(0)) {
    throw UsageError(
        fmt::format("nearest centres: found a count of {}, expected 1 to {}, the centres", count, centres.size(0)));
  }
  const std::int64_t points = coordinates.size(0), parcels = centres.size(0), block = 4096;
  at::Tensor result = at::empty({points, count}, at::kLong);
  for (std::int64_t first = 0; first < points; first += block) {
    const at::Tensor some = coordinates.detach().slice(0, first, std::min(first + block, points));
    const at::Tensor distances =
        distance_matrix(some, centres.detach(), geometry).to(at::kCPU, at::kDouble).contiguous();
    const double* of_points = distances.const_data_ptr<double>();
    std::int64_t* nearest = result.mutable_data_ptr<std::int64_t>() + first * count;
    parallel_for(some.size(0), 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        smallest_of({of_points + i * parcels, static_cast<std::size_t>(parcels)},
                    {nearest + i * count, static_cast<std::size_t>(count)});
      }
    });
  }
  return result.to(coordinates.device());
}

at::Tensor compactness(const at::Tensor& weights, const at::Tensor& coordinates, Geometry geometry, double floor) {
  const Centred parcels = centred(weights, coordinates, geometry);
  const at::Tensor points = coordinates.to(weights.scalar_type());
  const at::Tensor distance = distance_matrix(parcels.centres, points, geometry);  // (…, P, V)
  return (weights * at::relu(distance - floor)).sum(-1) / parcels.total;
}

at::Tensor dispersion(const at::Tensor& centres, Geometry geometry) {
  require_points(centres, "centres", 2, geometry);
  const std::int64_t parcels = centres.size(-2);
  if (parcels < 2) throw ShapeError(fmt::format("centres: found {} parcels, expected at least two", parcels));
  const at::Tensor pairs = at::triu_indices(parcels, parcels, 1, at::TensorOptions(at::kLong).device(centres.device()));
  return -distance_of(centres.index_select(-2, pairs[0]), centres.index_select(-2, pairs[1]), geometry);
}

at::Tensor tether(const at::Tensor& centres, const at::Tensor& references, Geometry geometry) {
  require_points(centres, "centres", 2, geometry);
  require_points(references, "reference centres", 2, geometry);
  require_size(references, "reference centres", -2, centres.size(-2));
  return point_distance(centres, references.to(centres.scalar_type()), geometry);
}

at::Tensor interhemispheric_tether(const at::Tensor& left_centres, const at::Tensor& right_centres, Geometry geometry) {
  require_points(left_centres, "left centres", 2, geometry);
  at::Tensor mirror = at::ones({left_centres.size(-1)}, left_centres.options().requires_grad(false));
  mirror[0] = -1;
  return tether(right_centres, left_centres * mirror, geometry);
}

}  // namespace noema
