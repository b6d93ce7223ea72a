#include "noema/kernels/long_conv.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <tuple>

#include "made_up.h"
#include "noema/core/error.h"
#include "noema/kernels/cpu/aligned.h"

namespace noema {
namespace {

/// All that goes into a convolution and its backward pass, (B, C, T) or (B, T, C), with room for all that comes out.
struct Case {
  LongConvSizes sizes;
  bool channels_last = false, skips = true, gates = false;
  double offset = 0;
  std::vector<float> u, pre, post, dy, past, future, skip;
  std::vector<float> y, du, dpre, dpost, dpast, dfuture, dskip;

  explicit Case(const LongConvSizes& s, double mean = 0) : sizes(s), offset(mean) {
    const std::int64_t count = s.batch * s.channels * s.length;
    const double scale = 1 / std::sqrt(static_cast<double>(std::min(s.past + s.future, s.length)));
    u = normal(count, 1, 1, mean);
    pre = normal(count, 2);
    post = normal(count, 3);
    dy = normal(count, 4);
    past = normal(s.channels * s.past, 5, scale);
    future = normal(s.channels * s.future, 6, scale);
    skip = normal(s.channels, 7);
    for (auto* out : {&y, &du, &dpre, &dpost}) out->assign(u.size(), NAN);
    dpast.assign(past.size(), NAN);
    dfuture.assign(future.size(), NAN);
    dskip.assign(skip.size(), NAN);
  }

  template <class Value, class Values>
  Series3<Value> series(Values& values) const {
    if (channels_last) return {values.data(), sizes.channels * sizes.length, 1, sizes.channels};
    return {values.data(), sizes.channels * sizes.length, sizes.length, 1};
  }
  LongConvForward forward() {
    LongConvForward f{series<const float>(u), {}, {}, series<float>(y)};
    if (gates) f.pre = series<const float>(pre), f.post = series<const float>(post);
    return f;
  }
  LongConvBackward backward() {
    LongConvBackward b{.u = series<const float>(u), .dy = series<const float>(dy), .du = series<float>(du)};
    if (gates) {
      b.pre = series<const float>(pre), b.post = series<const float>(post);
      b.dpre = series<float>(dpre), b.dpost = series<float>(dpost);
    }
    b.dk = {dpast.data(), sizes.past, dfuture.data(), sizes.future, 1, skips ? dskip.data() : nullptr};
    return b;
  }
  Taps<const float> taps() const {
    return {past.data(), sizes.past, future.data(), sizes.future, 1, skips ? skip.data() : nullptr};
  }
  void run(const LongConvPlan& plan, std::int64_t split) {
    const cpu::AlignedFloats prepared = cpu::aligned_floats(plan.prepared_floats() * sizes.channels);
    for (const ChannelRange part : {ChannelRange{0, split}, ChannelRange{split, sizes.channels}}) {
      plan.prepare(taps(), part, prepared.get());
      plan.forward(forward(), prepared.get(), part);
      plan.backward(backward(), prepared.get(), part);
    }
  }
  void run(const LongConvPlan& plan) { run(plan, sizes.channels / 2); }

  std::size_t at(std::int64_t b, std::int64_t c, std::int64_t t) const {
    return static_cast<std::size_t>(channels_last ? (b * sizes.length + t) * sizes.channels + c
                                                  : (b * sizes.channels + c) * sizes.length + t);
  }
  double tap(std::int64_t c, std::int64_t lag) const {
    const double more = lag == 0 && skips ? skip[c] : 0.0;
    return lag >= 0 ? past[c * sizes.past + lag] + more : future[c * sizes.future - 1 - lag];
  }
};

struct Expected {
  std::vector<double> y, du, dpre, dpost, dpast, dfuture, dskip;
};

/// The sums as they are written, in double precision.
Expected direct(const Case& c) {
  const LongConvSizes& s = c.sizes;
  Expected e;
  for (auto* out : {&e.y, &e.du, &e.dpre, &e.dpost}) out->assign(c.u.size(), 0);
  e.dpast.assign(c.past.size(), 0);
  e.dfuture.assign(c.future.size(), 0);
  e.dskip.assign(c.skip.size(), 0);
  const auto T = static_cast<std::size_t>(s.length);
  std::vector<double> v(T), dc(T), conv(T), dv(T);
  for (std::int64_t b = 0; b < s.batch; ++b) {
    for (std::int64_t ch = 0; ch < s.channels; ++ch) {
      for (std::int64_t t = 0; t < s.length; ++t) {
        const std::size_t i = c.at(b, ch, t);
        v[t] = static_cast<double>(c.u[i]) * (c.gates ? c.pre[i] : 1.0F);
        dc[t] = static_cast<double>(c.dy[i]) * (c.gates ? c.post[i] : 1.0F);
      }
      std::fill(conv.begin(), conv.end(), 0.0);
      std::fill(dv.begin(), dv.end(), 0.0);
      for (std::int64_t lag = -std::min(s.future, s.length - 1); lag < std::min(s.past, s.length); ++lag) {
        const double k = c.tap(ch, lag);
        double dk = 0;
        for (std::int64_t t = std::max<std::int64_t>(lag, 0); t < std::min(s.length, s.length + lag); ++t) {
          conv[t] += k * v[t - lag];
          dv[t - lag] += k * dc[t];
          dk += dc[t] * v[t - lag];
        }
        (lag >= 0 ? e.dpast[ch * s.past + lag] : e.dfuture[ch * s.future - 1 - lag]) += dk;
        if (lag == 0) e.dskip[ch] += dk;
      }
      for (std::int64_t t = 0; t < s.length; ++t) {
        const std::size_t i = c.at(b, ch, t);
        e.y[i] = conv[t] * (c.gates ? c.post[i] : 1.0F);
        e.dpost[i] = conv[t] * c.dy[i];
        e.du[i] = dv[t] * (c.gates ? c.pre[i] : 1.0F);
        e.dpre[i] = dv[t] * c.u[i];
      }
    }
  }
  return e;
}

std::string describe(const LongConvPlan& plan, const LongConvSizes& s) {
  return std::string(name_of(plan.level())) + ", method " + std::to_string(static_cast<int>(plan.method())) + ", " +
         std::to_string(s.batch) + " × " + std::to_string(s.channels) + " × " + std::to_string(s.length) + ", lags " +
         std::to_string(-s.future) + " to " + std::to_string(s.past - 1);
}

void expect_direct_sums(Case c, const LongConvPlan& plan, double tolerance = 3e-6) {
  const Expected e = direct(c);
  c.run(plan);
  const std::string what = describe(plan, c.sizes);
  const double tails = c.gates ? 2 : 1;  // products of normal numbers have larger ones for the same rms
  const auto expect_near = [&](const std::vector<float>& found, const std::vector<double>& expected, double factor) {
    if (expected.empty()) return;
    EXPECT_LE(relative_error(found, expected), factor * tolerance) << what;
  };
  expect_near(c.y, e.y, tails);
  expect_near(c.du, e.du, tails);
  expect_near(c.dpast, e.dpast, 2);
  expect_near(c.dfuture, e.dfuture, 2);
  if (c.skips) expect_near(c.dskip, e.dskip, 2);
  if (!c.gates) return;
  expect_near(c.dpre, e.dpre, 2);
  expect_near(c.dpost, e.dpost, 2);
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
    for (const std::int64_t length : {200, 1200}) {
      const LongConvSizes sizes{2, 3, length, length, 0};
      Case c(sizes, 1e3);
      const Expected e = direct(c);
      c.run(LongConvPlan(sizes, {.level = level}));
      EXPECT_LE(relative_error(c.y, e.y), 3e-6);
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
    const auto plan = [&](LongConvPrecision precision) {
      return LongConvPlan(sizes, {precision, LongConvMethod::toeplitz, SimdLevel::amx});
    };
    expect_direct_sums(c, plan(LongConvPrecision::bf16x3), 3e-5);
    expect_direct_sums(c, plan(LongConvPrecision::bf16), 2e-2);
  }
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
