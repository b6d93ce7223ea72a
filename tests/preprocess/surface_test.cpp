#include "noema/preprocess/surface.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/LU>
#include <cmath>

#include "noema/core/error.h"

namespace noema {
namespace {

using ::testing::ElementsAre;

/// A sphere of triangles around `centre`: an octahedron divided `depth` times.
SurfaceMesh sphere(int depth, double radius_mm, const Eigen::RowVector3d& centre) {
  std::vector<Eigen::RowVector3d> points{{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}};
  std::vector<std::array<int, 3>> faces{{0, 2, 4}, {2, 1, 4}, {1, 3, 4}, {3, 0, 4},
                                        {2, 0, 5}, {1, 2, 5}, {3, 1, 5}, {0, 3, 5}};
  for (int d = 0; d < depth; ++d) {
    std::vector<std::array<int, 3>> finer;
    const auto middle = [&](int a, int b) {
      const Eigen::RowVector3d at =
          (points[static_cast<std::size_t>(a)] + points[static_cast<std::size_t>(b)]).normalized();
      for (std::size_t i = 0; i < points.size(); ++i) {
        if ((points[i] - at).norm() < 1e-9) return static_cast<int>(i);
      }
      points.push_back(at);
      return static_cast<int>(points.size()) - 1;
    };
    for (const auto& [a, b, c] : faces) {
      const int ab = middle(a, b), bc = middle(b, c), ca = middle(c, a);
      finer.insert(finer.end(), {{a, ab, ca}, {ab, b, bc}, {ca, bc, c}, {ab, bc, ca}});
    }
    faces = finer;
  }
  SurfaceMesh mesh;
  mesh.points_mm.resize(static_cast<Eigen::Index>(points.size()), 3);
  mesh.triangles.resize(static_cast<Eigen::Index>(faces.size()), 3);
  for (std::size_t i = 0; i < points.size(); ++i) {
    mesh.points_mm.row(static_cast<Eigen::Index>(i)) = centre + radius_mm * points[i];
  }
  for (std::size_t i = 0; i < faces.size(); ++i) {
    for (int c = 0; c < 3; ++c) mesh.triangles(static_cast<Eigen::Index>(i), c) = faces[i][static_cast<std::size_t>(c)];
  }
  return mesh;
}

/// An oblique, anisotropic grid around the origin.
Grid oblique_grid() {
  Grid grid;
  grid.shape = {24, 20, 22};
  Eigen::Matrix3d axes;
  axes << 2, 0.3, 0, -0.2, 2.5, 0.1, 0, -0.1, 2.2;
  grid.ras_from_voxel.topLeftCorner<3, 3>() = axes;
  grid.ras_from_voxel.topRightCorner<3, 1>() = -axes * Eigen::Vector3d(11.5, 9.5, 10.5);
  return grid;
}

/// Exact in float32, so that what is compared is the sampling alone: values are whole numbers in voxel coordinates.
std::vector<float> ramp(const Grid& grid) {
  std::vector<float> values;
  for (std::int64_t k = 0; k < grid.shape[2]; ++k) {
    for (std::int64_t j = 0; j < grid.shape[1]; ++j) {
      for (std::int64_t i = 0; i < grid.shape[0]; ++i) values.push_back(static_cast<float>(3 * i - 2 * j + 5 * k + 7));
    }
  }
  return values;
}
double ramp_at(const Grid& grid, const Eigen::RowVector3d& ras) {
  const Eigen::Vector4d voxel = grid.ras_from_voxel.inverse() * Eigen::Vector4d(ras[0], ras[1], ras[2], 1);
  return 3 * voxel[0] - 2 * voxel[1] + 5 * voxel[2] + 7;
}

TEST(Surface, NormalsAndAreaOfASphere) {
  const SurfaceMesh mesh = sphere(4, 10, {1, 2, 3});
  const auto normals = vertex_normals(mesh);
  for (Eigen::Index v = 0; v < mesh.vertices(); ++v) {
    const Eigen::RowVector3d outwards = (mesh.points_mm.row(v) - Eigen::RowVector3d(1, 2, 3)) / 10;
    EXPECT_NEAR(normals.row(v).norm(), 1, 1e-12);
    EXPECT_GT(normals.row(v).dot(outwards), 0.995);
  }
  EXPECT_NEAR(mesh_area_mm2(mesh), 400 * M_PI, 6);
}

TEST(Surface, NeighboursShareAnEdge) {
  const MeshNeighbours found = mesh_neighbours(sphere(0, 1, {0, 0, 0}));  // an octahedron
  ASSERT_EQ(found.first.size(), 7U);
  EXPECT_THAT(std::vector(found.vertices.begin(), found.vertices.begin() + 4), ElementsAre(2, 3, 4, 5));
  EXPECT_EQ(found.first[6], 24);
}

TEST(Surface, LinearRampIsSampledExactly) {
  const Grid grid = oblique_grid();
  const std::vector<float> volume = ramp(grid);
  const SurfaceMesh mesh = sphere(3, 12, {0.5, -1, 0.7});
  for (const SurfaceSampling kind : {SurfaceSampling::line, SurfaceSampling::ball}) {
    SurfaceSampleOptions options;
    options.kind = kind;
    const std::vector<double> values = sample_volume(grid, volume, mesh, options);
    for (Eigen::Index v = 0; v < mesh.vertices(); ++v) {
      EXPECT_NEAR(values[static_cast<std::size_t>(v)], ramp_at(grid, mesh.points_mm.row(v)), 1e-12 * 200);
    }
  }
  const SurfaceMesh inner = sphere(3, 9, {0.5, -1, 0.7});
  SurfaceSampleOptions options;
  options.kind = SurfaceSampling::depth;
  options.inner = &inner;
  const std::vector<double> middle = sample_volume(grid, volume, mesh, options);
  options.depths = {0.25};
  const std::vector<double> quarter = sample_volume(grid, volume, mesh, options);
  for (Eigen::Index v = 0; v < mesh.vertices(); ++v) {
    const Eigen::RowVector3d out = mesh.points_mm.row(v), in = inner.points_mm.row(v);
    EXPECT_NEAR(middle[static_cast<std::size_t>(v)], ramp_at(grid, (out + in) / 2), 1e-12 * 200);
    EXPECT_NEAR(quarter[static_cast<std::size_t>(v)], ramp_at(grid, 0.75 * out + 0.25 * in), 1e-12 * 200);
  }
}

TEST(Surface, DepthsOfALineAreFractionsOfTheRadiusInwards) {
  const Grid grid = oblique_grid();
  const SurfaceMesh mesh = sphere(3, 12, {0, 0, 0});
  SurfaceSampleOptions options;
  options.depths = {0.5};
  options.radius_mm = 4;
  const std::vector<double> values = sample_volume(grid, ramp(grid), mesh, options);
  const auto normals = vertex_normals(mesh);
  for (Eigen::Index v = 0; v < mesh.vertices(); v += 7) {
    EXPECT_NEAR(values[static_cast<std::size_t>(v)], ramp_at(grid, mesh.points_mm.row(v) - 2 * normals.row(v)), 1e-9);
  }
}

TEST(Surface, SamplesOutsideOfVolumeAndMaskAreLeftOut) {
  Grid grid;
  grid.shape = {4, 4, 4};
  std::vector<float> volume(64, 5.0F);
  SurfaceMesh mesh;
  mesh.points_mm.resize(4, 3);
  mesh.points_mm << 0, 0, 0, 3.5, 1, 1, -0.1, 0, 0, 2, 2, 2;
  mesh.triangles.resize(0, 3);
  SurfaceSampleOptions options;
  options.kind = SurfaceSampling::ball;
  options.radius_mm = 0;
  volume[static_cast<std::size_t>(grid.linear_index(3, 1, 1))] = 6;  // extrapolated to 6.5 at 3.5
  std::vector<double> values = sample_volume(grid, volume, mesh, options);
  EXPECT_EQ(values[0], 5);
  EXPECT_NEAR(values[1], 6.5, 1e-12);
  EXPECT_TRUE(std::isnan(values[2]));
  const Mask mask{grid, {grid.linear_index(2, 2, 2)}};
  options.mask = &mask;
  values = sample_volume(grid, volume, mesh, options);
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_EQ(values[3], 5);
}

TEST(Surface, LabelsAreTheMostFrequent) {
  Grid grid;
  grid.shape = {8, 1, 1};
  const std::vector<float> volume{9, 3, 3, 7, 7, 7, 1, 2};
  SurfaceMesh mesh;
  mesh.points_mm.resize(2, 3);
  mesh.points_mm << 1, 0, 0, 3, 0, 0;
  mesh.triangles.resize(0, 3);
  SurfaceMesh inner = mesh;
  inner.points_mm << 4, 0, 0, 6, 0, 0;
  SurfaceSampleOptions options;
  options.kind = SurfaceSampling::depth;
  options.inner = &inner;
  options.labels = true;
  options.samples = 4;  // voxels 1 2 3 4 and 3 4 5 6
  EXPECT_THAT(sample_volume(grid, volume, mesh, options), ElementsAre(3, 7));
}

TEST(Surface, RefusesOptionsThatDoNotFit) {
  const Grid grid = oblique_grid();
  const SurfaceMesh mesh = sphere(1, 10, {0, 0, 0}), other = sphere(2, 8, {0, 0, 0});
  SurfaceSampleOptions options;
  options.kind = SurfaceSampling::depth;
  EXPECT_THROW(sample_volume(grid, ramp(grid), mesh, options), UsageError);
  options.inner = &other;
  EXPECT_THROW(sample_volume(grid, ramp(grid), mesh, options), ShapeError);
  options.kind = SurfaceSampling::ball;
  options.depths = {0.5};
  EXPECT_THROW(sample_volume(grid, ramp(grid), mesh, options), UsageError);
  EXPECT_THROW(sample_volume(grid, std::vector<float>(3), mesh), ShapeError);
}

// W = ½·I + ½·(mean of neighbours), written out as a matrix.
TEST(Surface, SmoothingIsTheDirectForm) {
  const SurfaceMesh mesh = sphere(2, 20, {0, 0, 0});
  const Eigen::Index count = mesh.vertices();
  Eigen::MatrixXd adjacent = Eigen::MatrixXd::Zero(count, count);
  for (Eigen::Index f = 0; f < mesh.triangles.rows(); ++f) {
    for (int c = 0; c < 3; ++c) {
      adjacent(mesh.triangles(f, c), mesh.triangles(f, (c + 1) % 3)) = 1;
      adjacent(mesh.triangles(f, (c + 1) % 3), mesh.triangles(f, c)) = 1;
    }
  }
  const Eigen::MatrixXd pass = 0.5 * Eigen::MatrixXd::Identity(count, count) +
                               0.5 * Eigen::MatrixXd(adjacent.rowwise().sum().cwiseInverse().asDiagonal() * adjacent);
  const double fwhm_mm = 40;
  const SurfaceSmoother smoother(mesh, fwhm_mm);
  const double area = mesh_area_mm2(mesh) / static_cast<double>(count);
  EXPECT_EQ(smoother.passes(),
            static_cast<int>(1.14 * 4 * M_PI * fwhm_mm * fwhm_mm / std::log(256.0) / (7 * area) + 0.5));
  ASSERT_GT(smoother.passes(), 1);
  Eigen::VectorXd values(count);
  for (Eigen::Index v = 0; v < count; ++v) values[v] = std::sin(static_cast<double>(v * v));
  Eigen::VectorXd expected = values;
  for (int p = 0; p < smoother.passes(); ++p) expected = pass * expected;
  smoother.apply(std::span<double>(values.data(), static_cast<std::size_t>(count)));
  EXPECT_LT((values - expected).cwiseAbs().maxCoeff(), 1e-12);
}

TEST(Surface, SmoothingStaysAmongTheVerticesWithValues) {
  const SurfaceMesh mesh = sphere(0, 1, {0, 0, 0});
  const std::vector<std::int32_t> vertices{0, 1, 4};  // 0 and 1 are opposite, 4 is beside both
  const SurfaceSmoother smoother(mesh, 2.2, vertices);
  ASSERT_EQ(smoother.passes(), 2);
  std::vector<double> values{8, 0, std::nan("")};
  smoother.apply(values);
  // The first pass gives 4, 0, 2, the second 3, 1, 2.
  EXPECT_THAT(values, ElementsAre(3, 1, 2));
  EXPECT_THROW(smoother.apply(std::span(values).first(2)), ShapeError);
  EXPECT_THROW(SurfaceSmoother(mesh, -1), UsageError);
  const std::vector<std::int32_t> outside{6};
  EXPECT_THROW(SurfaceSmoother(mesh, 1, outside), ShapeError);
  std::vector<float> same{1, 2, 3, 4, 5, 6};
  SurfaceSmoother(mesh, 0).apply(same);
  EXPECT_EQ(same[3], 4);
}

}  // namespace
}  // namespace noema
