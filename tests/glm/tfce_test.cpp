// TFCE against nilearn's numbers (V[i,j,k] = sin(.5i) + cos(.3jk) + .1ik) and against its definition, height by height.
#include "noema/glm/tfce.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <random>

#include "noema/core/error.h"
#include "noema/glm/clusters.h"
#include "noema/tests/glm/blobs.h"
#include "noema/tests/glm/golden.h"

namespace noema {
namespace {

std::vector<double> by_definition(const Mask& mask, const std::vector<double>& values, const TfceOptions& options) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, options.two_sided ? std::abs(value) : value);
  std::vector<double> sums(values.size(), 0);
  ClusterFinder finder(mask, options.connectivity);
  for (int step = 1; step <= options.steps; ++step) {
    const double height = step == options.steps ? largest : largest / options.steps * step;
    for (const int sign : {1, -1}) {
      if (sign < 0 && !options.two_sided) break;
      finder.find(values, std::nextafter(height, 0), sign, [&](std::span<const std::int32_t> members) {
        const double extent = std::pow(static_cast<double>(members.size()), options.extent_power);
        for (const std::int32_t v : members) {
          sums[static_cast<std::size_t>(v)] += sign * extent * std::pow(height, options.height_power);
        }
      });
    }
  }
  return sums;
}

void expect_equal(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  double largest = 0, difference = 0;
  for (std::size_t v = 0; v < found.size(); ++v) {
    largest = std::max(largest, std::abs(expected[v]));
    difference = std::max(difference, std::abs(found[v] - expected[v]));
  }
  EXPECT_GT(largest, 0);
  EXPECT_LE(difference, 1e-12 * largest);
}

/// (9, 10, 11) of the golden file's `vol`.
std::vector<double> golden_volume(const Mask& mask) {
  std::vector<double> values;
  for (const std::int64_t voxel : mask.voxels) {
    const auto at = mask.grid.voxel_at(voxel);
    const auto i = static_cast<double>(at[0]), j = static_cast<double>(at[1]), k = static_cast<double>(at[2]);
    values.push_back(std::sin(0.5 * i) + std::cos(0.3 * j * k) + 0.1 * i * k);
  }
  return values;
}

using TfceGolden = GoldenTest;

TEST_F(TfceGolden, EqualsNilearn) {
  const Mask mask = box_mask({9, 10, 11});
  const auto cube = golden().at("tfce").get<std::vector<std::vector<std::vector<double>>>>();
  std::vector<double> expected;
  for (const std::int64_t voxel : mask.voxels) {
    const auto at = mask.grid.voxel_at(voxel);
    expected.push_back(
        cube[static_cast<std::size_t>(at[0])][static_cast<std::size_t>(at[1])][static_cast<std::size_t>(at[2])]);
  }
  expect_equal(tfce(mask, golden_volume(mask)), expected);
}

// The negative peak is the larger one: heights reach it when both signs count, the positive peak else.
TEST(Tfce, EqualsItsDefinitionForBothSigns) {
  std::vector<double> values = blob_map();
  for (double& value : values) value = -value;
  expect_equal(tfce(blob_mask(), values), by_definition(blob_mask(), values, {}));
  TfceOptions one_sided;
  one_sided.two_sided = false;
  expect_equal(tfce(blob_mask(), values, one_sided), by_definition(blob_mask(), values, one_sided));
  EXPECT_NE(tfce(blob_mask(), values), tfce(blob_mask(), values, one_sided));
}

TEST(Tfce, EqualsItsDefinitionOnNoiseInAnyMask) {
  std::mt19937_64 random(8);
  std::normal_distribution<double> normal;
  Mask mask = box_mask({15, 13, 12});
  std::erase_if(mask.voxels, [&](std::int64_t) { return normal(random) > 1; });
  std::vector<double> values(mask.voxels.size());
  for (double& value : values) value = std::round(20 * normal(random)) / 20;  // ties
  for (const Connectivity connectivity : {Connectivity::faces, Connectivity::edges, Connectivity::corners}) {
    TfceOptions options;
    options.connectivity = connectivity;
    expect_equal(tfce(mask, values, options), by_definition(mask, values, options));
  }
  expect_equal(tfce(mask, values, {1, 1.5, 37}), by_definition(mask, values, {1, 1.5, 37}));
  expect_equal(tfce(mask, values, {0.7, 2, 1, false}), by_definition(mask, values, {0.7, 2, 1, false}));
}

// One voxel of height 2, extent 1 throughout: Σ (2i/100)² = 4 · 338350 / 10⁴.
TEST(Tfce, OfOneVoxelIsTheSumOfSquares) {
  const Mask mask = box_mask({3, 1, 1});
  const std::vector<double> found = tfce(mask, std::vector<double>{0, -2, 0});
  EXPECT_EQ(found[0], 0);
  EXPECT_NEAR(found[1], -135.34, 1e-11);
}

TEST(Tfce, KeepsNothingFromMapToMap) {
  Tfce enhancer(blob_mask());
  const std::vector<double> values = blob_map();
  std::vector<double> first(values.size()), again(values.size()), other(values.size());
  enhancer.enhance(values, first);
  std::vector<double> half = values;
  for (double& value : half) value = value > 0 ? 0.5 * value : 0;
  enhancer.enhance(half, other);
  enhancer.enhance(values, again);
  EXPECT_EQ(first, again);
  EXPECT_EQ(other, tfce(blob_mask(), half));
}

TEST(Tfce, OfNothingIsNothing) {
  const Mask mask = box_mask({2, 2, 2});
  EXPECT_EQ(tfce(mask, std::vector<double>(8, 0)), std::vector<double>(8, 0));
  EXPECT_EQ(tfce(mask, std::vector<double>(8, -1), {0.5, 2, 100, false}), std::vector<double>(8, 0));
  EXPECT_THROW(tfce(mask, std::vector<double>(7, 1)), ShapeError);
  EXPECT_THROW(tfce(mask, std::vector<double>(8, std::nan(""))), DataError);
  EXPECT_THROW(tfce(mask, std::vector<double>(8, 1), {0.5, 2, 0}), UsageError);
}

}  // namespace
}  // namespace noema
