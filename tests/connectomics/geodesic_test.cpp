// Geodesics against closed forms: straight lines on flat meshes, great circles, a folded strip.
#include "noema/connectomics/geodesic.h"

#include <ATen/ops/full.h>
#include <ATen/ops/min.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <utility>

#include "gradient_check.h"
#include "noema/core/error.h"

namespace noema {
namespace {

struct TestMesh {
  at::Tensor vertices, triangles;
};

TestMesh mesh(const std::vector<double>& points, const std::vector<std::int64_t>& corners) {
  return {at::tensor(points, at::kDouble).reshape({-1, 3}), at::tensor(corners, at::kLong).reshape({-1, 3})};
}

/// n × m squares of side 1 in the plane, each cut in two along the same diagonal; folded by a right angle at `fold`.
TestMesh grid(std::int64_t n, std::int64_t m, std::int64_t fold = 1000) {
  std::vector<double> points;
  std::vector<std::int64_t> corners;
  for (std::int64_t i = 0; i <= n; ++i) {
    for (std::int64_t j = 0; j <= m; ++j) {
      const auto flat = static_cast<double>(std::min(i, fold)),
                 up = static_cast<double>(std::max<std::int64_t>(i - fold, 0));
      points.insert(points.end(), {flat, static_cast<double>(j), up});
      if (i == n || j == m) continue;
      const std::int64_t v = i * (m + 1) + j;
      corners.insert(corners.end(), {v, v + m + 1, v + m + 2, v, v + m + 2, v + 1});
    }
  }
  return mesh(points, corners);
}

/// An icosahedron whose triangles are cut in four so many times, on a sphere of radius 10.
TestMesh icosphere(int cuts) {
  const double g = std::numbers::phi;
  std::vector<double> points{-1, g,  0,  1, g, 0,  -1, -g, 0,  1, -g, 0, 0,  -1, g,  0,  1, g,
                             0,  -1, -g, 0, 1, -g, g,  0,  -1, g, 0,  1, -g, 0,  -1, -g, 0, 1};
  std::vector<std::int64_t> corners{0, 11, 5,  0, 5,  1, 0, 1, 7, 0, 7,  10, 0, 10, 11, 1, 5, 9, 5, 11,
                                    4, 11, 10, 2, 10, 7, 6, 7, 1, 8, 3,  9,  4, 3,  4,  2, 3, 2, 6, 3,
                                    6, 8,  3,  8, 9,  4, 9, 5, 2, 4, 11, 6,  2, 10, 8,  6, 7, 9, 8, 1};
  for (int cut = 0; cut < cuts; ++cut) {
    std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> middles;
    const auto middle = [&](std::int64_t a, std::int64_t b) {
      const auto [entry, fresh] = middles.try_emplace(std::minmax(a, b), static_cast<std::int64_t>(points.size() / 3));
      for (std::int64_t k = 0; fresh && k < 3; ++k) {
        points.push_back(points[static_cast<std::size_t>(3 * a + k)] / 2 +
                         points[static_cast<std::size_t>(3 * b + k)] / 2);
      }
      return entry->second;
    };
    std::vector<std::int64_t> finer;
    for (std::size_t f = 0; f < corners.size(); f += 3) {
      const std::int64_t a = corners[f], b = corners[f + 1], c = corners[f + 2];
      const std::int64_t ab = middle(a, b), bc = middle(b, c), ca = middle(c, a);
      finer.insert(finer.end(), {a, ab, ca, b, bc, ab, c, ca, bc, ab, bc, ca});
    }
    corners = finer;
  }
  TestMesh result = mesh(points, corners);
  result.vertices = 10 * result.vertices / result.vertices.norm(2, {1}, true);
  return result;
}

const at::Tensor kFirst = at::zeros({1}, at::kLong);

TEST(Geodesics, StraightLinesOnAFlatGrid) {
  const TestMesh flat = grid(9, 7);
  const at::Tensor sources = at::tensor({0, 7, 35, 79}, at::kLong);  // corners and the middle
  const at::Tensor expected = distance_matrix(flat.vertices.index_select(0, sources), flat.vertices);
  EXPECT_LT(largest_difference(geodesic_distances(flat.vertices, flat.triangles, sources), expected), 1e-12);
  // Along edges: as many diagonal steps as go one way, no diagonals the other way.
  const at::Tensor along = geodesic_distances(flat.vertices, flat.triangles, kFirst, {.paths = MeshPaths::edges})[0];
  const at::Tensor x = flat.vertices.select(1, 0), y = flat.vertices.select(1, 1);
  const at::Tensor steps = std::numbers::sqrt2 * at::min(x, y) + (x - y).abs();
  EXPECT_LT(largest_difference(along, steps), 1e-12);
  const at::Tensor against =
      geodesic_distances(flat.vertices, flat.triangles, at::tensor({7}, at::kLong), {.paths = MeshPaths::edges})[0];
  EXPECT_LT(largest_difference(against, x + 7 - y), 1e-12);
}

TEST(Geodesics, FoldingChangesNothing) {
  const TestMesh flat = grid(8, 6), folded = grid(8, 6, 4);
  const at::Tensor d = geodesic_distances(folded.vertices, folded.triangles, kFirst);
  EXPECT_LT(largest_difference(d[0], flat.vertices.norm(2, {1})), 1e-12);
  EXPECT_GT(d[0][62].item<double>(), folded.vertices[62].norm().item<double>() + 1);
}

TEST(Geodesics, GreatCircles) {
  const TestMesh sphere = icosphere(4);
  ASSERT_EQ(sphere.vertices.size(0), 2562);
  const at::Tensor sources = at::tensor({0, 100, 2000}, at::kLong);
  const at::Tensor exact =
      distance_matrix(sphere.vertices.index_select(0, sources), sphere.vertices, Geometry::spherical);
  const at::Tensor away = exact > 0, scale = at::where(away, exact, 1.0);
  const auto error = [&](MeshPaths paths) {
    return ((geodesic_distances(sphere.vertices, sphere.triangles, sources, {.paths = paths}) - exact) / scale);
  };
  EXPECT_LT(error(MeshPaths::triangles).abs().max().item<double>(), 0.013);
  EXPECT_LT(error(MeshPaths::triangles).abs().mean().item<double>(), 0.01);
  // Along edges paths are longer, by far more.
  EXPECT_GT(error(MeshPaths::edges).max().item<double>(), 0.15);
  EXPECT_LT(error(MeshPaths::edges).max().item<double>(), 0.25);
  EXPECT_GT(error(MeshPaths::edges).min().item<double>(), -0.0005);
  // Edges of four times the length: errors three times as large and more.
  const TestMesh coarse = icosphere(2);
  const at::Tensor from_pole = distance_matrix(coarse.vertices.slice(0, 0, 1), coarse.vertices, Geometry::spherical);
  const at::Tensor found = geodesic_distances(coarse.vertices, coarse.triangles, kFirst);
  const at::Tensor fine = (error(MeshPaths::triangles)[0] * exact[0]).abs().max();
  EXPECT_GT(largest_difference(found, from_pole), 3 * fine.item<double>());
}

TEST(Geodesics, LimitsAndPieces) {
  const TestMesh flat = grid(9, 7);
  const at::Tensor all = geodesic_distances(flat.vertices, flat.triangles, kFirst);
  const at::Tensor near = geodesic_distances(flat.vertices, flat.triangles, kFirst, {.limit = 4});
  EXPECT_TRUE((near < std::numeric_limits<double>::infinity()).equal(all <= 4));
  EXPECT_LT(largest_difference(near.masked_select(all <= 4), all.masked_select(all <= 4)), 1e-12);
  // A second grid that nothing leads to.
  const at::Tensor vertices = at::cat({flat.vertices, flat.vertices + 100});
  const at::Tensor triangles = at::cat({flat.triangles, flat.triangles + 80});
  const at::Tensor d = geodesic_distances(vertices, triangles, at::tensor({0, 80}, at::kLong));
  EXPECT_TRUE(d[0].slice(0, 80).isinf().all().item<bool>());
  EXPECT_LT(largest_difference(d[1].slice(0, 80), all[0]), 1e-12);
}

// On a sphere neighbours along the mesh smooth as those along great circles do; on a folded sheet points that are near
// in space alone do not mix.
TEST(Geodesics, NeighboursForSmoothing) {
  const TestMesh sphere = icosphere(3);
  const Neighbours along = geodesic_neighbours(sphere.vertices, sphere.triangles, 4);
  const Neighbours circles = neighbours_within(sphere.vertices, 4, Geometry::spherical);
  const at::Tensor series = made_up({642, 3}), sigma = at::full({}, 1.0, at::kDouble);
  EXPECT_LT(largest_difference(smooth_vertices(series, along, sigma), smooth_vertices(series, circles, sigma)), 0.02);
  EXPECT_NEAR(static_cast<double>(along.distance.numel()) / static_cast<double>(circles.distance.numel()), 1, 0.06);
  const at::Tensor constant = at::full({642, 1}, 3, at::kDouble);
  EXPECT_LT(largest_difference(smooth_vertices(constant, along, sigma), constant), 1e-12);
  // Two sheets that lie on each other, joined at one end.
  TestMesh sheet = grid(20, 2);
  const at::Tensor x = sheet.vertices.select(1, 0).clone();
  sheet.vertices.select(1, 0).copy_((x - 10).abs());
  sheet.vertices.select(1, 2).copy_((x > 10).to(at::kDouble) * 0.01);
  const Neighbours pairs = geodesic_neighbours(sheet.vertices, sheet.triangles, 3);
  const at::Tensor apart = (x.index_select(0, pairs.pairs.parcel) - x.index_select(0, pairs.pairs.voxel)).abs();
  EXPECT_LT(apart.max().item<double>(), 3.01);
  EXPECT_GT(pairs.distance.numel(), 63 * 9);
}

TEST(Geodesics, WrongInputs) {
  const TestMesh flat = grid(2, 2);
  EXPECT_THROW(geodesic_distances(flat.vertices, flat.triangles, at::tensor({9}, at::kLong)), ShapeError);
  EXPECT_THROW(geodesic_distances(flat.vertices, flat.triangles + 1, kFirst), ShapeError);
  EXPECT_THROW(geodesic_distances(flat.vertices, flat.triangles.to(at::kDouble), kFirst), ShapeError);
  EXPECT_THROW(geodesic_distances(flat.vertices.slice(1, 0, 2), flat.triangles, kFirst), ShapeError);
  EXPECT_THROW(geodesic_distances(flat.vertices, flat.triangles, kFirst, {.limit = 0}), UsageError);
  EXPECT_THROW(geodesic_distances(flat.vertices / 0, flat.triangles, kFirst), DataError);
  EXPECT_THROW(geodesic_neighbours(flat.vertices, flat.triangles, -1), UsageError);
}

}  // namespace
}  // namespace noema
