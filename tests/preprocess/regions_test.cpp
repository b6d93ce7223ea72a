#include "noema/preprocess/regions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "noema/core/error.h"

namespace noema {
namespace {

using testing::ElementsAre;

constexpr RegionStatistic kAll[] = {RegionStatistic::mean,
                                    RegionStatistic::median,
                                    RegionStatistic::sum,
                                    RegionStatistic::minimum,
                                    RegionStatistic::maximum,
                                    RegionStatistic::variance,
                                    RegionStatistic::standard_deviation};

std::vector<double> apply(const Regions& regions, const std::vector<float>& volume, RegionStatistic statistic) {
  std::vector<double> values(static_cast<std::size_t>(regions.count()));
  regions.apply(volume, statistic, values);
  return values;
}

TEST(Regions, SevenStatistics) {
  const std::vector<float> volume{4, 1, -2, 9, 10, 20, 7, 100};
  const std::vector<std::int32_t> region{0, 0, 0, 0, 1, 1, 1, -1};
  const Regions regions(region, 2);
  EXPECT_THAT(apply(regions, volume, RegionStatistic::mean), ElementsAre(3, testing::DoubleEq(37.0 / 3)));
  EXPECT_THAT(apply(regions, volume, RegionStatistic::median), ElementsAre(2.5, 10));
  EXPECT_THAT(apply(regions, volume, RegionStatistic::sum), ElementsAre(12, 37));
  EXPECT_THAT(apply(regions, volume, RegionStatistic::minimum), ElementsAre(-2, 7));
  EXPECT_THAT(apply(regions, volume, RegionStatistic::maximum), ElementsAre(9, 20));
  EXPECT_THAT(apply(regions, volume, RegionStatistic::variance),
              ElementsAre(16.5, testing::DoubleNear(278.0 / 9, 1e-13)));
  EXPECT_THAT(apply(regions, volume, RegionStatistic::standard_deviation),
              ElementsAre(std::sqrt(16.5), testing::DoubleNear(std::sqrt(278.0 / 9), 1e-14)));
  for (const RegionStatistic statistic : kAll) {
    EXPECT_EQ(parse_region_statistic(region_statistic_name(statistic)), statistic);
  }
  EXPECT_EQ(parse_region_statistic("mode"), std::nullopt);
}

TEST(Regions, LeaveOutWhatIsNotFiniteOrUsable) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> volume{1, 3, nan, 10, infinity, nan, 8};
  const std::vector<std::int32_t> region{0, 0, 0, 1, 1, 2, 3};
  const std::vector<std::uint8_t> usable{0, 1, 1, 1, 1, 1, 1};
  for (const RegionStatistic statistic : {RegionStatistic::mean, RegionStatistic::median, RegionStatistic::sum}) {
    const bool sum = statistic == RegionStatistic::sum;
    EXPECT_THAT(apply(Regions(region, 5), volume, statistic),
                ElementsAre(sum ? 4 : 2, 10, testing::IsNan(), 8, testing::IsNan()));
    EXPECT_THAT(apply(Regions(region, 5, usable), volume, statistic),
                ElementsAre(3, 10, testing::IsNan(), 8, testing::IsNan()));
  }
}

// Beside a plain sum over voxels, for sizes around the number of lanes.
TEST(Regions, ManyVolumesByBruteForce) {
  constexpr std::int64_t kRegions = 40;
  std::vector<std::int32_t> region;
  for (std::int32_t r = 0; r < kRegions; ++r) {
    for (std::int32_t n = 0; n <= r; ++n) region.push_back((r * 17 + n) % kRegions == 5 ? -1 : (r + n) % kRegions);
  }
  const auto voxels = static_cast<Eigen::Index>(region.size());
  MatrixF volumes(7, voxels);
  for (Eigen::Index t = 0; t < 7; ++t) {
    for (Eigen::Index v = 0; v < voxels; ++v) volumes(t, v) = std::sin(static_cast<float>(3 * t + v * v % 101));
  }
  const MatrixD found = Regions(region, kRegions).apply(volumes);
  MatrixD sum = MatrixD::Zero(7, kRegions), count = sum;
  for (Eigen::Index v = 0; v < voxels; ++v) {
    if (region[static_cast<std::size_t>(v)] < 0) continue;
    sum.col(region[static_cast<std::size_t>(v)]) += volumes.col(v).cast<double>();
    count.col(region[static_cast<std::size_t>(v)]).array() += 1;
  }
  EXPECT_LT((found - sum.cwiseQuotient(count)).cwiseAbs().maxCoeff(), 1e-14);
}

TEST(Regions, SpreadIsTheWayBack) {
  const Regions regions({{1, 3}, {3, 4}, {}}, 6);
  std::vector<float> volume(6, 9.0F);
  regions.spread(std::vector<double>{2, 5, 100}, volume);
  EXPECT_THAT(volume, ElementsAre(0, 2, 0, 3.5, 5, 0));
}

TEST(Regions, RefuseWhatDoesNotFit) {
  const std::vector<std::int32_t> region{0, 1};
  EXPECT_THROW(Regions(region, 1), ShapeError);
  EXPECT_THROW(Regions(region, 2, std::vector<std::uint8_t>{1}), ShapeError);
  EXPECT_THROW(Regions(std::vector<std::vector<std::int64_t>>{{2}}, 2), ShapeError);
  EXPECT_THROW(apply(Regions(region, 2), {1, 2, 3}, RegionStatistic::mean), ShapeError);
  std::vector<float> volume(2);
  EXPECT_THROW(Regions(region, 2).spread(std::vector<double>{1}, volume), ShapeError);
}

}  // namespace
}  // namespace noema
