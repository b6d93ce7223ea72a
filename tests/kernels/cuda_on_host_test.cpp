// The kernels of CUDA, run on the processor, against direct sums in double precision.
#include "cuda_on_host.h"  // before all kernels

#include <functional>
#include <string>
#include <tuple>
#include <utility>

#include "direct_sums.h"
#include "libtorch_errors.h"
#include "noema/kernels/cuda/row_convolution.cuh"
#include "noema/kernels/cuda/tile_convolution.cuh"

namespace noema {
namespace {

/// Each thread leaves its number and takes its neighbour's.
void take_from_neighbour(bool waits, float* taken) {
  auto* memory = cuda::block_memory<float>();
  const unsigned me = cuda::threadIdx.x, count = cuda::blockDim.x;
  memory[me] = static_cast<float>(me);
  if (waits) cuda::__syncthreads();
  taken[me] = memory[(me + 1) % count];
}

TEST(CudaOnHost, ShowsWhetherABarrierIsThere) {
  struct {
    std::int64_t blocks = 1;
    int threads = 64;
    std::size_t memory_bytes = 64 * sizeof(float);
  } const geometry;
  for (const bool waits : {false, true}) {
    std::vector<float> taken(64);
    cuda::HostLaunch()(take_from_neighbour, geometry, waits, taken.data());
    std::int64_t right = 0;
    for (std::size_t i = 0; i < 64; ++i) right += taken[i] == static_cast<float>((i + 1) % 64);
    EXPECT_EQ(right == 64, waits) << right;
  }
}

LongConvSizes clipped(LongConvSizes s) {
  s.past = std::min(s.past, s.length);
  s.future = std::min(s.future, s.length - 1);
  return s;
}

std::string describe(const LongConvSizes& s) {
  return std::to_string(s.batch) + " × " + std::to_string(s.channels) + " × " + std::to_string(s.length) + ", lags " +
         std::to_string(-s.future) + " to " + std::to_string(s.past - 1);
}

/// Whether a pointer and its bounds stay inside is seen by the sanitizers' build.
void run_by_transforms(Case& c) {
  const LongConvSizes sizes = clipped(c.sizes);
  const std::int64_t real_values = cuda::RowConvolution::real_values(sizes);
  ASSERT_TRUE(cuda::RowTransformPlan::fits(real_values));
  const cuda::RowTransformPlan plan(real_values);
  const std::vector<float> roots = plan.roots();
  const cuda::RowConvolution steps(c.sizes, sizes, plan.transform(roots.data()));
  const auto memory = [](std::int64_t values) {
    const cpu::Complex nothing{NAN, NAN};
    return std::vector<cpu::Complex>(static_cast<std::size_t>(values), nothing);
  };
  auto prepared = memory(steps.prepared_values());
  auto work = memory(std::max(steps.forward_values(), steps.backward_values()));
  const cuda::HostLaunch launch;
  steps.prepare(launch, c.taps(), prepared.data(), work.data());
  steps.forward(launch, c.forward(), prepared.data(), work.data());
  steps.backward(launch, c.backward(), prepared.data(), work.data());
}

void expect_direct_sums(Case c) {
  run_by_transforms(c);
  expect_near(describe(c.sizes), c, direct(c));
}

constexpr std::int64_t kLengths[] = {1,   2,   3,   7,   8,   16,  50,  63,   64,   65,   127,  128,  150,  200,
                                     255, 256, 300, 372, 500, 512, 784, 1000, 1024, 1134, 1200, 2047, 2048, 4096};

TEST(RowsOnGpu, AreTheDirectSumsAtAllLengths) {
  for (const std::int64_t length : kLengths) {
    const LongConvSizes sizes{length % 2 == 0 ? 2 : 3, 3, length, length, length % 2 == 0 ? length : 0};
    Case c(sizes);
    c.gates = length % 3 == 0;
    expect_direct_sums(c);
  }
}

TEST(RowsOnGpu, AreTheDirectSumsOfEachTransform) {
  for (const std::int64_t odd : {1, 3, 5}) {
    for (std::int64_t size = 64 * odd; size <= 8192; size *= 2) {
      const LongConvSizes sizes{1, 1, 2 * size - 41, 40, 42};
      expect_direct_sums(Case(sizes));
    }
  }
}

/// Rows of 8, 16 and 64 parts; the last in several runs of rows and chunks of channels.
TEST(RowsOnGpu, AreTheDirectSumsInThreeKernels) {
  for (const auto& [batch, channels, length] : {std::tuple<std::int64_t, std::int64_t, std::int64_t>{2, 2, 20000},
                                                {9, 2, 20000},
                                                {2, 2, 140000},
                                                {7, 3, 270000}}) {
    for (const bool gates : {false, true}) {
      const LongConvSizes sizes{batch, channels, length, length > 20000 ? 60 : 400, gates ? 30 : 0};
      Case c(sizes);
      c.gates = gates;
      c.channels_last = gates;
      expect_direct_sums(c);
    }
  }
}

TEST(RowsOnGpu, TakeAnyLayoutKernelAndCount) {
  for (const auto& [past, future] :
       {std::pair<std::int64_t, std::int64_t>{1, 0}, {1, 4}, {40, 17}, {17, 40}, {150, 200}}) {
    for (const bool channels_last : {false, true}) {
      for (const bool gates : {false, true}) {
        const LongConvSizes sizes{past == 40 ? 19 : 2, past == 17 ? 33 : 5, 100, past, future};
        Case c(sizes);
        c.channels_last = channels_last;
        c.gates = gates;
        c.skips = gates;
        expect_direct_sums(c);
      }
    }
  }
}

TEST(RowsOnGpu, KeepTheirAccuracyOnRawIntensities) {
  for (const std::int64_t length : {200, 1200}) expect_direct_sums(Case({2, 3, length, length, 0}, 1e3));
}

/// A causal convolution does not see what comes later, beyond rounding.
TEST(RowsOnGpu, DoNotSeeTheFuture) {
  const LongConvSizes sizes{1, 1, 200, 200, 0};
  Case before(sizes), after(sizes);
  for (std::size_t t = 120; t < 200; ++t) after.u[t] += 1.0F;
  run_by_transforms(before);
  run_by_transforms(after);
  double seen = 0;
  for (std::size_t t = 0; t < 120; ++t) seen = std::max<double>(seen, std::abs(before.y[t] - after.y[t]));
  EXPECT_LE(seen, 1e-6);
  EXPECT_GT(std::abs(before.y[120] - after.y[120]), 1e-3);
}

/// What the comparisons are worth: each of these mistakes is seen.
TEST(RowsOnGpu, AreSeenToBeWrong) {
  const Case c({2, 2, 64, 64, 0});
  const Expected e = direct(c);
  const auto error_when = [&](const std::function<void(Case&)>& mistake) {
    Case wrong = c;
    mistake(wrong);
    run_by_transforms(wrong);
    return relative_error(wrong.y, e.y);
  };
  EXPECT_LE(error_when([](Case&) {}), 3e-6);
  EXPECT_GT(error_when([](Case& w) { w.skips = false; }), 0.1);
  EXPECT_GT(error_when([](Case& w) { std::rotate(w.past.begin(), w.past.begin() + 1, w.past.end()); }), 0.1);
  EXPECT_GT(error_when([](Case& w) { w.past[0] *= 2; }), 0.01);
  EXPECT_GT(error_when([](Case& w) { std::fill(w.u.begin(), w.u.end(), 0.0F); }), 0.9);
}

void run_by_tiles(Case& c, bool exact) {
  const cuda::TileConvolution steps(clipped(c.sizes), exact);
  std::vector<std::uint32_t> prepared(static_cast<std::size_t>(steps.prepared_words()), 0x7FC07FC0U);  // NaN
  const cuda::HostLaunch launch;
  steps.prepare(launch, c.taps(), prepared.data());
  steps.forward(launch, c.forward(), prepared.data());
}

/// With gates near one, which leave the rms of a result and its largest values in proportion.
void expect_tiles_are_direct_sums(Case c) {
  for (auto* gate : {&c.pre, &c.post}) {
    for (float& x : *gate) x = 1 + x / 8;
  }
  const Expected e = direct(c);
  const std::string what = describe(c.sizes) + (c.channels_last ? ", channels last" : "") + (c.gates ? ", gated" : "");
  if (cuda::TileConvolution::fits(clipped(c.sizes), /*exact=*/true)) {
    run_by_tiles(c, /*exact=*/true);
    EXPECT_LE(relative_error(c.y, e.y), 3e-5) << "bf16x3, " << what;
    std::fill(c.y.begin(), c.y.end(), NAN);
  }
  run_by_tiles(c, /*exact=*/false);
  const double error = relative_error(c.y, e.y);
  EXPECT_LE(error, 2e-2) << "bf16, " << what;
  EXPECT_TRUE(c.sizes.length == 1 || error > 1e-4) << "it ran in bf16";
}

TEST(TilesOnGpu, AreTheDirectSums) {
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
        {2, 1024, 1024, 0},
        {3, 100, 300, 300}}) {
    for (const bool channels_last : {false, true}) {
      for (const bool gates : {false, true}) {
        if (length > 300 && gates != channels_last) continue;  // these take their time
        Case c(LongConvSizes{batch, 3, length, past, future});
        c.channels_last = channels_last;
        c.gates = gates;
        expect_tiles_are_direct_sums(c);
      }
    }
  }
}

/// Of channels that are neighbours a block has eight, or four where series are long, read and written by fours where
/// their number allows.
TEST(TilesOnGpu, TakeAnyNumberOfChannels) {
  for (const std::int64_t channels : {4, 6, 8, 9, 10, 12, 21}) {
    for (const std::int64_t length : {40, 129, 1000}) {
      Case c(LongConvSizes{length == 1000 ? 1 : 5, channels, length, length, 5});
      c.channels_last = true;
      c.gates = length == 129;
      c.skips = length != 129;
      expect_tiles_are_direct_sums(c);
    }
  }
}

/// Rows of 12 and 20 threads, of which several share a block, in both orders of threads.
TEST(RowsOnGpu, ShareBlocksWithOthers) {
  for (const std::int64_t length : {150, 190, 300}) {
    for (const bool channels_last : {false, true}) {
      Case c({5, 7, length, length, 3});
      c.channels_last = channels_last;
      expect_direct_sums(c);
    }
  }
}

/// A case of which one gate alone is there, as one with both whose other is 1 everywhere.
struct OneGate {
  Case c;
  bool first;

  OneGate(const LongConvSizes& sizes, bool which_is_first, bool channels_last) : c(sizes), first(which_is_first) {
    c.gates = true;
    c.channels_last = channels_last;
    std::vector<float>& other = first ? c.post : c.pre;
    std::fill(other.begin(), other.end(), 1.0F);
  }
  LongConvForward forward() {
    LongConvForward series = c.forward();
    (first ? series.post : series.pre) = {};
    return series;
  }
  LongConvBackward backward() {
    LongConvBackward series = c.backward();
    (first ? series.post : series.pre) = {};
    (first ? series.dpost : series.dpre) = {};
    return series;
  }
};

TEST(TilesOnGpu, TakeEitherGate) {
  for (const bool first : {false, true}) {
    for (const bool channels_last : {false, true}) {
      OneGate gated({5, 3, 70, 70, 0}, first, channels_last);
      const cuda::TileConvolution steps(gated.c.sizes, /*exact=*/true);
      std::vector<std::uint32_t> prepared(static_cast<std::size_t>(steps.prepared_words()), 0x7FC07FC0U);
      steps.prepare(cuda::HostLaunch(), gated.c.taps(), prepared.data());
      steps.forward(cuda::HostLaunch(), gated.forward(), prepared.data());
      EXPECT_LE(relative_error(gated.c.y, direct(gated.c).y), 3e-5);
    }
  }
}

TEST(RowsOnGpu, TakeEitherGate) {
  for (const bool first : {false, true}) {
    for (const bool channels_last : {false, true}) {
      for (const std::int64_t past : {70, 9}) {  // whose rows have no imaginary part, and have one
        OneGate gated({5, 3, 70, past, 0}, first, channels_last);
        Case& c = gated.c;
        const cuda::RowTransformPlan plan(cuda::RowConvolution::real_values(c.sizes));
        const std::vector<float> roots = plan.roots();
        const cuda::RowConvolution steps(c.sizes, c.sizes, plan.transform(roots.data()));
        std::vector<cpu::Complex> prepared(static_cast<std::size_t>(steps.prepared_values())),
            work(static_cast<std::size_t>(std::max(steps.forward_values(), steps.backward_values())));
        steps.prepare(cuda::HostLaunch(), c.taps(), prepared.data(), work.data());
        steps.forward(cuda::HostLaunch(), gated.forward(), prepared.data(), work.data());
        steps.backward(cuda::HostLaunch(), gated.backward(), prepared.data(), work.data());
        const Expected e = direct(c);
        EXPECT_LE(relative_error(c.y, e.y), 3e-6);
        EXPECT_LE(relative_error(c.du, e.du), 3e-6);
        EXPECT_LE(relative_error(c.dpast, e.dpast), 3e-6);
        EXPECT_LE(relative_error(first ? c.dpre : c.dpost, first ? e.dpre : e.dpost), 3e-6);
      }
    }
  }
}

/// Series that do not begin where four values can be read at once, and gates in another layout than theirs.
TEST(TilesOnGpu, TakeSeriesFromAnyAddress) {
  for (const std::int64_t shift : {0, 1, 2, 3}) {
    for (const bool channels_last : {false, true}) {
      Case c({5, 8, 72, 72, 0});
      c.channels_last = channels_last;
      c.gates = true;
      const Expected e = direct(c);
      const auto shifted = [&](const std::vector<float>& values) {
        std::vector<float> moved(static_cast<std::size_t>(shift));
        moved.insert(moved.end(), values.begin(), values.end());
        return moved;
      };
      const std::vector<float> u = shifted(c.u);
      std::vector<float> y = shifted(c.y), pre(c.pre.size());
      LongConvForward series = c.forward();
      series.u.data = u.data() + shift;
      series.y.data = y.data() + shift;
      Case other = c;
      other.channels_last = !channels_last;
      for (std::int64_t b = 0; b < 5; ++b) {
        for (std::int64_t ch = 0; ch < 8; ++ch) {
          for (std::int64_t t = 0; t < 72; ++t) pre[other.at(b, ch, t)] = c.pre[c.at(b, ch, t)];
        }
      }
      series.pre = other.series<const float>(pre);
      const cuda::TileConvolution steps(c.sizes, /*exact=*/true);
      std::vector<std::uint32_t> prepared(static_cast<std::size_t>(steps.prepared_words()), 0x7FC07FC0U);
      steps.prepare(cuda::HostLaunch(), c.taps(), prepared.data());
      steps.forward(cuda::HostLaunch(), series, prepared.data());
      EXPECT_LE(relative_error({y.begin() + shift, y.end()}, e.y), 6e-5) << "from " << shift;
    }
  }
}

}  // namespace
}  // namespace noema
