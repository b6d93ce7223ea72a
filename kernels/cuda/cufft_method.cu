#include <cufft.h>

#include <algorithm>
#include <string>

#include "noema/kernels/cuda/failure.h"
#include "noema/kernels/cuda/launch.h"
#include "noema/kernels/cuda/method.h"

namespace noema::cuda {
namespace {

constexpr int kThreads = 256;

void check_transforms(cufftResult status, const char* what) {
  if (status != CUFFT_SUCCESS) {
    throw_device_error(std::string("cuFFT failed at ") + what + " with code " +
                       std::to_string(static_cast<int>(status)));
  }
}

/// The next length with prime factors 2, 3 and 5 alone.
std::int64_t smooth_length(std::int64_t least) {
  for (std::int64_t n = least;; ++n) {
    std::int64_t rest = n;
    for (const int factor : {2, 3, 5}) {
      while (rest % factor == 0) rest /= factor;
    }
    if (rest == 1) return n;
  }
}

struct Shape {
  std::int64_t items, channels, length, half;  // half: M
};

__device__ float2 times(float2 a, float2 b) { return {a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x}; }
__device__ float2 times_conjugate(float2 a, float2 b) { return {a.x * b.x + a.y * b.y, a.y * b.x - a.x * b.y}; }
/// e^{−iπn/2M}: with cuFFT's forward transform z^M becomes −i, the conjugate of the processor's.
__device__ float2 root(std::int64_t n, std::int64_t half) {
  double re, im;
  sincospi(-0.5 * static_cast<double>(n) / static_cast<double>(half), &im, &re);
  return {static_cast<float>(re), static_cast<float>(im)};
}
__device__ float value(const Series3<const float>& s, std::int64_t b, std::int64_t c, std::int64_t t) {
  return s.data[b * s.batch_pitch + c * s.channel_pitch + t * s.time_pitch];
}
__device__ float gated(const Series3<const float>& s, const Series3<const float>& gate, const Shape& shape,
                       std::int64_t b, std::int64_t c, std::int64_t t) {
  if (t >= shape.length) return 0.0F;
  return value(s, b, c, t) * (gate.data == nullptr ? 1.0F : value(gate, b, c, t));
}

/// Row and position of this thread; rows are (channel, item) with the items of a channel side by side.
struct Place {
  std::int64_t n, b, c, index;
  bool inside;
};
__device__ Place place(const Shape& shape) {
  Place p{};
  p.index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  p.inside = p.index < shape.items * shape.channels * shape.half;
  p.n = p.index % shape.half;
  p.b = p.index / shape.half % shape.items;
  p.c = p.index / shape.half / shape.items;
  return p;
}

/// z ← (s ∘ gate) as a row of M complex values, times the roots.
__global__ void pack(Series3<const float> s, Series3<const float> gate, Shape shape, float2* z) {
  const Place p = place(shape);
  if (!p.inside) return;
  // In C[z]/(z^M + i) the second half of a row is its imaginary part with its sign turned.
  const float2 x{gated(s, gate, shape, p.b, p.c, p.n), -gated(s, gate, shape, p.b, p.c, p.n + shape.half)};
  z[p.index] = times(x, root(p.n, shape.half));
}

/// The value at time t of a row that came back from the transform.
__device__ float unpacked(const float2* row, std::int64_t t, std::int64_t half) {
  const std::int64_t n = t < half ? t : t - half;
  const float2 x = times_conjugate(row[n], root(n, half));
  return (t < half ? x.x : -x.y) / static_cast<float>(half);
}

/// What a skip term adds to a row: skip ∘ series ∘ gate. It does not go through the transform, whose rounding is
/// relative to the norm of all taps.
struct Skipped {
  Series3<const float> series, gate;
  const float* skip;
};

/// out ← (row + skipped) ∘ gate, and out2 likewise with gate2, for those that are there.
__global__ void unpack(const float2* z, Shape shape, const Skipped skipped, Series3<const float> gate,
                       Series3<float> out, Series3<const float> gate2, Series3<float> out2) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= shape.items * shape.channels * shape.length) return;
  const std::int64_t t = index % shape.length, b = index / shape.length % shape.items;
  const std::int64_t c = index / shape.length / shape.items;
  const float y = unpacked(z + (c * shape.items + b) * shape.half, t, shape.half) +
                  skipped.skip[c] * gated(skipped.series, skipped.gate, shape, b, c, t);
  const auto put = [&](const Series3<float>& to, const Series3<const float>& factor) {
    if (to.data == nullptr) return;
    const float scale = factor.data == nullptr ? 1.0F : value(factor, b, c, t);
    to.data[b * to.batch_pitch + c * to.channel_pitch + t * to.time_pitch] = y * scale;
  };
  put(out, gate);
  put(out2, gate2);
}

/// The tap at position p on the circle of 2M, without skip term, with the sign that a wrap around it turns.
__device__ float tap_at(const Taps<const float>& taps, std::int64_t past, std::int64_t future, std::int64_t c,
                        std::int64_t p, std::int64_t circle) {
  float tap = p < past ? taps.past[c * taps.past_pitch + p] : 0.0F;
  const std::int64_t i = circle - 1 - p;  // lag −1 − i
  if (i < future) tap -= taps.future[c * taps.future_pitch + i * taps.future_step];
  return tap;
}

__global__ void pack_taps(Taps<const float> taps, std::int64_t past, std::int64_t future, Shape shape, float2* z,
                          float* skip) {
  const Place p = place(shape);
  if (!p.inside) return;
  if (p.n == 0) skip[p.c] = taps.skip == nullptr ? 0.0F : taps.skip[p.c];
  const std::int64_t circle = 2 * shape.half;
  const float2 x{tap_at(taps, past, future, p.c, p.n, circle),
                 -tap_at(taps, past, future, p.c, p.n + shape.half, circle)};
  z[p.index] = times(x, root(p.n, shape.half));
}

__global__ void unpack_taps(const float2* z, Shape shape, LongConvSizes asked, std::int64_t past, std::int64_t future,
                            Taps<float> dk) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const std::int64_t each = asked.past + asked.future;
  if (index >= shape.channels * each) return;
  const std::int64_t c = index / each, i = index % each;
  const float2* row = z + c * shape.half;
  if (i < asked.past) {
    const float tap = i < past ? unpacked(row, i, shape.half) : 0.0F;
    dk.past[c * dk.past_pitch + i] = tap;
    if (i == 0 && dk.skip != nullptr) dk.skip[c] = tap;
  } else {
    const std::int64_t j = i - asked.past;
    const float tap = j < future ? -unpacked(row, 2 * shape.half - 1 - j, shape.half) : 0.0F;
    dk.future[c * dk.future_pitch + j * dk.future_step] = tap;
  }
}

__global__ void multiply(float2* z, const float2* kernel, Shape shape) {
  const Place p = place(shape);
  if (p.inside) z[p.index] = times(z[p.index], kernel[p.c * shape.half + p.n]);
}

/// sum ← Σ over items of ĝ·conj(û), in their order; g ← ĝ·conj(kernel). A thread for each channel and frequency.
__global__ void correlate(const float2* u, float2* g, const float2* kernel, float2* sum, Shape shape) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= shape.channels * shape.half) return;
  const std::int64_t c = index / shape.half, n = index % shape.half;
  const float2 k = kernel[index];
  float2 total{0.0F, 0.0F};
  for (std::int64_t b = 0; b < shape.items; ++b) {
    const std::int64_t at = (c * shape.items + b) * shape.half + n;
    const float2 product = times_conjugate(g[at], u[at]);
    total.x += product.x;
    total.y += product.y;
    g[at] = times_conjugate(g[at], k);
  }
  sum[index] = total;
}

unsigned blocks(std::int64_t threads) { return static_cast<unsigned>((threads + kThreads - 1) / kThreads); }

cufftHandle plan_transforms(std::int64_t length, std::int64_t rows) {
  cufftHandle plan;
  int n = static_cast<int>(length);
  check_transforms(cufftPlanMany(&plan, 1, &n, nullptr, 1, n, nullptr, 1, n, CUFFT_C2C, static_cast<int>(rows)),
                   "planning");
  return plan;
}

/// By the transforms of cuFFT, with everything around them in two passes. Rows are elements of C[z] / (z^M + i), nearly
/// as on the processor (kernels/cpu/transform.h): a real row of 2M values, times the roots e^{−iπn/2M}, is one complex
/// transform of M in place, without padding.
class CufftMethod : public Method {
 public:
  CufftMethod(const LongConvSizes& asked, const LongConvSizes& sizes)
      : asked_(asked), past_(sizes.past), future_(sizes.future) {
    const std::int64_t reach = std::max(past_ - 1, future_);
    shape_ = {sizes.batch, sizes.channels, sizes.length, smooth_length((sizes.length + reach + 1) / 2)};
    kernel_shape_ = {1, sizes.channels, sizes.length, shape_.half};
    rows_ = plan_transforms(shape_.half, sizes.batch * sizes.channels);
    kernels_ = plan_transforms(shape_.half, sizes.channels);
  }
  ~CufftMethod() override {
    cufftDestroy(rows_);
    cufftDestroy(kernels_);
  }
  CufftMethod(const CufftMethod&) = delete;
  CufftMethod& operator=(const CufftMethod&) = delete;

  /// Spectra, and behind them the weights of the skip terms.
  std::size_t prepared_bytes() const override {
    return static_cast<std::size_t>(kernel_values()) * sizeof(float2) +
           static_cast<std::size_t>(shape_.channels) * sizeof(float);
  }
  std::size_t forward_bytes() const override { return static_cast<std::size_t>(row_values()) * sizeof(float2); }
  std::size_t backward_bytes() const override {
    return static_cast<std::size_t>(2 * row_values() + kernel_values()) * sizeof(float2);
  }

  void prepare(const Taps<const float>& taps, void* prepared, void*, cudaStream_t stream) const override {
    auto* z = static_cast<float2*>(prepared);
    pack_taps<<<blocks(kernel_values()), kThreads, 0, stream>>>(taps, past_, future_, kernel_shape_, z,
                                                                reinterpret_cast<float*>(z + kernel_values()));
    check(cudaGetLastError(), "packing kernels");
    transform(kernels_, z, CUFFT_FORWARD, stream);
  }
  void forward(const LongConvForward& series, const void* prepared, void* work, cudaStream_t stream) const override {
    auto* z = static_cast<float2*>(work);
    start(series.u, series.pre, z, stream);
    const auto* kernel = static_cast<const float2*>(prepared);
    apply(z, kernel, stream);
    finish(z, {series.u, series.pre, skip_of(kernel)}, series.post, series.y, {}, {}, stream);
  }
  void backward(const LongConvBackward& series, const void* prepared, void* work, cudaStream_t stream) const override {
    const auto* kernel = static_cast<const float2*>(prepared);
    auto* u = static_cast<float2*>(work);
    float2 *g = u + row_values(), *sum = g + row_values();
    if (series.post.data != nullptr) {  // the convolution again, for the gradient of its gate
      start(series.u, series.pre, g, stream);
      apply(g, kernel, stream);
      finish(g, {series.u, series.pre, skip_of(kernel)}, series.dy, series.dpost, {}, {}, stream);
    }
    start(series.u, series.pre, u, stream);
    start(series.dy, series.post, g, stream);
    correlate<<<blocks(kernel_values()), kThreads, 0, stream>>>(u, g, kernel, sum, shape_);
    check(cudaGetLastError(), "correlating");
    finish(g, {series.dy, series.post, skip_of(kernel)}, series.pre, series.du, series.u, series.dpre, stream);
    if (series.dk.past == nullptr) return;
    transform(kernels_, sum, CUFFT_INVERSE, stream);
    const std::int64_t taps_of_all = shape_.channels * (asked_.past + asked_.future);
    unpack_taps<<<blocks(taps_of_all), kThreads, 0, stream>>>(sum, kernel_shape_, asked_, past_, future_, series.dk);
    check(cudaGetLastError(), "unpacking kernels");
  }

 private:
  std::int64_t row_values() const { return shape_.items * shape_.channels * shape_.half; }
  std::int64_t kernel_values() const { return shape_.channels * shape_.half; }
  const float* skip_of(const float2* prepared) const {
    return reinterpret_cast<const float*>(prepared + kernel_values());
  }

  void transform(cufftHandle plan, float2* z, int direction, cudaStream_t stream) const {
    check_transforms(cufftSetStream(plan, stream), "setting its stream");
    check_transforms(cufftExecC2C(plan, z, z, direction), "a transform");
  }
  void start(const Series3<const float>& s, const Series3<const float>& gate, float2* z, cudaStream_t stream) const {
    pack<<<blocks(row_values()), kThreads, 0, stream>>>(s, gate, shape_, z);
    check(cudaGetLastError(), "packing");
    transform(rows_, z, CUFFT_FORWARD, stream);
  }
  void finish(float2* z, const Skipped& skipped, const Series3<const float>& gate, const Series3<float>& out,
              const Series3<const float>& gate2, const Series3<float>& out2, cudaStream_t stream) const {
    transform(rows_, z, CUFFT_INVERSE, stream);
    unpack<<<blocks(shape_.items * shape_.channels * shape_.length), kThreads, 0, stream>>>(z, shape_, skipped, gate,
                                                                                            out, gate2, out2);
    check(cudaGetLastError(), "unpacking");
  }
  void apply(float2* z, const float2* kernel, cudaStream_t stream) const {
    multiply<<<blocks(row_values()), kThreads, 0, stream>>>(z, kernel, shape_);
    check(cudaGetLastError(), "multiplying");
  }

  LongConvSizes asked_;
  std::int64_t past_, future_;
  Shape shape_, kernel_shape_;
  cufftHandle rows_, kernels_;
};

}  // namespace

std::unique_ptr<const Method> cufft_method(const LongConvSizes& asked, const LongConvSizes& sizes) {
  return std::make_unique<CufftMethod>(asked, sizes);
}

}  // namespace noema::cuda
