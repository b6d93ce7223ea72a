#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/settings.h"
#include "noema/io/atlas.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Voxels within an ellipsoid that fills the grid; edges of 2 × 2 × 3 mm, oblique.
Mask ellipsoid(std::int64_t x, std::int64_t y, std::int64_t z) {
  Mask mask;
  mask.grid.shape = {x, y, z};
  mask.grid.ras_from_voxel << 1.6, -1.2, 0, -10, 1.2, 1.6, 0, 5, 0, 0, 3, 7, 0, 0, 0, 1;
  for (std::int64_t i = 0; i < mask.grid.voxel_count(); ++i) {
    const auto at = mask.grid.voxel_at(i);
    double radius2 = 0;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double half = static_cast<double>(mask.grid.shape[axis]) / 2;
      const double d = (static_cast<double>(at[axis]) + 0.5 - half) / half;
      radius2 += d * d;
    }
    if (radius2 <= 1) mask.voxels.push_back(i);
  }
  return mask;
}

Mask box(std::int64_t x, std::int64_t y, std::int64_t z) {
  Mask mask;
  mask.grid.shape = {x, y, z};
  for (std::int64_t i = 0; i < mask.grid.voxel_count(); ++i) mask.voxels.push_back(i);
  return mask;
}

std::vector<std::int64_t> sizes_of(const Atlas& atlas) {
  std::vector<std::int64_t> sizes(atlas.ids.size(), 0);
  for (const float id : atlas.image.values) {
    if (id > 0) ++sizes[static_cast<std::size_t>(id) - 1];
  }
  return sizes;
}

/// How many pieces, connected through faces, the voxels with this id form.
int pieces_of(const Atlas& atlas, float id) {
  const Grid& grid = atlas.image.header.grid;
  std::vector<bool> seen(atlas.image.values.size(), false);
  int pieces = 0;
  for (std::int64_t start = 0; start < grid.voxel_count(); ++start) {
    if (seen[static_cast<std::size_t>(start)] || atlas.image.values[static_cast<std::size_t>(start)] != id) continue;
    ++pieces;
    std::vector<std::int64_t> open{start};
    seen[static_cast<std::size_t>(start)] = true;
    while (!open.empty()) {
      const auto at = grid.voxel_at(open.back());
      open.pop_back();
      for (std::size_t axis = 0; axis < 3; ++axis) {
        for (const int step : {-1, 1}) {
          auto to = at;
          to[axis] += step;
          if (to[axis] < 0 || to[axis] >= grid.shape[axis]) continue;
          const auto n = static_cast<std::size_t>(grid.linear_index(to[0], to[1], to[2]));
          if (seen[n] || atlas.image.values[n] != id) continue;
          seen[n] = true;
          open.push_back(static_cast<std::int64_t>(n));
        }
      }
    }
  }
  return pieces;
}

void expect_covers(const Atlas& atlas, const Mask& mask) {
  std::int64_t inside = 0;
  for (const std::int64_t voxel : mask.voxels)
    inside += atlas.image.values[static_cast<std::size_t>(voxel)] > 0 ? 1 : 0;
  EXPECT_EQ(inside, mask.size());
  const auto labelled =
      std::count_if(atlas.image.values.begin(), atlas.image.values.end(), [](float v) { return v != 0; });
  EXPECT_EQ(labelled, mask.size());
}

TEST(GeometricParcels, EvenAndConnectedOnAnEllipsoid) {
  const Mask mask = ellipsoid(24, 30, 20);
  const Atlas atlas = geometric_parcels(mask, 60);
  ASSERT_EQ(atlas.ids.size(), 60U);
  EXPECT_EQ(atlas.names.front(), "parcel-001");
  EXPECT_EQ(atlas.names.back(), "parcel-060");
  EXPECT_EQ(atlas.kind, FeatureKind::parcels);
  expect_covers(atlas, mask);
  const double mean = static_cast<double>(mask.size()) / 60;
  for (const std::int64_t size : sizes_of(atlas)) {
    EXPECT_GT(static_cast<double>(size), 0.8 * mean);
    EXPECT_LT(static_cast<double>(size), 1.25 * mean);
  }
  for (const std::int32_t id : atlas.ids) EXPECT_EQ(pieces_of(atlas, static_cast<float>(id)), 1) << "parcel " << id;
}

// Parcels are compact: not much wider than balls of their volume, whose mean squared radius is 0.6·r².
TEST(GeometricParcels, Compact) {
  const Mask mask = ellipsoid(24, 30, 20);
  const Atlas atlas = geometric_parcels(mask, 60);
  std::vector<Eigen::Vector3d> sums(60, Eigen::Vector3d::Zero());
  std::vector<double> squares(60, 0);
  const std::vector<std::int64_t> sizes = sizes_of(atlas);
  for (const std::int64_t voxel : mask.voxels) {
    const auto c = static_cast<std::size_t>(atlas.image.values[static_cast<std::size_t>(voxel)]) - 1;
    const auto [i, j, k] = mask.grid.voxel_at(voxel);
    const Eigen::Vector4d at(static_cast<double>(i), static_cast<double>(j), static_cast<double>(k), 1);
    const Eigen::Vector3d mm = (mask.grid.ras_from_voxel * at).head<3>();
    sums[c] += mm;
    squares[c] += mm.squaredNorm();
  }
  double mean_spread = 0;
  for (std::size_t c = 0; c < 60; ++c) {
    const auto n = static_cast<double>(sizes[c]);
    const double radius2 = std::pow(n * 12 / (4.0 / 3 * 3.14159265), 2.0 / 3);
    mean_spread += (squares[c] / n - (sums[c] / n).squaredNorm()) / (0.6 * radius2) / 60;
  }
  EXPECT_GT(mean_spread, 0.9);
  EXPECT_LT(mean_spread, 1.4);
}

TEST(GeometricParcels, NumberedByTheirFirstVoxel) {
  const Atlas atlas = geometric_parcels(ellipsoid(12, 12, 12), 20, 7);
  float largest = 0;
  for (const float id : atlas.image.values) {
    EXPECT_LE(id, largest + 1);
    largest = std::max(largest, id);
  }
  EXPECT_EQ(largest, 20);
}

TEST(GeometricParcels, TheSameForAnyNumberOfThreads) {
  const Mask mask = ellipsoid(24, 24, 24);
  const int before = thread_count();
  set_thread_count(1);
  const Atlas one = geometric_parcels(mask, 37, 3);
  set_thread_count(2);
  const Atlas two = geometric_parcels(mask, 37, 3);
  set_thread_count(before);
  EXPECT_EQ(one.image.values, two.image.values);
  EXPECT_EQ(one.hash, two.hash);
  EXPECT_NE(one.image.values, geometric_parcels(mask, 37, 4).image.values);
}

TEST(GeometricParcels, OneParcelAndOneVoxelEach) {
  const Mask mask = ellipsoid(6, 6, 6);
  const Atlas one = geometric_parcels(mask, 1);
  expect_covers(one, mask);
  EXPECT_EQ(one.ids.size(), 1U);
  const auto voxels = static_cast<int>(mask.size());
  const Atlas each = geometric_parcels(mask, voxels);
  expect_covers(each, mask);
  EXPECT_EQ(each.ids.size(), mask.voxels.size());
  for (const std::int64_t size : sizes_of(each)) EXPECT_EQ(size, 1);
  EXPECT_EQ(geometric_parcels(mask, voxels - 1).ids.size(), mask.voxels.size() - 1);
}

// Of 8 voxels in a row, 4 parcels are the 4 pairs.
TEST(GeometricParcels, KnownAnswerInARow) {
  for (const std::uint64_t seed : {0, 1, 2, 3, 4}) {
    EXPECT_THAT(geometric_parcels(box(8, 1, 1), 4, seed).image.values, testing::ElementsAre(1, 1, 2, 2, 3, 3, 4, 4));
  }
}

TEST(GeometricParcels, ASliceIsDividedEvenly) {
  const Atlas atlas = geometric_parcels(box(40, 20, 1), 16);
  for (const std::int64_t size : sizes_of(atlas)) {
    EXPECT_GE(size, 40);
    EXPECT_LE(size, 62);
  }
  for (int id = 1; id <= 16; ++id) EXPECT_EQ(pieces_of(atlas, static_cast<float>(id)), 1);
}

// A comb whose teeth touch only at its back: no parcel may jump from tooth to tooth.
TEST(GeometricParcels, ConnectedAcrossGaps) {
  Mask mask;
  mask.grid.shape = {21, 20, 2};
  for (std::int64_t i = 0; i < mask.grid.voxel_count(); ++i) {
    const auto at = mask.grid.voxel_at(i);
    if (at[0] % 2 == 0 || at[1] == 0) mask.voxels.push_back(i);
  }
  const Atlas atlas = geometric_parcels(mask, 12);
  expect_covers(atlas, mask);
  ASSERT_EQ(atlas.ids.size(), 12U);
  for (int id = 1; id <= 12; ++id) EXPECT_EQ(pieces_of(atlas, static_cast<float>(id)), 1) << "parcel " << id;
}

// An island too small for a parcel of its own joins the nearest.
TEST(GeometricParcels, IslandsJoinTheNearest) {
  Mask mask = box(20, 4, 4);
  std::erase_if(mask.voxels, [&](std::int64_t voxel) { return mask.grid.voxel_at(voxel)[0] == 18; });
  std::erase_if(mask.voxels, [&](std::int64_t voxel) {
    const auto at = mask.grid.voxel_at(voxel);
    return at[0] == 19 && (at[1] != 0 || at[2] != 0);
  });
  const Atlas atlas = geometric_parcels(mask, 3);
  expect_covers(atlas, mask);
  ASSERT_EQ(atlas.ids.size(), 3U);
  const auto at = [&](std::int64_t i) {
    return atlas.image.values[static_cast<std::size_t>(mask.grid.linear_index(i, 0, 0))];
  };
  EXPECT_EQ(at(19), at(17));
}

TEST(GeometricParcels, ImpossibleCounts) {
  const Mask mask = box(2, 2, 2);
  EXPECT_THAT(error_of<UsageError>([&] { geometric_parcels(mask, 0); }),
              AllOf(HasSubstr("0 parcels"), HasSubstr("1 to 8")));
  EXPECT_THAT(error_of<UsageError>([&] { geometric_parcels(mask, 9); }), HasSubstr("9 parcels"));
}

// A whole brain at 2 mm takes about a second on two cores; ten times that is a mistake in the search for candidates.
TEST(GeometricParcels, WholeBrainIsQuick) {
  const Mask mask = ellipsoid(72, 86, 70);
  const auto begin = std::chrono::steady_clock::now();
  const Atlas atlas = geometric_parcels(mask, 400);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  RecordProperty("seconds", std::to_string(seconds));
  const std::vector<std::int64_t> sizes = sizes_of(atlas);
  const double mean = static_cast<double>(mask.size()) / 400;
  EXPECT_GT(static_cast<double>(*std::min_element(sizes.begin(), sizes.end())), 0.5 * mean);
  EXPECT_LT(static_cast<double>(*std::max_element(sizes.begin(), sizes.end())), 2 * mean);
  EXPECT_LT(seconds, 30);
}

}  // namespace
}  // namespace noema
