// Clusters against flood fills by hand and against nilearn 0.14.1's get_clusters_table on the map of blobs.h.
#include "noema/glm/clusters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "noema/core/error.h"
#include "noema/glm/cluster_table.h"
#include "noema/tests/glm/blobs.h"

namespace noema {
namespace {

std::vector<std::vector<std::int32_t>> clusters_of(const Mask& mask, const std::vector<double>& values,
                                                   double threshold, int sign, Connectivity connectivity) {
  std::vector<std::vector<std::int32_t>> clusters;
  ClusterFinder finder(mask, connectivity);
  const auto add = [&](std::span<const std::int32_t> members) {
    clusters.emplace_back(members.begin(), members.end());
  };
  finder.find(values, threshold, sign, add);
  return clusters;
}

// Three voxels: the second shares an edge with the first, the third a corner with the second.
TEST(ClusterFinder, JoinsByFacesEdgesOrCorners) {
  const Mask mask = box_mask({4, 4, 4});
  std::vector<double> values(64, 0);
  for (const auto& at : {std::array{0, 0, 0}, std::array{1, 1, 0}, std::array{2, 2, 1}}) {
    values[static_cast<std::size_t>(mask.grid.linear_index(at[0], at[1], at[2]))] = 1;
  }
  EXPECT_EQ(clusters_of(mask, values, 0.5, 1, Connectivity::faces).size(), 3U);
  EXPECT_EQ(clusters_of(mask, values, 0.5, 1, Connectivity::edges).size(), 2U);
  EXPECT_EQ(clusters_of(mask, values, 0.5, 1, Connectivity::corners).size(), 1U);
  EXPECT_TRUE(clusters_of(mask, values, 1, 1, Connectivity::corners).empty());  // above, not at
}

// The last voxel of a row and the first of the next follow one another in memory but do not touch; nor do voxels on
// both sides of one that the mask leaves out.
TEST(ClusterFinder, DoesNotReachAroundTheBorder) {
  Mask mask = box_mask({3, 3, 3});
  const std::vector<double> ends = [] {
    std::vector<double> values(27, 0);
    values[2] = values[3] = values[8] = values[9] = values[0] = values[26] = 1;
    return values;
  }();
  EXPECT_EQ(clusters_of(mask, ends, 0, 1, Connectivity::faces).size(), 4U);  // 3 and 9 touch 0 along y and z
  mask.voxels = {0, 2};
  EXPECT_EQ(clusters_of(mask, {1, 1}, 0, 1, Connectivity::corners).size(), 2U);
}

// Every finder of a random map: members above and joined, equal to repeated merging of labels.
TEST(ClusterFinder, EqualsMergingOfLabels) {
  const Mask full = box_mask({7, 6, 5});
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  Mask mask = full;
  mask.voxels.clear();
  for (const std::int64_t v : full.voxels) {
    if (normal(random) > -1) mask.voxels.push_back(v);
  }
  std::vector<double> values(mask.voxels.size());
  for (double& value : values) value = normal(random);
  for (const auto& [connectivity, axes] :
       {std::pair{Connectivity::faces, 1}, {Connectivity::edges, 2}, {Connectivity::corners, 3}}) {
    std::vector<int> label(values.size());
    std::iota(label.begin(), label.end(), 0);
    const auto touch = [&, most = axes](std::size_t a, std::size_t b) {
      const auto p = mask.grid.voxel_at(mask.voxels[a]), q = mask.grid.voxel_at(mask.voxels[b]);
      const std::array d = {std::abs(p[0] - q[0]), std::abs(p[1] - q[1]), std::abs(p[2] - q[2])};
      return *std::max_element(d.begin(), d.end()) <= 1 && d[0] + d[1] + d[2] <= most;
    };
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t a = 0; a < values.size(); ++a) {
        for (std::size_t b = 0; b < values.size(); ++b) {
          if (values[a] < -1.2 && values[b] < -1.2 && label[b] > label[a] && touch(a, b)) {
            label[b] = label[a];
            changed = true;
          }
        }
      }
    }
    const auto clusters = clusters_of(mask, values, 1.2, -1, connectivity);
    std::size_t found = 0;
    for (const auto& members : clusters) {
      found += members.size();
      EXPECT_TRUE(std::is_sorted(members.begin(), members.end()));
      for (const std::int32_t v : members) EXPECT_EQ(label[static_cast<std::size_t>(v)], label[members[0]]);
      EXPECT_EQ(label[members[0]], members[0]);  // all of it: the smallest label is its first voxel's
    }
    EXPECT_EQ(found,
              static_cast<std::size_t>(std::count_if(values.begin(), values.end(), [](double v) { return v < -1.2; })));
    EXPECT_GT(clusters.size(), 1U);
  }
}

TEST(LargestClusters, SizeAndMassMayBeOfDifferentClusters) {
  const Mask mask = box_mask({8, 1, 1});
  const std::vector<double> values = {2, 2, 2, 0, 9, 0, -3, -4};
  ClusterFinder finder(mask);
  const ClusterExtremes up = largest_clusters(finder, values, 1, false);
  EXPECT_EQ(up.size, 3);
  EXPECT_DOUBLE_EQ(up.mass, 8);
  const std::vector<double> down = {0, 0, 0.5, 0, 2, 0, -3, -4};
  const ClusterExtremes both = largest_clusters(finder, down, 1, true);
  EXPECT_EQ(both.size, 2);
  EXPECT_DOUBLE_EQ(both.mass, 5);
  EXPECT_EQ(largest_clusters(finder, std::vector<double>(8, 0), 1, true).size, 0);
}

void expect_peak(const ClusterPeak& peak, std::array<double, 3> ras_mm, double value) {
  for (std::size_t a = 0; a < 3; ++a) EXPECT_NEAR(peak.ras_mm[a], ras_mm[a], 1e-9);
  EXPECT_NEAR(peak.value, value, 1e-6);
}

TEST(ClusterTable, EqualsNilearn) {
  ClusterTableOptions options;
  options.threshold = {2.3, true, 0};
  const std::vector<ClusterRow> table = cluster_table(blob_mask(), blob_map(), options);
  ASSERT_EQ(table.size(), 3U);
  ASSERT_EQ(table[0].peaks.size(), 3U);
  expect_peak(table[0].peaks[0], {-11, -9, -1}, 5.951261);
  expect_peak(table[0].peaks[1], {1, -6, 2.5}, 4.775267);
  expect_peak(table[0].peaks[2], {-11, 6, -1}, 4.609468);
  EXPECT_EQ(table[0].label(0), "1");
  EXPECT_EQ(table[0].label(2), "1b");
  EXPECT_EQ(static_cast<int>(table[0].volume_mm3), 2929);
  EXPECT_EQ(table[0].voxels.size(), 93U);
  EXPECT_GT(blob_map()[static_cast<std::size_t>(table[0].voxels.front())], 2.3);
  EXPECT_EQ(table[1].id, 2);
  expect_peak(table[1].peaks.at(0), {10, 6, 6}, -5.292383);
  EXPECT_EQ(static_cast<int>(table[1].volume_mm3), 1165);
  expect_peak(table[2].peaks.at(0), {10, -9, 13}, -4.772972);
  EXPECT_EQ(static_cast<int>(table[2].volume_mm3), 220);
  EXPECT_EQ(table[2].label(0), "3");

  options.threshold.smallest_cluster = 20;
  EXPECT_EQ(cluster_table(blob_mask(), blob_map(), options).size(), 2U);
  options.threshold.two_sided = false;
  EXPECT_EQ(cluster_table(blob_mask(), blob_map(), options).size(), 1U);
  options.threshold.height = 7;
  EXPECT_TRUE(cluster_table(blob_mask(), blob_map(), options).empty());
}

TEST(ClusterTable, OfOneValueThroughoutGivesTheCentre) {
  std::vector<double> binary = blob_map();
  for (double& value : binary) value = value > 2.3 ? 1 : 0;
  ClusterTableOptions options;
  options.threshold.height = 0.5;
  const std::vector<ClusterRow> table = cluster_table(blob_mask(), binary, options);
  ASSERT_EQ(table.size(), 1U);
  ASSERT_EQ(table[0].peaks.size(), 1U);
  expect_peak(table[0].peaks[0], {-8, -6, -1}, 1);
}

// The centre of a ring is not in it: a voxel of the ring is taken.
TEST(ClusterTable, PeaksLieInTheirCluster) {
  const Mask mask = box_mask({5, 5, 1});
  std::vector<double> ring(25, 0);
  for (int i = 0; i < 5; ++i) ring[i] = ring[20 + i] = ring[5 * i] = ring[5 * i + 4] = 2;
  const std::vector<ClusterRow> table = cluster_table(mask, ring, {{1, true, 0}});
  ASSERT_EQ(table.size(), 1U);
  const auto& at = table[0].peaks.at(0).voxel;
  EXPECT_EQ(ring[static_cast<std::size_t>(mask.grid.linear_index(at[0], at[1], at[2]))], 2);
}

// Peaks of heights 9, 8, 7 in a row, 6 mm apart, joined by voxels of height 2.
TEST(ClusterTable, SubPeaksAreApartFromAllOthers) {
  const Mask mask = box_mask({7, 1, 1});
  const std::vector<double> values = {2, 9, 2, 8, 2, 7, 2};
  ClusterTableOptions options{{1, true, 0}};
  const auto heights = [&] {
    std::vector<double> found;
    const std::vector<ClusterRow> table = cluster_table(mask, values, options);
    for (const ClusterPeak& peak : table.at(0).peaks) found.push_back(peak.value);
    return found;
  };
  EXPECT_EQ(heights(), (std::vector<double>{9, 7}));
  options.min_distance_mm = 12;
  EXPECT_EQ(heights(), (std::vector<double>{9}));
  options.min_distance_mm = 5.9;
  EXPECT_EQ(heights(), (std::vector<double>{9, 8, 7}));
  options.most_peaks = 2;
  EXPECT_EQ(heights(), (std::vector<double>{9, 8}));
}

// A map and its table of clusters hold the same voxels: those beyond the height, not on it.
TEST(ThresholdMap, ValuesOnTheHeightDoNotCount) {
  const Mask row = box_mask({6, 1, 1});
  const std::vector<double> map{2, 3, 4, -3, -4, 0};
  EXPECT_EQ(threshold_map(row, map, {3, true, 0}), (std::vector<double>{0, 0, 4, 0, -4, 0}));
  EXPECT_EQ(threshold_map(row, map, {3, false, 0}), (std::vector<double>{0, 0, 4, 0, 0, 0}));
  ClusterTableOptions options;
  options.threshold = {3, true, 0};
  const std::vector<ClusterRow> table = cluster_table(row, map, options);
  ASSERT_EQ(table.size(), 2U);
  EXPECT_EQ(table[0].voxels.size(), 1U);
}

TEST(Clusters, RefuseWhatDoesNotFit) {
  EXPECT_THROW(ClusterFinder(Mask{}), DataError);
  EXPECT_THROW(threshold_map(blob_mask(), std::vector<double>(3), {}), ShapeError);
  EXPECT_THROW(threshold_map(blob_mask(), blob_map(), {-1}), UsageError);
  ClusterTableOptions options;
  options.min_distance_mm = 0;
  EXPECT_THROW(cluster_table(blob_mask(), blob_map(), options), UsageError);
}

}  // namespace
}  // namespace noema
