#include "noema/kernels/long_conv.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

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
  for (const LongConvSizes& sizes : {LongConvSizes{3, 3, 4096, 4096, 4096},
                                     {1, 1, 8192, 8192, 8192},
                                     {1, 2, 12000, 12000, 0},
                                     {1, 1, 20000, 20000, 0}}) {
    const Case asked(sizes);
    const Expected e = direct(asked);
    for (const SimdLevel level : levels_here()) {
      const LongConvPlan plan(sizes, {.level = level});
      Case c = asked;
      c.run(plan);
      expect_near(describe(plan, sizes), c, e);
    }
  }
}

/// Sequences of all voxels or grayordinates, with kernels as long of which few taps are not zero.
TEST(LongConvLoops, AreTheDirectSumsForVoxels) {
  for (const std::int64_t length : {65536, 91282, 230400, 262144}) {
    Case asked({1, 3, length, length, 0});
    std::vector<std::int64_t> lags;
    for (std::int64_t lag = 0; lag < length; lag += length / 61) lags.push_back(lag);
    const std::vector<float> taps = asked.past;
    std::fill(asked.past.begin(), asked.past.end(), 0.0F);
    for (std::int64_t c = 0; c < 3; ++c) {
      for (const std::int64_t lag : lags) asked.past[c * length + lag] = taps[c * length + lag];
    }
    const Expected e = direct(asked, lags);
    for (const SimdLevel level : levels_here()) {
      const LongConvPlan plan(asked.sizes, {.level = level});
      Case c = asked;
      c.run(plan);
      std::vector<float> found;
      std::vector<double> exact;
      for (std::int64_t channel = 0; channel < 3; ++channel) {
        for (const std::int64_t lag : lags) {
          found.push_back(c.dpast[channel * length + lag]);
          exact.push_back(e.dpast[channel * length + lag]);
        }
      }
      EXPECT_LE(relative_error(c.y, e.y), 3e-6) << describe(plan, c.sizes);
      EXPECT_LE(relative_error(c.du, e.du), 3e-6) << describe(plan, c.sizes);
      EXPECT_LE(relative_error(found, exact), 3e-6) << describe(plan, c.sizes);
      EXPECT_LE(relative_error(c.dskip, e.dskip), 3e-6) << describe(plan, c.sizes);
    }
  }
}

/// Places are counted in 64 bits: two items further apart than 2^31 values, of which no memory is used between them.
TEST(LongConvLoops, ReachOverGreatDistances) {
  const LongConvSizes sizes{2, 1, 50, 50, 0};
  const std::int64_t apart = std::int64_t{3} << 30;
  const std::size_t bytes = static_cast<std::size_t>(apart + sizes.length) * sizeof(float);
  void* memory = mmap(nullptr, 2 * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) GTEST_SKIP() << "this system does not lend 26 GB of addresses";
  auto *u = static_cast<float*>(memory), *y = u + apart + sizes.length;
  Case c(sizes);
  for (std::int64_t b = 0; b < 2; ++b) std::copy_n(&c.u[b * 50], 50, u + b * apart);
  const LongConvPlan plan(sizes);
  const cpu::AlignedFloats prepared = cpu::aligned_floats(plan.prepared_floats());
  plan.prepare(c.taps(), {0, 1}, prepared.get());
  plan.forward({{u, apart, 50, 1}, {}, {}, {y, apart, 50, 1}}, prepared.get(), {0, 1});
  for (std::int64_t b = 0; b < 2; ++b) std::copy_n(y + b * apart, 50, &c.y[b * 50]);
  munmap(memory, 2 * bytes);
  EXPECT_LE(relative_error(c.y, direct(c).y), 3e-6);
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

/// Of a case by tiles of bf16x3, to 3e-5, and of bf16, to 2e-2.
void expect_tiles_are_direct_sums(const Case& asked) {
  const LongConvSizes& sizes = asked.sizes;
  const Expected e = direct(asked);
  for (const auto& [precision, tolerance] :
       {std::pair{LongConvPrecision::bf16x3, 3e-5}, {LongConvPrecision::bf16, 2e-2}}) {
    const LongConvPlan plan(sizes, {precision, LongConvMethod::toeplitz, SimdLevel::amx});
    Case c = asked;
    c.run(plan);
    EXPECT_LE(relative_error(c.y, e.y), tolerance) << describe(plan, sizes);
    EXPECT_LE(relative_error(c.dpost, e.dpost), c.gates ? tolerance : INFINITY) << describe(plan, sizes);
    Case backward = c;  // is by transforms in float32, but for the gradient of `post`
    backward.y.assign(e.y.begin(), e.y.end());
    backward.dpost.assign(e.dpost.begin(), e.dpost.end());
    expect_near(describe(plan, sizes), backward, e);
  }
}

/// Rows, lags and items that fill no tile.
TEST(LongConvTiles, AreTheDirectSums) {
  if (highest_simd_level() != SimdLevel::amx) GTEST_SKIP() << "this processor has no AMX";
  for (const auto& [batch, length, past, future] :
       {std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>{1, 1, 1, 0},
        {3, 2, 2, 2},
        {16, 16, 16, 0},
        {16, 31, 31, 31},
        {5, 65, 65, 64},
        {33, 128, 128, 0},
        {7, 256, 256, 256},
        {4, 300, 20, 9},
        {4, 300, 9, 20},
        {3, 777, 777, 100},
        {3, 100, 300, 300}}) {
    Case c(LongConvSizes{batch, 3, length, past, future});
    c.gates = batch == 5;
    c.channels_last = batch == 7;
    expect_tiles_are_direct_sums(c);
  }
}

TEST(LongConvTiles, AreTheDirectSumsAtAllLengths) {
  if (highest_simd_level() != SimdLevel::amx) GTEST_SKIP() << "this processor has no AMX";
  for (const std::int64_t length : kLengths) {
    if (length > 1200) continue;
    for (const bool both_sides : {false, true}) {
      expect_tiles_are_direct_sums(Case({both_sides ? 3 : 17, 1, length, length, both_sides ? length : 0}));
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

/// What values from `from` on change before it, over the rms of the changed result; they do change what comes after.
double change_before(const LongConvSizes& sizes, std::int64_t from, const LongConvPlan& plan) {
  Case before(sizes), after(sizes);
  for (std::size_t t = from; t < after.u.size(); ++t) after.u[t] += 1.0F;
  before.run(plan);
  after.run(plan);
  double seen = 0;
  for (std::int64_t t = 0; t < from; ++t) seen = std::max<double>(seen, std::abs(before.y[t] - after.y[t]));
  EXPECT_GT(std::abs(before.y[from] - after.y[from]), 1e-3) << describe(plan, sizes);
  double power = 0;
  for (const float y : after.y) power += static_cast<double>(y) * y;
  return seen / std::sqrt(power / static_cast<double>(after.y.size()));
}

/// Sums as they are written and those on tiles have no product with the future; transforms have what is left of it.
TEST(LongConvLoops, DoNotSeeTheFuture) {
  for (const SimdLevel level : levels_here()) {
    for (const LongConvSizes& sizes :
         {LongConvSizes{1, 1, 200, 200, 0}, {1, 1, 1200, 1200, 0}, {1, 1, 20000, 20000, 0}}) {
      EXPECT_LE(change_before(sizes, sizes.length / 2,
                              LongConvPlan(sizes, {.method = LongConvMethod::transform, .level = level})),
                1e-6);
    }
    const LongConvSizes few{1, 1, 900, 30, 0};
    EXPECT_LE(change_before(few, 450, LongConvPlan(few, {.method = LongConvMethod::overlap_save, .level = level})),
              1e-6);
    EXPECT_EQ(change_before(few, 450, LongConvPlan(few, {.method = LongConvMethod::direct, .level = level})), 0);
    if (level != SimdLevel::amx) continue;
    const LongConvSizes sizes{1, 1, 200, 200, 0};
    EXPECT_EQ(
        change_before(sizes, 120, LongConvPlan(sizes, {LongConvPrecision::bf16x3, LongConvMethod::toeplitz, level})),
        0);
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

/// What the comparisons are worth: with a plan of that choice they see each of these mistakes.
void expect_mistakes_are_seen(const LongConvChoice& choice, double tolerance) {
  const LongConvSizes sizes{2, 2, 64, 64, 0};
  const Case c(sizes);
  const Expected e = direct(c);
  const auto error_when = [&](const std::function<void(Case&)>& mistake) {
    Case wrong = c;
    mistake(wrong);
    wrong.run(LongConvPlan(sizes, choice));
    return relative_error(wrong.y, e.y);
  };
  EXPECT_LE(error_when([](Case&) {}), tolerance);
  EXPECT_GT(error_when([](Case& w) { w.skips = false; }), 0.1);
  EXPECT_GT(error_when([](Case& w) { std::rotate(w.past.begin(), w.past.begin() + 1, w.past.end()); }), 0.1);
  EXPECT_GT(error_when([](Case& w) { w.past[0] *= 2; }), 1.5 * tolerance);
  EXPECT_GT(error_when([](Case& w) { std::fill(w.u.begin(), w.u.end(), 0.0F); }), 0.9);
  EXPECT_GT(error_when([](Case& w) { std::rotate(w.u.begin(), w.u.begin() + 1, w.u.end()); }), 0.1);
  Case gated = c, swapped = c;
  gated.gates = swapped.gates = true;
  std::swap(swapped.pre, swapped.post);
  const Expected of_gated = direct(gated);
  swapped.run(LongConvPlan(sizes, choice));
  EXPECT_GT(relative_error(swapped.y, of_gated.y), 0.1);
  EXPECT_GT(relative_error(swapped.dpre, of_gated.dpre), 0.1);
}

TEST(LongConvReference, SeesMistakes) {
  expect_mistakes_are_seen({}, 3e-6);
  if (highest_simd_level() != SimdLevel::amx) return;
  expect_mistakes_are_seen({LongConvPrecision::bf16x3, LongConvMethod::toeplitz, SimdLevel::amx}, 3e-5);
  expect_mistakes_are_seen({LongConvPrecision::bf16, LongConvMethod::toeplitz, SimdLevel::amx}, 2e-2);
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
