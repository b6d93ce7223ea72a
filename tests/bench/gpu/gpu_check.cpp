// The long convolution on a GPU beside LibTorch's composition of transforms: errors against float64, then times.
// One line for each: name, ours and theirs in microseconds, ratio, ratio aimed at, share of the memory's limit, share
// aimed at.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/rand_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

#include "noema/kernels/long_conv_op.h"

namespace noema {
namespace {

constexpr int kSkipped = 77;

struct Inputs {
  at::Tensor u, past, future, skip, pre, post;

  std::vector<at::Tensor> all() const { return {u, past, future, skip, pre, post}; }
};

Inputs random_inputs(std::int64_t B, std::int64_t C, std::int64_t T, bool rows_contiguous) {
  const auto on_gpu = at::TensorOptions(at::kFloat).device(at::kCUDA);
  const auto series = [&] {
    return rows_contiguous ? at::randn({B, C, T}, on_gpu).transpose(1, 2) : at::randn({B, T, C}, on_gpu);
  };
  // Gates of unit variance without the tails that products of normal numbers have for the same rms.
  const auto gate = [&] { return (at::rand_like(series()) * 2 - 1) * std::sqrt(3.0); };
  const double scale = 1 / std::sqrt(2.0 * static_cast<double>(T));
  return {
      series(), at::randn({C, T}, on_gpu) * scale, at::randn({C, T}, on_gpu) * scale, at::randn({C}, on_gpu), gate(),
      gate()};
}

/// The same by LibTorch's transforms, in the precision of what it is given.
at::Tensor composed(const Inputs& x) {
  const std::int64_t T = x.u.size(1), n = 2 * T;
  const at::Tensor v = x.pre * x.u;
  // Lag −T is not used; its place on the circle is that of no other.
  const at::Tensor kernel =
      at::cat({x.past, at::zeros({x.past.size(0), 1}, x.past.options()), x.future.narrow(1, 0, T - 1).flip(1)}, 1);
  const at::Tensor spectrum = at::fft_rfft(v, n, 1) * at::fft_rfft(kernel, n, 1).t();
  return x.post * (at::fft_irfft(spectrum, n, 1).narrow(1, 0, T) + x.skip * v);
}

at::Tensor ours(const Inputs& x, LongConvPrecision precision = LongConvPrecision::float32) {
  return long_conv(x.u, x.past, {x.future, x.skip, x.pre, x.post, precision});
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return ((found.to(at::kDouble) - expected).abs().max() / expected.square().mean().sqrt()).item<double>();
}

/// Whether results and gradients are those in float64 to 1e-5, or twice LibTorch's own error in float32; and results in
/// less than float32 to twice the tolerance of their precision, since numbers are drawn anew each time.
bool check(std::int64_t B, std::int64_t C, std::int64_t T, bool rows_contiguous) {
  const Inputs x = random_inputs(B, C, T, rows_contiguous);
  const auto copy = [](const Inputs& from, at::ScalarType type) {
    const auto leaf = [&](const at::Tensor& t) { return t.detach().to(type).clone().requires_grad_(true); };
    return Inputs{leaf(from.u), leaf(from.past), leaf(from.future), leaf(from.skip), leaf(from.pre), leaf(from.post)};
  };
  const Inputs mine = copy(x, at::kFloat), theirs = copy(x, at::kFloat), exact = copy(x, at::kDouble);
  const at::Tensor weight = at::randn(x.u.sizes(), x.u.options());
  const at::Tensor y = ours(mine), y_theirs = composed(theirs), y_exact = composed(exact);
  for (const at::Tensor& result : {y, y_theirs, y_exact}) (result * weight).sum().backward();

  const auto good = [&](const char* what, const at::Tensor& a, const at::Tensor& b, const at::Tensor& truth) {
    const double error = relative_error(a, truth), limit = std::max(1e-5, 2 * relative_error(b, truth));
    const bool fits = error <= limit;
    if (!fits) std::printf("wrong: %s of %ldx%ldx%ld, error %.2e above %.2e\n", what, B, C, T, error, limit);
    return fits;
  };
  bool all = good("result", y.detach(), y_theirs.detach(), y_exact.detach());
  const at::NoGradGuard no_gradients;
  for (const auto& [precision, tolerance] :
       {std::pair{LongConvPrecision::bf16x3, 6e-5}, {LongConvPrecision::bf16, 4e-2}}) {
    const double error = relative_error(ours(x, precision), y_exact.detach());
    if (error > tolerance)
      std::printf("wrong: precision %d of %ldx%ldx%ld, error %.2e\n", static_cast<int>(precision), B, C, T, error);
    all = all && error <= tolerance;
  }
  const char* names[] = {"du", "dpast", "dfuture", "dskip", "dpre", "dpost"};
  for (std::size_t i = 0; i < 6; ++i) {
    if (T == 1 && i == 2) continue;  // no lag before the present
    all = good(names[i], mine.all()[i].grad(), theirs.all()[i].grad(), exact.all()[i].grad()) && all;
  }
  return all;
}

double milliseconds_of(const std::function<void()>& work) {
  cudaEvent_t begin, end;
  cudaEventCreate(&begin);
  cudaEventCreate(&end);
  float best = INFINITY;
  for (int i = 0; i < 20; ++i) {
    cudaEventRecord(begin);
    work();
    cudaEventRecord(end);
    cudaEventSynchronize(end);
    float time = 0;
    cudaEventElapsedTime(&time, begin, end);
    best = std::min(best, time);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return best;
}

void line(const char* name, const Inputs& x, double mine, double theirs, double target, double bytes_a_value,
          double bytes_a_second) {
  const double least = bytes_a_value * static_cast<double>(x.u.numel()) / bytes_a_second * 1e3;
  std::printf("%s %ldx%ldx%ld\t%.1f\t%.1f\t%.2f\t1.0\t%.0f %%\t%.0f %%\n", name, x.u.size(0), x.u.size(2), x.u.size(1),
              mine * 1e3, theirs * 1e3, theirs / mine, 100 * least / mine, 100 * target);
}

/// Causal with skip term, rows contiguous. `share`: of the memory's limit, aimed at in float32; of bf16 and bf16x3 it
/// is 0.6 as far as tiles go.
void bench(std::int64_t B, std::int64_t C, std::int64_t T, double bytes_a_second) {
  Inputs x = random_inputs(B, C, T, /*rows_contiguous=*/true);
  const LongConvExtras extras{.skip = x.skip};
  const auto composition = [&](const at::Tensor& u, const at::Tensor& k, const at::Tensor& d) {
    return at::fft_irfft(at::fft_rfft(u, 2 * T, 1) * at::fft_rfft(k, 2 * T, 1).t(), 2 * T, 1).narrow(1, 0, T) + d * u;
  };
  {
    const at::NoGradGuard no_gradients;
    const double theirs = milliseconds_of([&] { composition(x.u, x.past, x.skip); });
    const double aim = T <= 8192 ? 0.3 : 0;
    for (const auto& [precision, name, tiles_to] : {std::tuple{LongConvPrecision::float32, "float32", 0},
                                                    {LongConvPrecision::bf16x3, "bf16x3", 256},
                                                    {LongConvPrecision::bf16, "bf16", 1024}}) {
      LongConvExtras with = extras;
      with.precision = precision;
      const double mine = milliseconds_of([&] { long_conv(x.u, x.past, with); });
      line(name, x, mine, theirs, T <= tiles_to ? 0.6 : aim, 8, bytes_a_second);
    }
    const double gated = milliseconds_of([&] { ours(x); }), gated_theirs = milliseconds_of([&] { composed(x); });
    line("gated, both sides", x, gated, gated_theirs, aim, 16, bytes_a_second);
  }
  const at::Tensor weight = at::randn(x.u.sizes(), x.u.options());
  const auto leaf = [](const at::Tensor& t) { return t.detach().clone().requires_grad_(true); };
  const at::Tensor u = leaf(x.u), k = leaf(x.past), d = leaf(x.skip);
  const auto trained = [&](const std::function<at::Tensor()>& forward) {
    return milliseconds_of([&] {
      forward().backward(weight);
      for (const at::Tensor& t : {u, k, d}) t.mutable_grad().reset();
    });
  };
  const double mine = trained([&] { return long_conv(u, k, {.skip = d}); });
  line("forward+backward", x, mine, trained([&] { return composition(u, k, d); }), 0, 20, bytes_a_second);
}

double measured_bandwidth() {
  const at::Tensor from = at::randn({64 << 20}, at::TensorOptions(at::kFloat).device(at::kCUDA));
  const at::Tensor to = at::empty_like(from);
  return 2.0 * static_cast<double>(from.nbytes()) / (milliseconds_of([&] { to.copy_(from); }) * 1e-3);
}

int run() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("skipped: there is no GPU here\n");
    return kSkipped;
  }
  bool all = true;
  for (const bool rows_contiguous : {false, true}) {
    for (const std::int64_t T : {1, 2, 3, 7, 16, 63, 64, 65, 127, 200, 256, 500, 1000, 1024, 1200, 2047, 4096, 8192}) {
      all = check(3, 5, T, rows_contiguous) && all;
    }
  }
  std::printf("results and gradients: %s\n", all ? "good" : "WRONG");
  std::printf("name\tours\ttheirs\tratio\taimed at\tof limit\taimed at\n");
  const double bandwidth = measured_bandwidth();
  for (const std::int64_t T : {128, 256, 512, 1024, 2048, 4096, 8192}) bench(16, 512, T, bandwidth);
  bench(64, 400, 1200, bandwidth);
  bench(1, 256, 65536, bandwidth);
  bench(4, 64, 262144, bandwidth);
  return all ? 0 : 1;
}

}  // namespace
}  // namespace noema

int main() { return noema::run(); }
