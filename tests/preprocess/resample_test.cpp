#include "noema/preprocess/resample.h"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <cmath>
#include <limits>

#include "noema/core/error.h"

namespace noema {
namespace {

const auto kNaN = std::numeric_limits<double>::quiet_NaN();

Grid grid_of(std::array<std::int64_t, 3> shape, const Eigen::Vector3d& size_mm, const Eigen::Vector3d& origin) {
  Grid grid{shape, Eigen::Matrix4d::Identity()};
  grid.ras_from_voxel.diagonal().head<3>() = size_mm;
  grid.ras_from_voxel.topRightCorner<3, 1>() = origin;
  return grid;
}

template <class Function>
std::vector<double> fill(const Grid& grid, const Function& f) {
  std::vector<double> values;
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v) {
    const auto [i, j, k] = grid.voxel_at(v);
    values.push_back(f(static_cast<double>(i), static_cast<double>(j), static_cast<double>(k)));
  }
  return values;
}

std::vector<double> wavy(const Grid& grid) {
  return fill(grid, [](double i, double j, double k) { return std::sin(i + 0.3 * j * k) + 0.2 * k * j - 0.1 * i; });
}

std::vector<double> resampled(const std::vector<double>& volume, const Grid& source, const Grid& target,
                              const ResampleOptions& options = {}) {
  std::vector<double> result(static_cast<std::size_t>(target.voxel_count()));
  Resampler(source, target, options).apply(volume, std::span(result));
  return result;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = a.size() == b.size() ? 0 : kNaN;
  for (std::size_t v = 0; v < a.size(); ++v) largest = std::max(largest, std::abs(a[v] - b[v]));
  return largest;
}

double bspline(double x) {
  x = std::abs(x);
  return x < 1 ? 2.0 / 3 - x * x + x * x * x / 2 : x < 2 ? std::pow(2 - x, 3) / 6 : 0;
}

/// (m, n): the value at each point of the spline through unit values at each of n voxels, by solving for its
/// coefficients.
Eigen::MatrixXd spline_matrix(const std::vector<double>& points, std::int64_t n) {
  const auto basis = [n](double p) {
    Eigen::RowVectorXd row = Eigen::RowVectorXd::Zero(n);
    for (std::int64_t i = -5; i < n + 5; ++i) row[mirrored_index(i, n)] += bspline(p - static_cast<double>(i));
    return row;
  };
  Eigen::MatrixXd at_voxels(n, n), at_points(points.size(), n);
  for (std::int64_t i = 0; i < n; ++i) at_voxels.row(i) = basis(static_cast<double>(i));
  for (std::size_t i = 0; i < points.size(); ++i) at_points.row(static_cast<Eigen::Index>(i)) = basis(points[i]);
  return at_points * at_voxels.inverse();
}

TEST(Resample, CubicIsTheSplineThroughTheVoxels) {
  for (const std::int64_t n : {2, 3, 9, 61}) {
    const Grid source = grid_of({n, 5, 4}, {3, 2, 2}, {-4, 1, 0});
    const Grid target = grid_of({40, 5, 4}, {0.71, 2, 2}, {-3.1, 1, 0});
    const std::vector<double> volume = wavy(source);
    ResampleOptions options;
    options.fill_value = -7;
    const std::vector<double> found = resampled(volume, source, target, options);
    std::vector<double> points;
    for (int i = 0; i < 40; ++i) points.push_back((0.71 * i + 0.9) / 3);
    const Eigen::MatrixXd matrix = spline_matrix(points, n);
    for (std::int64_t line = 0; line < 20; ++line) {
      const Eigen::Map<const Eigen::VectorXd> values(volume.data() + line * n, n);
      const Eigen::VectorXd expected = matrix * values;
      for (Eigen::Index i = 0; i < 40; ++i) {
        const bool inside = points[static_cast<std::size_t>(i)] <= static_cast<double>(n - 1);
        ASSERT_NEAR(found[static_cast<std::size_t>(line * 40 + i)], inside ? expected[i] : -7, 1e-12) << n << " " << i;
      }
    }
  }
}

// A rotation too small to matter, but not a rounding error: every point for itself, with all its neighbours.
TEST(Resample, AxesAndPointsAgree) {
  const Grid source = grid_of({13, 9, 11}, {3, 3, 3.5}, {-10, -12, 5});
  const Grid target = grid_of({17, 15, 18}, {2, 2, 2}, {-9, -13, 4});
  Grid turned = target;
  turned.ras_from_voxel(0, 1) += 1e-8;
  turned.ras_from_voxel(2, 0) -= 1e-8;
  const std::vector<double> volume = wavy(source);
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::linear, Interpolation::cubic}) {
    ResampleOptions options;
    options.interpolation = interpolation;
    const std::vector<double> found = resampled(volume, source, target, options);
    EXPECT_LT(largest_difference(found, resampled(volume, source, turned, options)), 1e-6);
    EXPECT_GT(std::abs(found[static_cast<std::size_t>(target.linear_index(6, 6, 6))]), 1e-3);
    // In float32 within its precision, by either path.
    const std::vector<float> single(volume.begin(), volume.end());
    for (const Grid& grid : {target, turned}) {
      std::vector<float> found_single(found.size());
      Resampler(source, grid, options).apply(single, std::span(found_single));
      for (std::size_t v = 0; v < found.size(); ++v) ASSERT_NEAR(found_single[v], found[v], 2e-5);
    }
  }
}

TEST(Resample, EqualGridsCopyAndFlipsAreExact) {
  const Grid source = grid_of({6, 5, 4}, {2, 2, 3}, {1, 2, 3});
  std::vector<double> volume = wavy(source);
  volume[7] = kNaN;
  const std::vector<double> copy = resampled(volume, source, source);
  EXPECT_TRUE(std::isnan(copy[7]));
  volume[7] = 0.25;
  EXPECT_EQ(resampled(volume, source, source), volume);
  Grid flipped = source;
  flipped.ras_from_voxel(0, 0) = -2;
  flipped.ras_from_voxel(0, 3) = 11;
  Grid turned = source;  // y and z change places
  turned.shape = {6, 4, 5};
  turned.ras_from_voxel.col(1).swap(turned.ras_from_voxel.col(2));
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::linear, Interpolation::cubic}) {
    ResampleOptions options;
    options.interpolation = interpolation;
    const double tolerance = interpolation == Interpolation::cubic ? 1e-13 : 0;
    const std::vector<double> back = resampled(volume, source, flipped, options);
    const std::vector<double> other = resampled(volume, source, turned, options);
    for (std::int64_t v = 0; v < 120; ++v) {
      const auto [i, j, k] = source.voxel_at(v);
      const double expected = volume[static_cast<std::size_t>(v)];
      EXPECT_NEAR(back[static_cast<std::size_t>(flipped.linear_index(5 - i, j, k))], expected, tolerance);
      EXPECT_NEAR(other[static_cast<std::size_t>(turned.linear_index(i, k, j))], expected, tolerance);
    }
  }
}

// The last plane of 0.1 mm voxels is not hit exactly in double; it belongs to the image all the same.
TEST(Resample, PointsOnTheLastPlaneAreInside) {
  const Grid source = grid_of({8, 8, 8}, {0.1, 0.1, 0.1}, {0.3, 0.3, 0.3});
  const Grid target = grid_of({15, 15, 15}, {0.05, 0.05, 0.05}, {0.3, 0.3, 0.3});
  const std::vector<double> volume =
      fill(source, [](double i, double j, double k) { return 1 + i + 10 * j + 100 * k; });
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::linear, Interpolation::cubic}) {
    ResampleOptions options;
    options.interpolation = interpolation;
    const std::vector<double> found = resampled(volume, source, target, options);
    EXPECT_NEAR(found.back(), 778, 1e-10);
    EXPECT_NEAR(found[14], 8, 1e-11);
    for (const double value : found) ASSERT_GT(value, 0.9);
  }
  ResampleOptions nearest;
  nearest.interpolation = Interpolation::nearest;
  EXPECT_EQ(resampled(volume, source, target, nearest)[1], 2);  // half way goes up
  ResampleOptions linear;
  linear.interpolation = Interpolation::linear;
  EXPECT_NEAR(resampled(volume, source, target, linear)[3], 2.5, 1e-12);
}

TEST(Resample, ASingleSliceIsAsThickAsItsVoxels) {
  const Grid source = grid_of({9, 8, 1}, {3, 3, 4}, {0, 0, 10});
  const Grid target = grid_of({12, 10, 7}, {2, 2, 1}, {0, 0, 7});
  const std::vector<double> volume = fill(source, [](double i, double j, double) { return 1 + i + 10 * j; });
  for (const Interpolation interpolation : {Interpolation::linear, Interpolation::cubic}) {
    ResampleOptions options;
    options.interpolation = interpolation;
    const std::vector<double> found = resampled(volume, source, target, options);
    for (std::int64_t k = 0; k < 7; ++k) {  // 8 to 12 mm
      const double value = found[static_cast<std::size_t>(target.linear_index(6, 3, k))];
      EXPECT_NEAR(value, k >= 1 && k <= 5 ? 25 : 0, 1e-12) << k;
    }
  }
  EXPECT_EQ(covering_grid(source, Eigen::Matrix3d(2 * Eigen::Matrix3d::Identity())).shape,
            (std::array<std::int64_t, 3>{13, 12, 1}));
}

TEST(Resample, GapsAreBridgedAndKept) {
  const Grid source = grid_of({9, 9, 9}, {2, 2, 2}, {0, 0, 0});
  const Grid target = grid_of({17, 17, 17}, {1, 1, 1}, {0, 0, 0});
  std::vector<double> volume(729, 5.0);
  const auto hole = static_cast<std::size_t>(source.linear_index(4, 4, 4));
  volume[hole] = std::numeric_limits<double>::infinity();
  for (const Interpolation interpolation : {Interpolation::linear, Interpolation::cubic}) {
    ResampleOptions options;
    options.interpolation = interpolation;
    const std::vector<double> found = resampled(volume, source, target, options);
    int gaps = 0;
    for (const double value : found) {
      gaps += std::isnan(value);
      ASSERT_TRUE(std::isnan(value) || std::abs(value - 5) < 1e-12) << value;
    }
    EXPECT_EQ(gaps, 8);  // those whose nearest voxel (half way goes up) is the hole
    EXPECT_TRUE(std::isnan(found[static_cast<std::size_t>(target.linear_index(7, 8, 8))]));
  }
}

// A ring of voxels without values around two inner ones: these keep out of the second ring's means.
TEST(Resample, GapsWiderThanTwoRingsCountAsZero) {
  const Grid source = grid_of({20, 1, 1}, {1, 1, 1}, {0, 0, 0});
  std::vector<double> volume(20, kNaN);
  for (std::size_t i = 0; i < 5; ++i) volume[i] = 2;
  Grid target = grid_of({39, 1, 1}, {0.5, 1, 1}, {0, 0, 0});
  ResampleOptions options;
  options.interpolation = Interpolation::linear;
  const std::vector<double> found = resampled(volume, source, target, options);
  for (std::size_t i = 0; i < 39; ++i) EXPECT_EQ(std::isnan(found[i]), i >= 9) << i;
  EXPECT_EQ(found[8], 2);
}

TEST(Resample, ImagesAreClippedOnRequest) {
  Image image;
  image.header.grid = grid_of({10, 6, 6}, {2, 2, 2}, {0, 0, 0});
  image.header.volumes = 3;
  image.header.tr_s = 1.5;
  image.values.resize(1080);
  for (std::size_t v = 0; v < 1080; ++v) image.values[v] = v % 10 < 5 ? 1.0F : 3.0F;
  const Grid target = grid_of({19, 6, 6}, {1, 2, 2}, {0, 0, 0});
  const Image free = resample_image(image, target);
  EXPECT_GT(*std::max_element(free.values.begin(), free.values.end()), 3.05F);
  ResampleOptions options;
  options.clip = true;
  const Image clipped = resample_image(image, target, options);
  EXPECT_EQ(*std::max_element(clipped.values.begin(), clipped.values.end()), 3.0F);
  EXPECT_LT(*std::min_element(clipped.values.begin(), clipped.values.end()), 0.97F);  // the lower bound is 0
  EXPECT_EQ(clipped.header.volumes, 3);
  EXPECT_EQ(clipped.header.tr_s, 1.5);
  EXPECT_TRUE(same_grid(clipped.header.grid, target));
  for (std::size_t v = 0; v < 684; ++v) ASSERT_EQ(free.values[v], free.values[v + 684]);
}

TEST(Resample, ATransformMovesTheSource) {
  const Grid grid = grid_of({12, 12, 12}, {2, 2, 2}, {-10, -10, -10});
  const std::vector<double> volume = fill(grid, [](double i, double j, double k) { return i + 20 * j + 400 * k; });
  ResampleOptions options;
  options.interpolation = Interpolation::linear;
  options.source_from_target_mm(0, 3) = 3;  // target x = 0 shows what lies at x = 3 mm
  EXPECT_NEAR(resampled(volume, grid, grid, options)[static_cast<std::size_t>(grid.linear_index(5, 5, 5))],
              6.5 + 100 + 2000, 1e-12);
}

TEST(Resample, GridsThatCover) {
  const Grid source = grid_of({9, 10, 11}, {2, 2, 3}, {-8, -9, -15});
  // 16, 18 and 30 mm from centre to centre.
  for (const auto& [mm, shape] :
       {std::pair{2.5, std::array<std::int64_t, 3>{8, 9, 13}}, std::pair{2.0, std::array<std::int64_t, 3>{9, 10, 16}},
        std::pair{3.0, std::array<std::int64_t, 3>{7, 7, 11}}}) {
    const Grid grid = covering_grid(source, Eigen::Matrix3d(mm * Eigen::Matrix3d::Identity()));
    EXPECT_EQ(grid.shape, shape);
    EXPECT_LT((grid.ras_from_voxel.col(3) - Eigen::Vector4d(-8, -9, -15, 1)).cwiseAbs().maxCoeff(), 1e-13);
  }
  // Axes that run the other way begin at the other end.
  Eigen::Matrix3d left = 2 * Eigen::Matrix3d::Identity();
  left(0, 0) = -2;
  EXPECT_NEAR(covering_grid(source, left).ras_from_voxel(0, 3), 8, 1e-13);
  Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
  affine.topRightCorner<3, 1>() << 0, -20, -15.5;
  EXPECT_EQ(covering_grid(source, affine).shape, (std::array<std::int64_t, 3>{9, 30, 32}));
  affine(1, 3) = 100;
  EXPECT_THROW(covering_grid(source, affine), DataError);
  EXPECT_THROW(covering_grid(source, Eigen::Matrix3d(Eigen::Matrix3d::Ones())), UsageError);
}

TEST(Resample, RefusesWhatDoesNotFit) {
  const Grid grid = grid_of({4, 4, 4}, {2, 2, 2}, {0, 0, 0}), other = grid_of({5, 4, 4}, {2, 2, 2}, {0, 0, 0});
  Grid flat = grid;
  flat.ras_from_voxel(1, 1) = 0;
  EXPECT_THROW(Resampler(grid, flat), UsageError);
  EXPECT_THROW(Resampler(grid_of({0, 4, 4}, {2, 2, 2}, {0, 0, 0}), grid), UsageError);
  std::vector<float> volume(64), result(64);
  EXPECT_THROW(Resampler(grid, other).apply(volume, std::span(result)), ShapeError);
}

}  // namespace
}  // namespace noema
