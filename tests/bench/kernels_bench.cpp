// Convolutions of kernels/ beside LibTorch's in the same process, on one thread: processor time, the best of several
// runs in turns. Name a group (forward, tiles, shapes, training, short) to run that alone. One line for each: name,
// ours and theirs in microseconds a row, ratio, the ratio aimed at, share of the machine's limit, instruction level,
// threads.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/randn.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <tuple>

#include "noema/kernels/cpu/aligned.h"
#include "noema/kernels/long_conv.h"

namespace noema {
namespace {

double processor_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double seconds_of(const std::function<void()>& work) {
  const double begin = processor_seconds();
  work();
  return processor_seconds() - begin;
}

struct Times {
  double ours = 1e30, theirs = 1e30;
};

/// Both in turns until `budget_s` is spent, at least three times each.
Times best_times(const std::function<void()>& ours, const std::function<void()>& theirs, double budget_s = 1.0) {
  Times best;
  const double end = processor_seconds() + budget_s;
  for (int round = 0; round < 3 || processor_seconds() < end; ++round) {
    best.ours = std::min(best.ours, seconds_of(ours));
    best.ours = std::min(best.ours, seconds_of(ours));
    best.theirs = std::min(best.theirs, seconds_of(theirs));
  }
  return best;
}

using Wide = float __attribute__((vector_size(64)));

/// What this core reaches on numbers in registers (floating-point operations a second; on tiles, where it has them) and
/// in copies of memory (bytes).
struct Limits {
  double flops = 0, tile_flops = 0, bytes = 0;
};

#if defined(__x86_64__)
#define NOEMA_WIDEST __attribute__((target_clones("avx512f", "avx2,fma", "default")))
#else
#define NOEMA_WIDEST
#endif

NOEMA_WIDEST double multiply_and_add(std::int64_t rounds) {
  constexpr int kChains = 12;
  Wide sums[kChains], factor = Wide{} + 0.999F;
  for (int i = 0; i < kChains; ++i) sums[i] = Wide{} + static_cast<float>(i);  // so that none is like another
  const double begin = processor_seconds();
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int k = 0; k < kChains; ++k) sums[k] = sums[k] * factor + factor;
  }
  const double seconds = processor_seconds() - begin;
  volatile float kept = 0;
  for (const Wide& sum : sums) kept = kept + sum[0];
  return 2.0 * 16 * kChains * static_cast<double>(rounds) / seconds;
}

#if defined(__x86_64__)
/// The same of products in bf16 on tiles.
__attribute__((target("amx-tile,amx-bf16"))) double peak_of_tiles() {
  constexpr int kRounds = 200000;
  struct alignas(64) {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16};
  } shapes;
  _tile_loadconfig(&shapes);
  _tile_zero(4);
  _tile_zero(5);
  const double begin = processor_seconds();
  for (int i = 0; i < kRounds; ++i) {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  }
  const double seconds = processor_seconds() - begin;
  _tile_release();
  return 2.0 * 16 * 16 * 32 * 4 * kRounds / seconds;
}
#else
double peak_of_tiles() { return 0; }
#endif

Limits measured_limits() {
  Limits limits;
  const at::Tensor from = at::randn({16 << 20}), to = at::empty_like(from);
  for (int i = 0; i < 5; ++i) {
    limits.flops = std::max(limits.flops, multiply_and_add(1000000));
    const double seconds = seconds_of([&] { to.copy_(from); });
    limits.bytes = std::max(limits.bytes, 2.0 * static_cast<double>(from.nbytes()) / seconds);
    if (simd_level() == SimdLevel::amx) limits.tile_flops = std::max(limits.tile_flops, peak_of_tiles());
  }
  return limits;
}

struct Report {
  Limits limits = measured_limits();

  /// `flops` and `bytes` are those of a row.
  void line(const std::string& name, const Times& times, double rows, double target, double flops, double bytes,
            bool on_tiles = false) const {
    const double least = std::max(flops / (on_tiles ? limits.tile_flops : limits.flops), bytes / limits.bytes);
    std::printf("%s\t%.3f\t%.3f\t%.2f\t%s\t%.0f %%\t%s\t1\n", name.c_str(), times.ours / rows * 1e6,
                times.theirs / rows * 1e6, times.theirs / times.ours,
                target > 0 ? std::to_string(target).substr(0, 4).c_str() : "-", 100 * least * rows / times.ours,
                std::string(name_of(simd_level())).c_str());
    std::fflush(stdout);
  }
};

std::int64_t smooth_length(std::int64_t n) {
  for (;; ++n) {
    std::int64_t rest = n;
    for (const std::int64_t factor : {2, 3, 5}) {
      while (rest % factor == 0) rest /= factor;
    }
    if (rest == 1) return n;
  }
}

/// A causal convolution with skip term, ours and LibTorch's, on the same numbers.
struct Bench {
  std::int64_t B, C, L, taps;
  LongConvPlan plan;
  at::Tensor u = at::randn({B, C, L}), dy = at::randn({B, C, L}), skip = at::randn({C}), y = at::empty_like(u);
  at::Tensor kernel = at::randn({C, taps}) / std::sqrt(static_cast<double>(taps));
  at::Tensor du = at::empty_like(u), dkernel = at::empty_like(kernel), dskip = at::empty_like(skip);
  cpu::AlignedFloats prepared = cpu::aligned_floats(plan.prepared_floats() * C);

  Bench(std::int64_t batch, std::int64_t channels, std::int64_t length, std::int64_t lags,
        const LongConvChoice& choice = {})
      : B(batch), C(channels), L(length), taps(lags), plan({batch, channels, length, lags, 0}, choice) {
    prepare();
  }

  template <class Value>
  Series3<Value> series(const at::Tensor& x) const {
    return {x.mutable_data_ptr<float>(), C * L, L, 1};
  }
  void prepare() {
    plan.prepare({.past = kernel.const_data_ptr<float>(), .past_pitch = taps, .skip = skip.const_data_ptr<float>()},
                 {0, C}, prepared.get());
  }
  void forward() { plan.forward({series<const float>(u), {}, {}, series<float>(y)}, prepared.get(), {0, C}); }
  void backward() {
    const Taps<float> dk{
        .past = dkernel.mutable_data_ptr<float>(), .past_pitch = taps, .skip = dskip.mutable_data_ptr<float>()};
    plan.backward({.u = series<const float>(u), .dy = series<const float>(dy), .du = series<float>(du), .dk = dk},
                  prepared.get(), {0, C});
  }
  at::Tensor convolved(const at::Tensor& x, const at::Tensor& spectrum) const {
    const std::int64_t n = smooth_length(2 * L);
    return at::fft_irfft(at::fft_rfft(x, n) * spectrum, n).narrow(2, 0, L);
  }
  at::Tensor spectrum(const at::Tensor& k) const { return at::fft_rfft(k, smooth_length(2 * L)); }
  double rows() const { return static_cast<double>(B * C); }
  std::string shape() const { return std::to_string(B) + "x" + std::to_string(C) + "x" + std::to_string(L); }
};

void bench_forward(const Report& report, const std::string& name, Bench& b, double target) {
  const at::Tensor spectrum = b.spectrum(b.kernel);
  const Times times =
      best_times([&] { b.forward(); }, [&] { at::Tensor y = b.convolved(b.u, spectrum) + b.u * b.skip.unsqueeze(1); });
  report.line(name + " " + b.shape(), times, b.rows(), target, b.plan.row_flops(), 8.0 * static_cast<double>(b.L),
              b.plan.method() == LongConvMethod::toeplitz);
}

void bench_forward(const Report& report, std::int64_t B, std::int64_t C, std::int64_t L, double target) {
  Bench b(B, C, L, L);
  bench_forward(report, "long_conv", b, target);
}

/// On tiles of bf16, where the processor has them.
void bench_tiles(const Report& report, std::int64_t B, std::int64_t C, std::int64_t L) {
  for (const auto& [precision, name] :
       {std::pair{LongConvPrecision::bf16x3, "long_conv bf16x3"}, {LongConvPrecision::bf16, "long_conv bf16"}}) {
    Bench b(B, C, L, L, {.precision = precision, .method = LongConvMethod::toeplitz});
    bench_forward(report, name, b, precision == LongConvPrecision::bf16x3 ? 8 : 0);
  }
}

/// Training: the kernel is new each time, so its spectrum counts on both sides.
void bench_training(const Report& report, std::int64_t B, std::int64_t C, std::int64_t L, double target) {
  Bench b(B, C, L, L);
  at::AutoGradMode gradients(true);
  const at::Tensor u = b.u.clone().requires_grad_(true), k = b.kernel.clone().requires_grad_(true);
  const at::Tensor d = b.skip.clone().requires_grad_(true);
  const auto theirs = [&] {
    (b.convolved(u, b.spectrum(k)) + u * d.unsqueeze(1)).backward(b.dy);
    for (const at::Tensor& x : {u, k, d}) x.mutable_grad().reset();
  };
  Times times = best_times([&] { b.prepare(), b.forward(), b.backward(); }, theirs);
  report.line("long_conv forward+backward " + b.shape(), times, b.rows(), 0, 2.5 * b.plan.row_flops(),
              20.0 * static_cast<double>(L));
  const Times parts = best_times([&] { b.prepare(), b.forward(); }, [&] { b.prepare(), b.forward(), b.backward(); });
  report.line("long_conv (forward+backward) / forward " + b.shape(), parts, b.rows(), target, b.plan.row_flops(),
              8.0 * static_cast<double>(L));
}

void bench_short(const Report& report, std::int64_t B, std::int64_t C, std::int64_t L, std::int64_t width,
                 double target) {
  Bench b(B, C, L, width);
  const at::Tensor weight = b.kernel.flip(1).unsqueeze(1).contiguous();
  const Times times = best_times(
      [&] { b.forward(); }, [&] { at::Tensor y = at::conv1d(b.u, weight, {}, 1, width - 1, 1, C).narrow(2, 0, L); });
  const std::string name = "short_conv width " + std::to_string(width) + " " + b.shape();
  report.line(name, times, b.rows(), target, b.plan.row_flops(), 8.0 * static_cast<double>(L));
}

void bench_all(const std::string& filter) {
  const Report report;
  std::printf("name\tours\ttheirs\tratio\ttarget\tof limit\tlevel\tthreads\n");
  const auto wanted = [&](const char* part) { return filter.empty() || filter == part; };
  if (wanted("forward")) {
    for (const auto& [B, C, L, target] : {std::tuple{16, 1024, 128, 2.0},
                                          {16, 1024, 200, 4.0},
                                          {16, 1024, 256, 4.0},
                                          {16, 1024, 512, 6.0},
                                          {16, 1024, 1024, 6.0},
                                          {16, 1024, 1200, 6.0},
                                          {16, 512, 2048, 6.0},
                                          {16, 256, 4096, 6.0},
                                          {8, 256, 8192, 6.0},
                                          {4, 128, 16384, 6.0},
                                          {2, 64, 65536, 6.0},
                                          {2, 32, 262144, 4.0}}) {
      bench_forward(report, B, C, L, target);
    }
  }
  if (wanted("tiles") && simd_level() == SimdLevel::amx) {
    for (const int length : {128, 200, 256, 512}) bench_tiles(report, 16, 1024, length);
  }
  if (wanted("shapes")) {
    for (const auto& [B, C, L] : {std::tuple{192, 768, 50},
                                  {32, 400, 200},
                                  {16, 512, 600},
                                  {1, 1024, 1200},
                                  {64, 256, 256},
                                  {4, 128, 8192},
                                  {1, 128, 91282},
                                  {1, 64, 230400}}) {
      bench_forward(report, B, C, L, 0);
    }
  }
  if (wanted("training")) {
    for (const auto& [B, C, L] :
         {std::tuple{16, 256, 128}, {16, 256, 256}, {16, 256, 1024}, {16, 128, 4096}, {4, 32, 16384}}) {
      bench_training(report, B, C, L, 2.5);
    }
  }
  if (wanted("short")) {
    for (const int channels : {256, 1024}) {
      for (const int width : {3, 4, 7, 15, 31, 63}) bench_short(report, 16, channels, 1024, width, 6);
    }
  }
}

}  // namespace
}  // namespace noema

int main(int argc, char** argv) {
  at::set_num_threads(1);
  at::NoGradGuard no_gradients;
  noema::bench_all(argc > 1 ? argv[1] : "");
}
