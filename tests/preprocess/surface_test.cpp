#include "noema/preprocess/surface.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/LU>
#include <array>
#include <cmath>
#include <limits>

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
  options.kind = SurfaceSampling::line;
  EXPECT_NO_THROW(sample_volume(grid, ramp(grid), mesh, options));
  options.samples = 1;
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
  std::vector<double> values{8, 0, 0};
  smoother.apply(values);
  // The first pass gives 4, 0, 2, the second 3, 1, 2.
  EXPECT_THAT(values, ElementsAre(3, 1, 2));
  const std::vector<std::int32_t> opposite{0, 1};  // neither has a neighbour
  const SurfaceSmoother lonely(mesh, 2.2, opposite);
  ASSERT_GT(lonely.passes(), 0);
  std::vector<double> kept{8, -3};
  lonely.apply(kept);
  EXPECT_THAT(kept, ElementsAre(8, -3));
  EXPECT_THROW(smoother.apply(std::span(values).first(2)), ShapeError);
  EXPECT_THROW(SurfaceSmoother(mesh, -1), UsageError);
  const std::vector<std::int32_t> outside{6};
  EXPECT_THROW(SurfaceSmoother(mesh, 1, outside), ShapeError);
  std::vector<float> same{1, 2, 3, 4, 5, 6};
  SurfaceSmoother(mesh, 0).apply(same);
  EXPECT_EQ(same[3], 4);
}

TEST(Surface, SmoothingIsNormalisedByFiniteNeighbours) {
  const SurfaceMesh mesh = sphere(2, 20, {0, 0, 0});
  const double fwhm_mm = 30, gone = std::nan(""), infinite = std::numeric_limits<double>::infinity();
  std::vector<std::int32_t> there;
  std::vector<double> values, expected;
  for (std::int32_t v = 0; v < mesh.vertices(); ++v) {
    const bool lost = mesh.points_mm(v, 2) > 8;
    values.push_back(lost ? (v % 2 == 0 ? gone : infinite) : 100 + std::sin(v * v));
    if (lost) continue;
    there.push_back(v);
    expected.push_back(values.back());
  }
  ASSERT_LT(there.size(), values.size() * 9 / 10);
  const SurfaceSmoother whole(mesh, fwhm_mm);
  ASSERT_GT(whole.passes(), 2);
  std::vector<float> single(values.begin(), values.end());
  whole.apply(std::span(values));
  whole.apply(std::span(single));
  SurfaceSmoother(mesh, fwhm_mm, there).apply(std::span(expected));
  for (std::size_t i = 0; i < there.size(); ++i) {
    const auto v = static_cast<std::size_t>(there[i]);
    EXPECT_EQ(values[v], expected[i]) << v;
    EXPECT_NEAR(single[v], expected[i], 2e-5) << v;
    EXPECT_NEAR(values[v], 100, 1.1);  // no vertex is pulled down to 0
  }
  for (std::int32_t v = 0; v < mesh.vertices(); ++v) {
    EXPECT_EQ(std::isfinite(values[static_cast<std::size_t>(v)]), !(mesh.points_mm(v, 2) > 8)) << v;
  }
  std::vector<double> nothing(values.size(), gone);
  whole.apply(std::span(nothing));
  EXPECT_TRUE(std::isnan(nothing[3]));
}

// Numbers of nilearn 0.14.1, in float64 from the same closed forms: vol_to_surf(image, sheet(1), kind=…) and
// smooth_img(SurfaceImage of sheet(1), fwhm). Vertices 0, 5, 10, 16, 23, 30, 35, 41, and the sum over all vertices.
class SurfaceGolden : public ::testing::Test {
 protected:
  static SurfaceMesh sheet(double lift_mm) {
    SurfaceMesh mesh;
    mesh.points_mm.resize(42, 3);
    for (int v = 0; v < 42; ++v) {
      const double i = v % 7, j = v / 7;
      mesh.points_mm.row(v) << 3 * i - 9 + 0.1 * j, 2.8 * j - 7,
          lift_mm + 1.5 * std::sin(0.9 * i) + 0.8 * std::cos(0.7 * j);
    }
    mesh.triangles.resize(60, 3);
    for (int j = 0, f = 0; j < 5; ++j) {
      for (int i = 0; i < 6; ++i, f += 2) {
        const int v = 7 * j + i;
        mesh.triangles.row(f) << v, v + 1, v + 7;
        mesh.triangles.row(f + 1) << v + 1, v + 8, v + 7;
      }
    }
    return mesh;
  }
  SurfaceGolden() {
    grid_.shape = {11, 9, 8};
    grid_.ras_from_voxel << 2, 0.1, 0, -10, -0.1, 2.2, 0.2, -9, 0, -0.1, 1.9, -6, 0, 0, 0, 1;
    for (std::int64_t v = 0; v < grid_.voxel_count(); ++v) {
      const auto [i, j, k] = grid_.voxel_at(v);
      volume_.push_back(static_cast<float>(100 + 10 * std::sin(0.5 * i) + 7 * std::cos(0.4 * j * j) +
                                           3.0 * k * std::sin(0.3 * i * j)));
      labels_.push_back(static_cast<float>((i * i + 3 * j + k * k) % 5));
    }
  }
  static void expect(const std::vector<double>& found, const std::vector<double>& golden, double sum) {
    constexpr std::array<std::size_t, 8> kShown{0, 5, 10, 16, 23, 30, 35, 41};
    for (std::size_t i = 0; i < golden.size(); ++i) {
      if (std::isnan(golden[i])) {
        EXPECT_TRUE(std::isnan(found[kShown[i]])) << i;
      } else {
        EXPECT_NEAR(found[kShown[i]], golden[i], 1e-5) << i;
      }
    }
    double total = 0;
    for (const double value : found) total += std::isnan(value) ? 0 : value;
    EXPECT_NEAR(total, sum, 1e-3);
  }

  Grid grid_;
  std::vector<float> volume_, labels_;
  SurfaceMesh outer_ = sheet(1), inner_ = sheet(-1.5);
};

TEST_F(SurfaceGolden, Lines) {
  SurfaceSampleOptions options;
  expect(sample_volume(grid_, volume_, outer_, options),
         {110.184988, 105.676827, 107.349976, 104.162625, 101.395776, 103.618702, 111.352672, 97.3242769},
         4365.909044710966);
  options.radius_mm = 2;
  options.depths = {0.25, -0.75};
  expect(sample_volume(grid_, volume_, outer_, options),
         {109.304721, 106.030091, 106.937918, 104.096319, 100.660715, 103.508847, 109.105195, 97.5334661},
         4353.6335300294095);
}

TEST_F(SurfaceGolden, Depths) {
  SurfaceSampleOptions options;
  options.kind = SurfaceSampling::depth;
  options.inner = &inner_;
  options.samples = 5;
  expect(sample_volume(grid_, volume_, outer_, options),
         {109.791812, 104.075658, 106.777109, 104.980393, 101.894051, 104.430636, 110.08514, 96.9321733},
         4355.009324600192);
  options.samples = std::nullopt;
  options.depths = {0.2, 0.6};
  expect(sample_volume(grid_, volume_, outer_, options),
         {109.823298, 104.586322, 106.996261, 104.846468, 101.7807, 104.243096, 110.229006, 96.991997},
         4357.082858439554);
}

/// The mean over the ball around a vertex, from a dense lattice of places in it.
double mean_of_ball(const Grid& grid, const std::vector<float>& volume, const Eigen::RowVector3d& centre,
                    double radius_mm) {
  constexpr int kPlaces = 31;
  SurfaceMesh places;
  std::vector<Eigen::RowVector3d> inside;
  for (int i = 0; i < kPlaces * kPlaces * kPlaces; ++i) {
    const Eigen::RowVector3d place(i % kPlaces, i / kPlaces % kPlaces, i / (kPlaces * kPlaces));
    const Eigen::RowVector3d offset = (2 * place.array() + 1 - kPlaces) / kPlaces;
    if (offset.norm() <= 1) inside.push_back(centre + radius_mm * offset);
  }
  places.points_mm.resize(std::ssize(inside), 3);
  for (std::size_t i = 0; i < inside.size(); ++i) places.points_mm.row(static_cast<Eigen::Index>(i)) = inside[i];
  places.triangles.resize(0, 3);
  SurfaceSampleOptions point;
  point.kind = SurfaceSampling::depth;
  point.inner = &places;
  point.samples = 1;
  const std::vector<double> values = sample_volume(grid, volume, places, point);
  double sum = 0, count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    count += 1;
  }
  return sum / count;
}

double root_mean_square(const std::vector<double>& found, const std::vector<double>& expected) {
  double sum = 0;
  for (std::size_t v = 0; v < found.size(); ++v) sum += std::pow(found[v] - expected[v], 2);
  return std::sqrt(sum / static_cast<double>(found.size()));
}

// nilearn's are centres of k-means, ours a spiral, so both are held to the mean over the whole ball: with 20 samples
// ours are no further from it than its (0.36 for 20 and 0.11 for 160 of a spread of 9, and 3.9 for the vertex alone).
TEST_F(SurfaceGolden, Balls) {
  const std::vector<double> of_20{
      111.4089, 119.2509, 123.4453, 119.3044, 108.7597, 99.92664, 95.91298, 108.7811, 118.9969, 119.471,  107.5346,
      95.69474, 90.3243,  89.07181, 107.6852, 115.7812, 107.5667, 99.688,   99.50966, 94.66341, 90.69601, 110.3121,
      112.1077, 103.5029, 106.4326, 100.4694, 91.63412, 89.16127, 106.6989, 105.3321, 104.673,  106.2113, 97.18708,
      92.79698, 90.02784, 111.2039, 109.8828, 114.5772, 109.8174, 104.5574, 98.43639, 95.39209};
  const std::vector<double> of_160{
      111.8712, 119.385,  123.1956, 118.6665, 108.5697, 99.49399, 95.59484, 109.336,  118.843,  119.0441, 107.4782,
      96.2689,  90.77525, 89.28545, 108.7772, 115.7231, 107.691,  99.95903, 99.10047, 94.33014, 90.62141, 109.8863,
      111.8078, 103.7108, 106.3246, 99.8617,  91.54307, 89.19446, 106.8626, 105.2888, 105.2326, 106.139,  97.37449,
      92.70675, 90.28351, 111.0759, 109.4901, 114.168,  109.5166, 104.1821, 98.23295, 95.16227};
  SurfaceSampleOptions options;
  options.kind = SurfaceSampling::ball;
  std::vector<double> whole;
  for (Eigen::Index v = 0; v < 42; ++v) {
    whole.push_back(mean_of_ball(grid_, volume_, outer_.points_mm.row(v), options.radius_mm));
  }
  EXPECT_LT(root_mean_square(of_20, whole), 0.38);  // they are of the same question
  EXPECT_LT(root_mean_square(of_160, whole), 0.12);
  const std::vector<double> found = sample_volume(grid_, volume_, outer_, options);
  EXPECT_LT(root_mean_square(found, whole), 0.36);
  EXPECT_LT(root_mean_square(found, of_160), 0.4);
  options.samples = 400;
  EXPECT_LT(root_mean_square(sample_volume(grid_, volume_, outer_, options), whole), 0.06);
  options.radius_mm = 0;
  EXPECT_GT(root_mean_square(sample_volume(grid_, volume_, outer_, options), whole), 3);
}

// The mean of (x − c)ₐ(x − c)ᵦ over a ball is r²/5 where a = b, else 0: of voxels small enough for a quadratic form.
TEST(Surface, BallsAreEvenlySpread) {
  Grid grid;
  grid.shape = {41, 41, 41};
  grid.ras_from_voxel.diagonal() << 0.1, 0.1, 0.1, 1;
  SurfaceMesh mesh;
  mesh.points_mm.resize(1, 3);
  mesh.points_mm << 2, 2, 2;
  mesh.triangles.resize(0, 3);
  for (int a = 0; a < 3; ++a) {
    for (int b = a; b < 3; ++b) {
      std::vector<float> volume;
      for (std::int64_t v = 0; v < grid.voxel_count(); ++v) {
        const auto voxel = grid.voxel_at(v);
        const auto from_centre = [&](int axis) {
          return 0.1 * static_cast<double>(voxel[static_cast<std::size_t>(axis)]) - 2;
        };
        volume.push_back(static_cast<float>(from_centre(a) * from_centre(b)));
      }
      SurfaceSampleOptions options;
      options.kind = SurfaceSampling::ball;
      options.radius_mm = 1.9;
      for (const auto& [samples, tolerance] : {std::pair(20, 0.05), std::pair(100, 0.02), std::pair(1000, 0.005)}) {
        options.samples = samples;
        const double expected = a == b ? 0.2 : 0;
        EXPECT_NEAR(sample_volume(grid, volume, mesh, options)[0] / (1.9 * 1.9), expected, tolerance)
            << a << b << ", " << samples;
      }
    }
  }
}

TEST_F(SurfaceGolden, LabelsAndMask) {
  SurfaceSampleOptions options;
  options.labels = true;
  options.samples = 7;
  expect(sample_volume(grid_, labels_, outer_, options), {3, 1, 1, 1, 2, 1, 1, 3}, 79);
  Mask mask{grid_, {}};
  for (std::size_t v = 0; v < volume_.size(); ++v) {
    if (volume_[v] > 100) mask.voxels.push_back(static_cast<std::int64_t>(v));
  }
  options = {};
  options.mask = &mask;
  const double nan = std::nan("");
  expect(sample_volume(grid_, volume_, outer_, options),
         {110.184988, 104.965224, 107.349976, 104.162625, 101.395776, nan, 113.936008, nan}, 3340.724872851217);
}

TEST_F(SurfaceGolden, Smoothing) {
  const std::vector<std::pair<double, std::pair<std::vector<double>, double>>> goldens{
      {4,
       {{-0.028070417, -0.162661942, -0.297565042, -0.579845185, 0.340574294, 0.435814216, -0.243173227, -0.349479645},
        -4.785581283772577}},
      {8,
       {{0.0877240456, -0.189452251, -0.168427439, -0.189964861, -0.0484318107, 0.00614493203, -0.0848019299,
         -0.125583553},
        -4.289623190983985}}};
  for (const auto& [fwhm_mm, golden] : goldens) {
    std::vector<double> values;
    for (int v = 0; v < 42; ++v) values.push_back(std::sin(v * v));
    SurfaceSmoother(outer_, fwhm_mm).apply(std::span(values));
    expect(values, golden.first, golden.second);
  }
}

}  // namespace
}  // namespace noema
