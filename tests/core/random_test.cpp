#include "noema/core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace noema {
namespace {

// The known-answer vectors of the Random123 distribution for philox4x32 with 10 rounds.
TEST(Philox, MatchesThePublishedVectors) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// A stream is a function of its key alone; each part of the key matters.
TEST(RandomStream, DependsOnTheWholeKey) {
  const auto first = [](std::uint64_t seed, const char* purpose, std::initializer_list<std::uint64_t> indices) {
    return RandomStream(seed, purpose, indices).next();
  };
  EXPECT_EQ(first(1, "noise", {2, 3}), first(1, "noise", {2, 3}));
  EXPECT_NE(first(1, "noise", {2, 3}), first(2, "noise", {2, 3}));
  EXPECT_NE(first(1, "noise", {2, 3}), first(1, "drift", {2, 3}));
  EXPECT_NE(first(1, "noise", {2, 3}), first(1, "noise", {3, 2}));
  EXPECT_NE(first(1, "noise", {2}), first(1, "noise", {2, 0}));
}

// Mean, variance and kurtosis of a normal, and uniformity of `below`, within five standard errors.
TEST(RandomStream, HasTheRightMoments) {
  RandomStream stream(7, "moments");
  const int n = 200000;
  double m1 = 0, m2 = 0, m4 = 0;
  for (int i = 0; i < n; ++i) {
    const double x = stream.normal();
    m1 += x / n;
    m2 += x * x / n;
    m4 += x * x * x * x / n;
  }
  EXPECT_NEAR(m1, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(m2, 1, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(m4, 3, 5 * std::sqrt(96.0 / n));
  std::vector<int> counts(6, 0);
  for (int i = 0; i < n; ++i) ++counts[stream.below(6)];
  for (int count : counts) EXPECT_NEAR(count, n / 6.0, 5 * std::sqrt(n * 5.0 / 36));
}

TEST(RandomStream, PermutationHoldsEachIndexOnceAndMoves) {
  RandomStream stream(7, "order");
  std::vector<std::int64_t> order = stream.permutation(100);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::int64_t i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
  EXPECT_TRUE(stream.permutation(0).empty());
}

}  // namespace
}  // namespace noema
