#include "times.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/randn.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "inputs.h"
#include "noema/kernels/cuda/long_conv.h"
#include "noema/kernels/long_conv_op.h"

namespace noema {
namespace {

/// Of one call: the median of repetitions of many calls, so that the host's time of a call does not count.
double seconds_of(const std::function<void()>& work) {
  constexpr int kCalls = 10, kRepetitions = 5;
  cudaEvent_t begin, end;
  cudaEventCreate(&begin);
  cudaEventCreate(&end);
  std::vector<float> times;
  for (int i = 0; i <= kRepetitions; ++i) {
    cudaEventRecord(begin);
    for (int call = 0; call < kCalls; ++call) work();
    cudaEventRecord(end);
    cudaEventSynchronize(end);
    float milliseconds = 0;
    cudaEventElapsedTime(&milliseconds, begin, end);
    if (i > 0) times.push_back(milliseconds / kCalls);  // the first makes plans
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::nth_element(times.begin(), times.begin() + kRepetitions / 2, times.end());
  return times[kRepetitions / 2] * 1e-3;
}

double measured_bandwidth() {
  const at::Tensor from = at::randn({64 << 20}, at::TensorOptions(at::kFloat).device(at::kCUDA));
  const at::Tensor to = at::empty_like(from);
  return 2.0 * static_cast<double>(from.nbytes()) / seconds_of([&] { to.copy_(from); });
}

const char* name_of(cuda::LongConvMethod method) {
  switch (method) {
    case cuda::LongConvMethod::tiles:
      return "tiles";
    case cuda::LongConvMethod::rows:
      return "rows";
    case cuda::LongConvMethod::cufft:
      break;
  }
  return "cufft";
}

class Row {
 public:
  Row(const Inputs& x, double bandwidth) : x_(x), bandwidth_(bandwidth) {}

  /// @param bytes_a_value what must be read and written, in bytes for each value of u
  void print(const std::string& what, LongConvPrecision precision, double mine, double theirs, double aim,
             double bytes_a_value) const {
    const LongConvSizes sizes{x_.u.size(0), x_.u.size(2), x_.u.size(1), x_.past.size(1),
                              x_.future.defined() ? x_.future.size(1) : 0};
    const double least = bytes_a_value * static_cast<double>(x_.u.numel()) / bandwidth_;
    std::printf("%s %ldx%ldx%ld\t%s\t%.1f\t%.1f\t%.2f\t%.0f %%\t%.0f %%\n", what.c_str(), sizes.batch, sizes.channels,
                sizes.length, name_of(cuda::LongConvPlan(sizes, {precision}).method()), mine * 1e6, theirs * 1e6,
                theirs / mine, 100 * least / mine, 100 * aim);
  }

 private:
  const Inputs& x_;
  double bandwidth_;
};

constexpr std::tuple<LongConvPrecision, const char*, std::int64_t> kPrecisions[] = {
    {LongConvPrecision::float32, "float32", 0},  // and the longest series for which 60 % are aimed at
    {LongConvPrecision::bf16x3, "bf16x3", 256},
    {LongConvPrecision::bf16, "bf16", 1024}};

double share_aimed_at(std::int64_t length, std::int64_t sixty_to) {
  if (length <= sixty_to) return 0.6;
  return length <= 8192 ? 0.3 : 0;
}

void time_forward(const Shape& shape, bool rows_contiguous, double bandwidth) {
  const at::NoGradGuard no_gradients;
  const Inputs both_sides = random_inputs(shape, rows_contiguous), x = causal(both_sides);
  const std::string layout = rows_contiguous ? "" : ", channels last";
  const double theirs = seconds_of([&] { composed(x); });
  for (const auto& [precision, name, sixty_to] : kPrecisions) {
    const double mine =
        seconds_of([&, precision = precision] { long_conv(x.u, x.past, {.skip = x.skip, .precision = precision}); });
    Row(x, bandwidth).print(name + layout, precision, mine, theirs, share_aimed_at(shape.length, sixty_to), 8);
  }
  const double gated = seconds_of([&] {
    long_conv(both_sides.u, both_sides.past, {both_sides.future, both_sides.skip, both_sides.pre, both_sides.post});
  });
  Row(both_sides, bandwidth)
      .print("gated, both sides" + layout, LongConvPrecision::float32, gated, seconds_of([&] { composed(both_sides); }),
             share_aimed_at(shape.length, 0), 16);
}

void time_training(const Shape& shape, double bandwidth) {
  const Inputs x = copies(causal(random_inputs(shape, true)), at::kFloat, true);
  const at::Tensor weight = at::randn(x.u.sizes(), x.u.options());
  const auto trained = [&](const std::function<at::Tensor()>& forward) {
    return seconds_of([&] {
      forward().backward(weight);
      for (const at::Tensor& t : {x.u, x.past, x.skip}) t.mutable_grad().reset();
    });
  };
  const double mine = trained([&] { return long_conv(x.u, x.past, {.skip = x.skip}); });
  Row(x, bandwidth)
      .print("forward+backward", LongConvPrecision::float32, mine, trained([&] { return composed(x); }), 0, 20);
}

}  // namespace

void print_times() {
  cudaDeviceProp device;
  cudaGetDeviceProperties(&device, 0);
  const double bandwidth = measured_bandwidth();
  std::printf("%s; a copy moves %.2f TB/s\n", device.name, bandwidth * 1e-12);
  std::printf("name\tmethod\tours\ttheirs\tratio\tof limit\taimed at\n");
  // More than the cache holds: 270 MB a series.
  constexpr std::int64_t kRows = 512, kValues = 64 << 20;
  std::vector<Shape> shapes = {{192, 768, 50}, {64, 400, 1200}, {16, 512, 600}};
  for (const std::int64_t T : {128, 200, 256, 512, 1024, 2048, 4096, 8192}) {
    shapes.push_back({kValues / T / kRows, kRows, T});
  }
  for (const Shape& shape : shapes) {
    for (const bool rows_contiguous : {true, false}) time_forward(shape, rows_contiguous, bandwidth);
    time_training(shape, bandwidth);
  }
  for (const Shape& shape : {Shape{1, 256, 65536}, {1, 128, 91282}, {1, 64, 230400}, {4, 64, 262144}}) {
    time_forward(shape, true, bandwidth);
    time_training(shape, bandwidth);
  }
}

}  // namespace noema
