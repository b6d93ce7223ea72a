#include "noema/simulate/field.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/settings.h"

namespace noema {
namespace {

constexpr std::array<std::int64_t, 3> kShape{12, 9, 10};
constexpr std::size_t kVoxels = 12 * 9 * 10;

std::vector<float> draw(const FieldSource& source, std::uint64_t index) {
  std::vector<float> field(kVoxels);
  source.draw({1, "test", {index, 0, 0}}, field);
  return field;
}

struct Moments {
  std::vector<double> mean = std::vector<double>(kVoxels, 0.0);
  std::vector<double> square = std::vector<double>(kVoxels, 0.0);
  /// Mean product of neighbours along x, y and z.
  std::array<double, 3> neighbours{0, 0, 0};
};

Moments moments(double sd_voxels, int draws) {
  const FieldSource source(kShape, sd_voxels);
  Moments result;
  const std::array<std::size_t, 3> steps{1, 12, 12 * 9};
  std::array<double, 3> counts{0, 0, 0};
  for (int d = 0; d < draws; ++d) {
    const std::vector<float> field = draw(source, static_cast<std::uint64_t>(d));
    for (std::size_t v = 0; v < kVoxels; ++v) {
      result.mean[v] += field[v] / draws;
      result.square[v] += field[v] * field[v] / draws;
      const std::array<std::size_t, 3> place{v % 12, v / 12 % 9, v / (12 * 9)};
      for (std::size_t axis = 0; axis < 3; ++axis) {
        if (static_cast<std::int64_t>(place[axis]) + 1 == kShape[axis]) continue;
        result.neighbours[axis] += static_cast<double>(field[v]) * field[v + steps[axis]];
        ++counts[axis];
      }
    }
  }
  for (std::size_t axis = 0; axis < 3; ++axis) result.neighbours[axis] /= counts[axis];
  return result;
}

// Mean 0 and variance 1 at every voxel, also in the corners of the box. (SD of a variance of 3,000: 0.026.)
TEST(FieldTest, UnitVarianceEverywhere) {
  const Moments found = moments(1, 3000);
  for (std::size_t v = 0; v < kVoxels; ++v) {
    EXPECT_NEAR(found.mean[v], 0, 0.09) << v;
    EXPECT_NEAR(found.square[v], 1, 0.13) << v;
  }
}

// White noise smoothed with SD s correlates by exp(−1/(4s²)) between neighbours: 0.7788 for s = 1. (A little less at
// the borders.)
TEST(FieldTest, Smoothness) {
  for (const double found : moments(1, 500).neighbours) EXPECT_NEAR(found, std::exp(-0.25), 0.015);
  for (const double found : moments(0, 500).neighbours) EXPECT_NEAR(found, 0, 0.01);
  for (const double found : moments(2, 500).neighbours) EXPECT_NEAR(found, std::exp(-0.0625), 0.02);
}

TEST(FieldTest, KeysNotThreads) {
  const FieldSource source(kShape, 1.5);
  set_thread_count(1);
  const auto one = draw(source, 7);
  set_thread_count(4);
  EXPECT_EQ(draw(source, 7), one);
  EXPECT_NE(draw(source, 8), one);
  std::vector<float> other(kVoxels);
  source.draw({2, "test", {7, 0, 0}}, other);
  EXPECT_NE(other, one);
  source.draw({1, "else", {7, 0, 0}}, other);
  EXPECT_NE(other, one);
  EXPECT_THROW(source.draw({1, "test"}, std::span(other).first(5)), ShapeError);
}

}  // namespace
}  // namespace noema
