#include "noema/kernels/long_conv.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <tuple>

#include "direct_sums.h"
#include "libtorch_errors.h"
#include "noema/core/error.h"

namespace noema {
namespace {

std::string describe(const LongConvPlan& plan, const LongConvSizes& s) {
  return std::string(name_of(plan.level())) + ", method " + std::to_string(static_cast<int>(plan.method())) + ", " +
         std::to_string(s.batch) + " × " + std::to_string(s.channels) + " × " + std::to_string(s.length) + ", lags " +
         std::to_string(-s.future) + " to " + std::to_string(s.past - 1);
}

void expect_direct_sums(Case c, const LongConvPlan& plan) {
  c.run(plan);
  expect_near(describe(plan, c.sizes), c, direct(c));
}

constexpr std::int64_t kLengths[] = {1,   2,   3,   7,   8,   16,  50,   63,   64,   65,   127,  128, 200,
                                     255, 256, 372, 500, 512, 784, 1000, 1024, 1134, 1200, 2047, 2048};

TEST(LongConvLoops, AreTheDirectSumsAtAllLengths) {
  for (const SimdLevel level : levels_here()) {
    for (const std::int64_t length : kLengths) {
      for (const bool both_sides : {false, true}) {
        const LongConvSizes sizes{3, 3, length, length, both_sides ? length : 0};
        expect_direct_sums(Case(sizes), LongConvPlan(sizes, {.level = level}));
      }
    }
  }
}

TEST(LongConvLoops, AreTheDirectSumsForLongRows) {
  for (const SimdLevel level : levels_here()) {
    for (const std::int64_t length : {4096, 8192, 12000, 20000}) {
      const LongConvSizes sizes{1, 2, length, length, 0};
      expect_direct_sums(Case(sizes), LongConvPlan(sizes, {.level = level}));
    }
  }
}

TEST(LongConvLoops, AreTheDirectSumsForKernelsOfOtherLengths) {
  for (const SimdLevel level : levels_here()) {
    for (const std::int64_t length : {5, 100, 700, 3000}) {
      for (const auto& [past, future] : {std::pair<std::int64_t, std::int64_t>{1, 0},
                                         {3, 0},
                                         {1, 4},
                                         {40, 17},
                                         {17, 40},
                                         {2 * length, 0},
                                         {length, length + 3}}) {
        const LongConvSizes sizes{2, 2, length, past, future};
        for (const LongConvMethod method :
             {LongConvMethod::direct, LongConvMethod::transform, LongConvMethod::overlap_save}) {
          if (method == LongConvMethod::direct && past + future > 64) continue;
          expect_direct_sums(Case(sizes), LongConvPlan(sizes, {.method = method, .level = level}));
        }
      }
    }
  }
}

TEST(LongConvLoops, TakeAnyLayoutWithGatesAndWithoutSkip) {
  for (const SimdLevel level : levels_here()) {
    for (const std::int64_t channels : {1, 5, 16, 33}) {
      for (const std::int64_t length : {9, 100, 257}) {
        const LongConvSizes sizes{2, channels, length, length, channels == 5 ? length : 0};
        Case c(sizes);
        for (c.channels_last = false;; c.channels_last = true) {
          c.gates = true;
          c.skips = true;
          expect_direct_sums(c, LongConvPlan(sizes, {.level = level}));
          c.gates = c.skips = false;
          expect_direct_sums(c, LongConvPlan(sizes, {.level = level}));
          if (c.channels_last) break;
        }
      }
    }
  }
}

TEST(LongConvLoops, KeepTheirAccuracyOnRawIntensities) {
  for (const SimdLevel level : levels_here()) {
    for (const std::int64_t length : {128, 200, 1200, 4096}) {
      const LongConvSizes sizes{2, 3, length, length, length == 200 ? length : 0};
      expect_direct_sums(Case(sizes, 1e3), LongConvPlan(sizes, {.level = level}));
    }
    const LongConvSizes few{3, 2, 900, 30, 20};
    for (const LongConvMethod method :
         {LongConvMethod::direct, LongConvMethod::transform, LongConvMethod::overlap_save}) {
      expect_direct_sums(Case(few, 1e3), LongConvPlan(few, {.method = method, .level = level}));
    }
  }
}

/// Rows, lags and items that fill no tile; bf16x3 to 3e-5, bf16 to 2e-2.
TEST(LongConvTiles, AreTheDirectSums) {
  if (highest_simd_level() != SimdLevel::amx) GTEST_SKIP() << "this processor has no AMX";
  for (const auto& [batch, length, past, future] :
       {std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>{1, 1, 1, 0},
        {3, 2, 2, 2},
        {16, 16, 16, 0},
        {16, 31, 31, 31},
        {17, 64, 64, 0},
        {5, 65, 65, 64},
        {33, 128, 128, 0},
        {16, 200, 200, 0},
        {7, 256, 256, 256},
        {4, 300, 20, 9},
        {4, 300, 9, 20},
        {2, 512, 512, 0},
        {3, 777, 777, 100},
        {3, 100, 300, 300}}) {
    const LongConvSizes sizes{batch, 3, length, past, future};
    Case c(sizes);
    c.gates = batch == 5;
    c.channels_last = batch == 7;
    const Expected e = direct(c);
    for (const auto& [precision, tolerance] :
         {std::pair{LongConvPrecision::bf16x3, 3e-5}, {LongConvPrecision::bf16, 2e-2}}) {
      const LongConvPlan plan(sizes, {precision, LongConvMethod::toeplitz, SimdLevel::amx});
      c.run(plan);
      EXPECT_LE(relative_error(c.y, e.y), tolerance) << describe(plan, sizes);
      EXPECT_LE(relative_error(c.dpost, e.dpost), c.gates ? tolerance : INFINITY) << describe(plan, sizes);
      Case backward = c;  // is by transforms in float32, but for the gradient of `post`
      backward.y.assign(e.y.begin(), e.y.end());
      backward.dpost.assign(e.dpost.begin(), e.dpost.end());
      expect_near(describe(plan, sizes), backward, e);
    }
  }
}

TEST(LongConvTiles, KeepTheirAccuracyOnRawIntensities) {
  if (highest_simd_level() != SimdLevel::amx) GTEST_SKIP() << "this processor has no AMX";
  const LongConvSizes sizes{16, 2, 200, 200, 0};
  Case c(sizes, 1e3);
  const Expected e = direct(c);
  c.run(LongConvPlan(sizes, {LongConvPrecision::bf16x3, LongConvMethod::toeplitz, SimdLevel::amx}));
  EXPECT_LE(relative_error(c.y, e.y), 3e-5);
  c.run(LongConvPlan(sizes, {LongConvPrecision::bf16, LongConvMethod::toeplitz, SimdLevel::amx}));
  EXPECT_LE(relative_error(c.y, e.y), 2e-2);
}

TEST(LongConvTiles, HaveTheAccuracyOfTheirPrecision) {
  if (highest_simd_level() != SimdLevel::amx) GTEST_SKIP() << "this processor has no AMX";
  const LongConvSizes sizes{16, 2, 256, 256, 0};
  const auto error = [&](LongConvPrecision precision) {
    Case c(sizes);
    c.run(LongConvPlan(sizes, {precision, LongConvMethod::toeplitz, SimdLevel::amx}));
    return relative_error(c.y, direct(c).y);
  };
  EXPECT_GT(error(LongConvPrecision::bf16), 1e-3);  // it ran in bf16
  EXPECT_LT(error(LongConvPrecision::bf16x3), 2e-5);
}

/// Each tap alone, each value alone: the response stands exactly where its lag puts it.
TEST(LongConvLoops, PutEachLagInItsPlace) {
  const LongConvSizes sizes{1, 1, 70, 30, 20};
  for (const SimdLevel level : levels_here()) {
    for (const LongConvMethod method :
         {LongConvMethod::direct, LongConvMethod::transform, LongConvMethod::overlap_save}) {
      Case c(sizes);
      c.skips = false;
      std::fill(c.u.begin(), c.u.end(), 0.0F);
      c.u[35] = 1;
      c.run(LongConvPlan(sizes, {.method = method, .level = level}));
      for (std::int64_t t = 0; t < 70; ++t) {
        const std::int64_t lag = t - 35;
        const double expected = lag >= 30 || lag < -20 ? 0 : c.tap(0, lag);
        EXPECT_NEAR(c.y[t], expected, 1e-6) << "lag " << lag;
      }
    }
  }
}

TEST(LongConvLoops, DoNotSeeTheFuture) {
  const LongConvSizes sizes{1, 1, 200, 200, 0};
  for (const SimdLevel level : levels_here()) {
    Case before(sizes), after(sizes);
    for (std::size_t t = 120; t < 200; ++t) after.u[t] += 1.0F;
    before.run(LongConvPlan(sizes, {.level = level}));
    after.run(LongConvPlan(sizes, {.level = level}));
    double seen = 0;
    for (std::size_t t = 0; t < 120; ++t) seen = std::max<double>(seen, std::abs(before.y[t] - after.y[t]));
    EXPECT_LE(seen, 1e-6);
    EXPECT_GT(std::abs(before.y[120] - after.y[120]), 1e-3);
  }
}

double inner(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

TEST(LongConvLoops, BackwardIsTheAdjointOfForward) {
  for (const SimdLevel level : levels_here()) {
    const LongConvSizes sizes{3, 2, 333, 333, 333};
    Case c(sizes);
    c.run(LongConvPlan(sizes, {.level = level}));
    const double forward = inner(c.y, c.dy);
    const double scale = std::sqrt(inner(c.y, c.y) * inner(c.dy, c.dy));
    EXPECT_GT(std::abs(forward), 1e-4 * scale);
    EXPECT_NEAR(forward, inner(c.u, c.du), 1e-6 * scale);
    EXPECT_NEAR(forward, inner(c.past, c.dpast) + inner(c.future, c.dfuture) + inner(c.skip, c.dskip), 1e-6 * scale);
  }
}

TEST(LongConvLoops, DoNotDependOnHowChannelsAreShared) {
  for (const bool channels_last : {false, true}) {
    const LongConvSizes sizes{5, 19, 150, 150, 0};
    Case one(sizes), two(sizes);
    one.channels_last = two.channels_last = channels_last;
    one.run(LongConvPlan(sizes), 19);
    two.run(LongConvPlan(sizes), 7);
    EXPECT_EQ(one.y, two.y);
    EXPECT_EQ(one.du, two.du);
    EXPECT_EQ(one.dpast, two.dpast);
    EXPECT_EQ(one.dskip, two.dskip);
  }
}

/// What the comparison above is worth: it sees each of these mistakes.
TEST(LongConvReference, SeesMistakes) {
  const LongConvSizes sizes{2, 2, 64, 64, 0};
  const Case c(sizes);
  const Expected e = direct(c);
  const auto error_when = [&](const std::function<void(Case&)>& mistake) {
    Case wrong = c;
    mistake(wrong);
    wrong.run(LongConvPlan(sizes));
    return relative_error(wrong.y, e.y);
  };
  EXPECT_LE(error_when([](Case&) {}), 3e-6);
  EXPECT_GT(error_when([](Case& w) { w.skips = false; }), 0.1);
  EXPECT_GT(error_when([](Case& w) { std::rotate(w.past.begin(), w.past.begin() + 1, w.past.end()); }), 0.1);
  EXPECT_GT(error_when([](Case& w) { w.past[0] *= 2; }), 0.01);
  EXPECT_GT(error_when([](Case& w) { std::fill(w.u.begin(), w.u.end(), 0.0F); }), 0.9);
  EXPECT_GT(error_when([](Case& w) { std::rotate(w.u.begin(), w.u.begin() + 1, w.u.end()); }), 0.1);
  Case gated = c, swapped = c;
  gated.gates = swapped.gates = true;
  std::swap(swapped.pre, swapped.post);
  const Expected of_gated = direct(gated);
  swapped.run(LongConvPlan(sizes));
  EXPECT_GT(relative_error(swapped.y, of_gated.y), 0.1);
  EXPECT_GT(relative_error(swapped.dpre, of_gated.dpre), 0.1);
}

TEST(LongConvPlan, ChoosesByLengthAndLags) {
  EXPECT_EQ(LongConvPlan({1, 1, 60000, 7, 0}).method(), LongConvMethod::direct);
  EXPECT_EQ(LongConvPlan({1, 1, 60000, 300, 0}).method(), LongConvMethod::overlap_save);
  EXPECT_EQ(LongConvPlan({1, 1, 60000, 60000, 0}).method(), LongConvMethod::transform);
  EXPECT_EQ(LongConvPlan({1, 1, 200, 200, 200}).method(), LongConvMethod::transform);
  const LongConvChoice exact{LongConvPrecision::bf16x3, {}, highest_simd_level()};
  const bool tiles = highest_simd_level() == SimdLevel::amx;
  const LongConvMethod expected = tiles ? LongConvMethod::toeplitz : LongConvMethod::transform;
  EXPECT_EQ(LongConvPlan({16, 1, 128, 128, 0}, exact).method(), expected);
  EXPECT_EQ(LongConvPlan({16, 1, 128, 128, 0}).method(), LongConvMethod::transform);
  EXPECT_EQ(LongConvPlan({16, 1, 9000, 9000, 0}, exact).method(), LongConvMethod::transform);
  const LongConvChoice impossible{LongConvPrecision::bf16x3, LongConvMethod::toeplitz, SimdLevel::baseline};
  EXPECT_THROW(LongConvPlan({1, 1, 8, 8, 0}, impossible), UsageError);
}

}  // namespace
}  // namespace noema
