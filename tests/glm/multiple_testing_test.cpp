// Numbers of nilearn 0.14.1 on inputs in closed form: fdr_threshold, threshold_stats_img, get_clusters_table and
// cluster_level_inference of the map of blobs.h with a mask of ones; brute force for all-resolutions inference.
#include "noema/glm/multiple_testing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "noema/core/error.h"
#include "noema/glm/all_resolutions.h"
#include "noema/glm/clusters.h"
#include "noema/tests/glm/blobs.h"

namespace noema {
namespace {

std::vector<double> wave() {
  std::vector<double> z;
  for (int q = 0; q < 60; ++q) z.push_back(1.5 * std::sin(1.7 * q) + 2 * std::exp(-q / 9.0));
  return z;
}

TEST(FdrThreshold, EqualsNilearn) {
  EXPECT_NEAR(fdr_threshold(wave(), 0.05), 3.2771758493064422, 1e-12);
  EXPECT_EQ(fdr_threshold(wave(), 0.001), std::numeric_limits<double>::infinity());
}

TEST(FdrThreshold, IsTheLargestStepOfTheRule) {
  // p = 0.04, 0.045, 0.9: the second passes 0.05 · 2/3 nowhere, but at level 0.07 it passes though the first does not.
  const std::vector<double> z = {normal_from_upper_tail(0.045), normal_from_upper_tail(0.9),
                                 normal_from_upper_tail(0.04)};
  EXPECT_NEAR(fdr_threshold(z, 0.07), z[0], 2e-12);
  EXPECT_LT(fdr_threshold(z, 0.07), z[0]);
  EXPECT_TRUE(std::isinf(fdr_threshold(z, 0.05)));
}

/// Whether each voxel is found: some p that is no smaller passes for all that are as small as it.
std::vector<bool> found_by_rule(const std::vector<double>& p, double alpha) {
  std::vector<bool> found(p.size(), false);
  for (const double passing : p) {
    const auto as_small = std::count_if(p.begin(), p.end(), [&](double other) { return other <= passing; });
    if (passing > alpha * static_cast<double>(as_small) / static_cast<double>(p.size())) continue;
    for (std::size_t v = 0; v < p.size(); ++v) found[v] = found[v] || p[v] <= passing;
  }
  return found;
}

// The 15 p of the example of Benjamini and Hochberg 1995: four are found, where Bonferroni finds three.
TEST(FdrThreshold, FindsWhatTheRulesAuthorsFind) {
  const std::vector<double> p = {0.5719, 0.0001, 0.0344, 0.0095, 0.6528, 0.0019, 0.0201, 0.7590,
                                 0.0278, 0.0004, 0.0298, 0.9999, 0.0459, 0.3240, 0.4262};
  std::vector<double> z;
  for (const double value : p) z.push_back(normal_from_upper_tail(value));
  const auto above = [&](double height) {
    return std::count_if(z.begin(), z.end(), [&](double value) { return value > height; });
  };
  const double height = fdr_threshold(z, 0.05);
  EXPECT_EQ(above(height), 4);
  EXPECT_NEAR(height, normal_from_upper_tail(0.0095), 2e-12);
  EXPECT_EQ(above(height_threshold(z, HeightControl::bonferroni, 0.05, false)), 3);
  EXPECT_EQ(above(height_threshold(z, HeightControl::fpr, 0.05, false)), 9);
}

// nilearn 0.14.1, fdr_threshold of z[q] = 1.2 sin(2.3q + 0.01q²) + 1.1 cos(0.9q) + 4 exp(−((q − 200)/25)²), q < 500.
TEST(FdrThreshold, OfManyVoxelsEqualsNilearnAndTheRule) {
  std::vector<double> z, p;
  for (int q = 0; q < 500; ++q) {
    z.push_back(1.2 * std::sin(2.3 * q + 0.01 * q * q) + 1.1 * std::cos(0.9 * q) +
                4 * std::exp(-std::pow((q - 200) / 25.0, 2)));
    p.push_back(normal_upper_tail(z.back()));
  }
  const std::vector<std::pair<double, std::pair<double, int>>> goldens = {{0.2, {1.802902047451263, 91}},
                                                                          {0.1, {2.4133917720684583, 41}},
                                                                          {0.05, {2.771153294928232, 31}},
                                                                          {0.01, {3.337387428793339, 24}},
                                                                          {0.001, {4.047389188192234, 14}}};
  for (const auto& [alpha, golden] : goldens) {
    const double height = fdr_threshold(z, alpha);
    EXPECT_NEAR(height, golden.first, 1e-12);
    const std::vector<bool> found = found_by_rule(p, alpha);
    EXPECT_EQ(std::count(found.begin(), found.end(), true), golden.second);
    for (std::size_t v = 0; v < z.size(); ++v) EXPECT_EQ(z[v] > height, found[v]) << v << " at " << alpha;
  }
}

struct HeightCase {
  HeightControl control;
  double alpha;
  bool two_sided;
  double threshold;
  std::int64_t voxels;
  double sum;
};

TEST(HeightThreshold, EqualsNilearnWithClustersOfTen) {
  const std::vector<double> map = blob_map();
  const std::vector<HeightCase> cases = {
      {HeightControl::fpr, 0.001, true, 3.2905267314918945, 57, 77.34740662926205},
      {HeightControl::fpr, 0.001, false, 3.090232306167813, 47, 188.48401828300297},
      {HeightControl::fdr, 0.05, true, 3.0917129362058757, 70, 99.62039983708257},
      {HeightControl::fdr, 0.05, false, 2.989721050418179, 48, 191.4856097912285},
      {HeightControl::bonferroni, 0.05, true, 4.196925596378781, 13, 62.357544439099144},
      {HeightControl::bonferroni, 0.05, false, 4.03711496796513, 15, 70.6500322496608}};
  for (const HeightCase& expected : cases) {
    SCOPED_TRACE(height_control_name(expected.control));
    const double height = height_threshold(map, expected.control, expected.alpha, expected.two_sided);
    EXPECT_NEAR(height, expected.threshold, 1e-12);
    const std::vector<double> kept = threshold_map(blob_mask(), map, {height, expected.two_sided, 10});
    EXPECT_EQ(std::count_if(kept.begin(), kept.end(), [](double z) { return z != 0; }), expected.voxels);
    EXPECT_NEAR(std::accumulate(kept.begin(), kept.end(), 0.0), expected.sum, 1e-10);
  }
}

TEST(HeightThreshold, RefusesWhatHasNoAnswer) {
  EXPECT_THROW(height_threshold({}, HeightControl::fpr, 0.05, true), DataError);
  EXPECT_THROW(height_threshold(wave(), HeightControl::fpr, 0, true), UsageError);
  EXPECT_THROW(height_threshold(wave(), HeightControl::fpr, 1, true), UsageError);
  const std::vector<double> broken = {1, std::nan(""), 2};
  EXPECT_THROW(height_threshold(broken, HeightControl::fdr, 0.05, true), DataError);
  EXPECT_THROW(parse_height_control("none"), UsageError);
}

TEST(NormalTails, AreExactFarOut) {
  EXPECT_NEAR(normal_upper_tail(10) / 7.619853024160527e-24, 1, 1e-13);
  EXPECT_NEAR(normal_from_upper_tail(7.619853024160527e-24), 10, 1e-13);
  EXPECT_NEAR(normal_upper_tail(-10), 1, 1e-15);
  EXPECT_EQ(normal_upper_tail(std::numeric_limits<double>::infinity()), 0);
}

TEST(AllResolutions, EqualsNilearnOnTheMap) {
  const std::vector<double> map = blob_map();
  std::vector<double> p(map.size());
  std::transform(map.begin(), map.end(), p.begin(), normal_upper_tail);
  EXPECT_EQ(hommel_value(p, 0.05), 1820);
  EXPECT_EQ(hommel_value(p, 0.2), 1805);
  const auto count = [](const std::vector<double>& proportions, double value) {
    return std::count_if(proportions.begin(), proportions.end(),
                         [&](double found) { return std::abs(found - value) < 1e-12; });
  };
  const std::vector<double> found = true_discovery_map(blob_mask(), map, {3.0, 2.3}, 0.05);  // any order
  EXPECT_EQ(count(found, 0), 1755);
  EXPECT_EQ(count(found, 0.25), 4);
  EXPECT_EQ(count(found, 28.0 / 93), 41);
  EXPECT_EQ(count(found, 0.5625), 48);
  EXPECT_NEAR(std::accumulate(found.begin(), found.end(), 0.0), 40.344086021505376, 1e-12);
  const std::vector<double> at_20 = true_discovery_map(blob_mask(), map, {2.3, 3.0}, 0.2);
  EXPECT_NEAR(std::accumulate(at_20.begin(), at_20.end(), 0.0), 58.956989247311824, 1e-12);
}

/// Does Simes' test leave the intersection of these hypotheses standing?
bool stands(const std::vector<double>& p, unsigned set, double alpha) {
  std::vector<double> chosen;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if ((set >> i & 1) != 0) chosen.push_back(p[i]);
  }
  std::sort(chosen.begin(), chosen.end());
  for (std::size_t j = 0; j < chosen.size(); ++j) {
    if (chosen[j] <= alpha * static_cast<double>(j + 1) / static_cast<double>(chosen.size())) return false;
  }
  return true;
}

// Closed testing over all subsets: of a set, those are not discoveries that some intersection left standing holds.
TEST(AllResolutions, EqualsClosedTestingByBruteForce) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> uniform;
  constexpr int kTests = 9;
  int with_discoveries = 0;
  for (int trial = 0; trial < 40; ++trial) {
    std::vector<double> p;
    for (int i = 0; i < kTests; ++i) p.push_back(std::pow(uniform(random), i % 3 == 0 ? 1 : 6));
    const double alpha = trial % 2 == 0 ? 0.05 : 0.3;
    std::int64_t largest = 0;
    std::vector<unsigned> standing;
    for (unsigned set = 1; set < 1U << kTests; ++set) {
      if (!stands(p, set, alpha)) continue;
      standing.push_back(set);
      largest = std::max<std::int64_t>(largest, std::popcount(set));
    }
    const std::int64_t hommel = hommel_value(p, alpha);
    EXPECT_EQ(hommel, largest);
    for (unsigned set = 1; set < 1U << kTests; ++set) {
      std::vector<double> of_set;
      for (std::size_t i = 0; i < p.size(); ++i) {
        if ((set >> i & 1) != 0) of_set.push_back(p[i]);
      }
      int not_discovered = 0;
      for (const unsigned other : standing) not_discovered = std::max(not_discovered, std::popcount(set & other));
      const double size = std::popcount(set);
      ASSERT_NEAR(true_discovery_proportion(of_set, hommel, alpha), (size - not_discovered) / size, 1e-12);
      if (not_discovered < std::popcount(set)) ++with_discoveries;
    }
  }
  EXPECT_GT(with_discoveries, 1000);
}

TEST(AllResolutions, NeverDiscoversMoreThanThereIs) {
  const std::vector<double> p = {0, 1e-9, 1e-6};  // all rejected: h is 0
  EXPECT_EQ(hommel_value(p, 0.05), 0);
  EXPECT_EQ(true_discovery_proportion(p, 0, 0.05), 1);
  const std::vector<double> one = {0.7};
  EXPECT_EQ(hommel_value(one, 0.05), 1);
  EXPECT_EQ(true_discovery_proportion(one, 1, 0.05), 0);
  EXPECT_THROW(hommel_value({}, 0.05), DataError);
  EXPECT_THROW(true_discovery_map(blob_mask(), blob_map(), {-1}, 0.05), UsageError);
}

}  // namespace
}  // namespace noema
