// Agreement of maps against numbers worked out by hand.
#include "noema/interpret/agreement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "noema/core/error.h"

namespace noema {
namespace {

TEST(Agreement, PearsonAndSpearmanByHand) {
  const std::vector<double> a{1, 2, 3, 4, 5}, b{2, 1, 4, 3, 50};
  const Agreement found = compare_maps(a, b, MapPart::signed_values);
  // Σ(a−3)(b−12) = 98; Σ(a−3)² = 10; Σ(b−12)² = 1810.
  EXPECT_NEAR(found.pearson, 98 / std::sqrt(10.0 * 1810.0), 1e-12);
  EXPECT_NEAR(found.spearman, 0.8, 1e-12);  // 1 − 6·4/(5·24)
}

TEST(Agreement, TiesShareTheirMeanRank) {
  // Ranks of a: 1, 2.5, 2.5, 4; of b: 1, 2, 3, 4.
  const Agreement found =
      compare_maps(std::vector<double>{1, 2, 2, 3}, std::vector<double>{1, 2, 3, 4}, MapPart::signed_values);
  EXPECT_NEAR(found.spearman, 4.5 / std::sqrt(4.5 * 5.0), 1e-12);
}

TEST(Agreement, PartsAreTakenBeforeComparing) {
  const std::vector<double> map{-3, -1, 0, 1, 3};
  std::vector<double> squared;
  for (const double value : map) squared.push_back(value * value);
  EXPECT_NEAR(compare_maps(map, squared, MapPart::signed_values).pearson, 0, 1e-12);
  EXPECT_NEAR(compare_maps(map, squared, MapPart::absolute).spearman, 1, 1e-12);
  // Positive parts: (0,0,0,1,3) and (9,1,0,1,9).
  EXPECT_NEAR(compare_maps(map, squared, MapPart::positive).pearson, 12 / std::sqrt(6.8 * 84), 1e-12);
}

TEST(Agreement, DiceCountsTheTopOfEach) {
  std::vector<double> a(100), b(100);
  for (int i = 0; i < 100; ++i) {
    a[static_cast<std::size_t>(i)] = i + 1;
    b[static_cast<std::size_t>(i)] = i >= 95 ? i - 93 : i + 20;  // the top 5 of a are among the lowest of b
  }
  b[99] = 1000;
  const Agreement found = compare_maps(a, b, MapPart::signed_values);
  EXPECT_NEAR(found.dice[0], 1, 1e-12);    // both have feature 99 on top
  EXPECT_NEAR(found.dice[1], 0.2, 1e-12);  // tops {95…99} and {91…94, 99}
  EXPECT_NEAR(found.dice[2], 0.6, 1e-12);  // {90…99} and {86…94, 99}: 90…94 and 99
}

TEST(Agreement, OnlyValuesAboveZeroAreTop) {
  std::vector<double> a(10, -1), b(10, 1);
  EXPECT_TRUE(std::isnan(compare_maps(a, a, MapPart::signed_values).dice[0]));
  EXPECT_NEAR(compare_maps(a, b, MapPart::signed_values).dice[0], 0, 1e-12);
  EXPECT_TRUE(std::isnan(compare_maps(a, b, MapPart::signed_values).pearson));
}

TEST(Agreement, RefusesMapsThatCannotBeCompared) {
  const std::vector<double> three{1, 2, 3}, nan{1, 2, std::numeric_limits<double>::quiet_NaN()};
  EXPECT_THROW(compare_maps(three, std::vector<double>{1, 2}, MapPart::signed_values), ShapeError);
  EXPECT_THROW(compare_maps(std::vector<double>{1, 2}, std::vector<double>{1, 2}, MapPart::signed_values), ShapeError);
  EXPECT_THROW(compare_maps(three, nan, MapPart::signed_values), NumericalError);
}

}  // namespace
}  // namespace noema
