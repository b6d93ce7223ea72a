// Clusters against nilearn 0.14.1's ReNA (with a stable sort of the last round's pairs) on X[n] = sin(1.1i + 0.7jn +
// 0.3k)
// + 0.5cos(ij + 0.9nk + n), 6 samples of 5 × 4 × 3 voxels without those where (i + 2j + 3k) mod 7 is 3.
#include "noema/learn/rena.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "noema/core/error.h"

namespace noema {
namespace {

Mask holed_mask() {
  Mask mask;
  mask.grid.shape = {5, 4, 3};
  for (std::int64_t v = 0; v < 60; ++v) {
    const auto at = mask.grid.voxel_at(v);
    if ((at[0] + 2 * at[1] + 3 * at[2]) % 7 != 3) mask.voxels.push_back(v);
  }
  return mask;
}

MatrixF waves(const Mask& mask) {
  return MatrixF::NullaryExpr(6, mask.size(), [&](Eigen::Index row, Eigen::Index v) {
    const auto at = mask.grid.voxel_at(mask.voxels[static_cast<std::size_t>(v)]);
    const auto n = static_cast<double>(row), i = static_cast<double>(at[0]), j = static_cast<double>(at[1]),
               k = static_cast<double>(at[2]);
    return static_cast<float>(std::sin(1.1 * i + 0.7 * j * n + 0.3 * k) + 0.5 * std::cos(i * j + 0.9 * n * k + n));
  });
}

/// With x slowest, as the reference counts voxels.
std::vector<int> by_slow_x(const Mask& mask, const VoxelClusters& clusters) {
  std::vector<int> at_voxel(static_cast<std::size_t>(mask.grid.voxel_count()), -1), list;
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
    at_voxel[static_cast<std::size_t>(mask.voxels[v])] = clusters.of_voxel[v];
  }
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 4; ++j) {
      for (int k = 0; k < 3; ++k) {
        const int cluster = at_voxel[static_cast<std::size_t>(mask.grid.linear_index(i, j, k))];
        if (cluster >= 0) list.push_back(cluster);
      }
    }
  }
  return list;
}

TEST(Rena, EqualsNilearn) {
  const Mask mask = holed_mask();
  const MatrixF samples = waves(mask);
  const std::vector<int> after_one = {0,  1,  0, 0,  0,  2,  2,  3,  3,  3,  4,  5,  1,  6,  6,  2,  2,
                                      2,  3,  3, 4,  5,  5,  7,  7,  8,  8,  8,  9,  9,  9,  10, 10, 11,
                                      11, 11, 8, 12, 13, 13, 13, 14, 14, 15, 15, 15, 15, 12, 12, 13, 13};
  const std::vector<int> after_two = {0, 1, 0, 0, 0, 2, 2, 2, 2, 2, 1, 1, 1, 0, 0, 2, 2, 2, 2, 2, 1, 1, 1, 0, 0, 2,
                                      2, 2, 2, 2, 2, 3, 3, 2, 2, 2, 2, 4, 4, 4, 4, 3, 3, 2, 2, 2, 2, 4, 4, 4, 4};
  const std::vector<int> ten = {0, 1, 0, 0, 0, 2, 2, 3, 3, 3, 4, 1, 1, 0, 0, 2, 2, 2, 3, 3, 4, 1, 1, 5, 5, 2,
                                2, 2, 6, 6, 6, 7, 7, 2, 2, 2, 2, 8, 9, 9, 9, 7, 7, 2, 2, 2, 2, 8, 8, 9, 9};
  EXPECT_EQ(by_slow_x(mask, rena(samples, mask, {5, 1})), after_one);
  EXPECT_EQ(by_slow_x(mask, rena(samples, mask, {5, 2})), after_two);
  const VoxelClusters clusters = rena(samples, mask, {10, 10});
  EXPECT_EQ(by_slow_x(mask, clusters), ten);
  EXPECT_EQ(clusters.count, 10);
}

TEST(Rena, StopsAtTheNumberAskedFor) {
  const Mask mask = holed_mask();
  const MatrixF samples = waves(mask);
  EXPECT_EQ(rena(samples, mask, {1, 50}).count, 1);
  EXPECT_EQ(rena(samples, mask, {51, 50}).count, 51);
  EXPECT_EQ(rena(samples, mask, {1000, 50}).count, 51);
  EXPECT_EQ(rena(samples, mask, {50, 50}).count, 50);
}

// Voxels that do not touch are never joined.
TEST(Rena, KeepsPartsOfTheMaskApart) {
  Mask mask;
  mask.grid.shape = {7, 1, 1};
  mask.voxels = {0, 1, 3, 4, 6};
  const MatrixF samples = MatrixF::Ones(2, 5);
  const VoxelClusters clusters = rena(samples, mask, {1, 10});
  EXPECT_EQ(clusters.of_voxel, (std::vector<std::int32_t>{0, 0, 1, 1, 2}));
}

TEST(ClusterMeans, AreMeansOverVoxels) {
  MatrixF samples(2, 4);
  samples << 1, 2, 3, 10, 4, 5, 9, 20;
  MatrixF expected(2, 2);
  expected << 2, 6, 6.5F, 12.5F;
  EXPECT_EQ(cluster_means(samples, {{0, 1, 0, 1}, 2}), expected);
  EXPECT_THROW(cluster_means(samples, {{0, 1, 0}, 2}), ShapeError);
}

TEST(Rena, RefusesWhatDoesNotFit) {
  const Mask mask = holed_mask();
  MatrixF samples = waves(mask);
  EXPECT_THROW(rena(samples.leftCols(3), mask), ShapeError);
  EXPECT_THROW(rena(samples, mask, {0, 10}), UsageError);
  EXPECT_THROW(rena(samples, mask, {5, 0}), UsageError);
  samples(2, 2) = NAN;
  EXPECT_THROW(rena(samples, mask), DataError);
}

}  // namespace
}  // namespace noema
