// The long convolution on a GPU beside the processor's, which long_conv_test.cpp holds against direct sums.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "made_up.h"
#include "noema/core/error.h"
#include "noema/kernels/cpu/aligned.h"
#include "noema/kernels/cuda/long_conv.h"

namespace noema {
namespace {

/// Numbers in memory that both the processor and the GPU see.
class Shared {
 public:
  explicit Shared(const std::vector<float>& values) : count_(values.size()) {
    void* memory = nullptr;
    const std::size_t bytes = std::max<std::size_t>(count_, 1) * sizeof(float);
    EXPECT_EQ(cudaMallocManaged(&memory, bytes, cudaMemAttachGlobal), cudaSuccess);
    data_ = static_cast<float*>(memory);
    std::copy(values.begin(), values.end(), data_);
  }
  ~Shared() { cudaFree(data_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  float* data() const { return data_; }
  std::vector<float> values() const { return {data_, data_ + count_}; }

 private:
  float* data_ = nullptr;
  std::size_t count_;
};

struct Buffers {
  Shared u, pre, post, dy, past, future, skip, y, du, dpre, dpost, dpast, dfuture, dskip;

  explicit Buffers(const LongConvSizes& s)
      : u(series(s, 1)),
        pre(uniform(s.batch * s.channels * s.length, 2)),
        post(uniform(s.batch * s.channels * s.length, 3)),
        dy(series(s, 4)),
        past(normal(s.channels * s.past, 5, scale(s))),
        future(normal(s.channels * s.future, 6, scale(s))),
        skip(normal(s.channels, 7)),
        y(series(s, 0)),
        du(series(s, 0)),
        dpre(series(s, 0)),
        dpost(series(s, 0)),
        dpast(past.values()),
        dfuture(future.values()),
        dskip(skip.values()) {}

  std::vector<std::vector<float>> results() const {
    return {y.values(), du.values(), dpre.values(), dpost.values(), dpast.values(), dfuture.values(), dskip.values()};
  }

 private:
  static double scale(const LongConvSizes& s) { return 1 / std::sqrt(static_cast<double>(s.past + s.future)); }
  static std::vector<float> series(const LongConvSizes& s, unsigned seed) {
    return normal(s.batch * s.channels * s.length, seed);
  }
};

/// The series, kernels and results of a convolution in one layout.
struct View {
  const LongConvSizes& s;
  const Buffers& x;
  bool channels_last;

  Series3<float> series(const Shared& values) const {
    const std::int64_t item = s.channels * s.length;
    return channels_last ? Series3<float>{values.data(), item, 1, s.channels}
                         : Series3<float>{values.data(), item, s.length, 1};
  }
  Series3<const float> given(const Shared& values) const {
    const Series3<float> of = series(values);
    return {of.data, of.batch_pitch, of.channel_pitch, of.time_pitch};
  }
  LongConvForward forward() const { return {given(x.u), given(x.pre), given(x.post), series(x.y)}; }
  LongConvBackward backward() const {
    return {given(x.u),      given(x.pre),
            given(x.post),   given(x.dy),
            series(x.du),    series(x.dpre),
            series(x.dpost), {x.dpast.data(), s.past, x.dfuture.data(), s.future, 1, x.dskip.data()}};
  }
  Taps<const float> taps() const { return {x.past.data(), s.past, x.future.data(), s.future, 1, x.skip.data()}; }
};

void run_on_processor(const View& view) {
  const LongConvPlan plan(view.s);
  const ChannelRange all{0, view.s.channels};
  const cpu::AlignedFloats prepared = cpu::aligned_floats(plan.prepared_floats() * view.s.channels);
  plan.prepare(view.taps(), all, prepared.get());
  plan.forward(view.forward(), prepared.get(), all);
  plan.backward(view.backward(), prepared.get(), all);
}

class DeviceMemory {
 public:
  explicit DeviceMemory(std::size_t bytes) { EXPECT_EQ(cudaMalloc(&memory_, bytes + 1), cudaSuccess); }
  ~DeviceMemory() { cudaFree(memory_); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  void* get() const { return memory_; }

 private:
  void* memory_ = nullptr;
};

void run_on_gpu(const View& view, const cuda::LongConvChoice& choice) {
  const cuda::LongConvPlan plan(view.s, choice);
  const bool has_backward = plan.method() != cuda::LongConvMethod::tiles;
  const DeviceMemory prepared(plan.prepared_bytes());
  const DeviceMemory work(std::max(plan.forward_bytes(), plan.backward_bytes()));
  plan.prepare(view.taps(), prepared.get(), work.get(), nullptr);
  plan.forward(view.forward(), prepared.get(), work.get(), nullptr);
  if (has_backward) plan.backward(view.backward(), prepared.get(), work.get(), nullptr);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

bool has_gpu() {
  int devices = 0;
  return cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0;
}

constexpr LongConvSizes kSizes[] = {{2, 3, 1, 1, 0},      {3, 5, 65, 65, 65},      {17, 3, 200, 200, 0},
                                    {1, 2, 333, 20, 7},   {2, 2, 700, 2000, 1300}, {2, 3, 1200, 1200, 0},
                                    {2, 1, 8192, 8192, 0}};

/// Kernels count places within an item and channel in 32 bits; this needs no GPU.
TEST(LongConvPlanOnGpu, RefusesSeriesThatReachTooFar) {
  const LongConvSizes sizes{16, 1, 128, 128, 0};
  const cuda::LongConvPlan plan(sizes, {LongConvPrecision::bf16, cuda::LongConvMethod::tiles});
  std::vector<float> one(1);
  const std::int64_t far = std::int64_t{1} << 26;
  const LongConvForward series{{one.data(), 1, 1, far}, {}, {}, {one.data(), 1, 1, 1}};
  try {
    plan.forward(series, nullptr, nullptr, nullptr);
    FAIL() << "it went on";
  } catch (const DeviceError& e) {
    EXPECT_NE(std::string(e.what()).find("8522825735 values"), std::string::npos) << e.what();
  }
}

TEST(LongConvOnGpu, IsThatOfTheProcessor) {
  if (!has_gpu()) GTEST_SKIP() << "there is no GPU here";
  for (const cuda::LongConvMethod method : {cuda::LongConvMethod::rows, cuda::LongConvMethod::cufft}) {
    std::vector<LongConvSizes> all(std::begin(kSizes), std::end(kSizes));
    all.push_back({2, 2, 20000, 20000, 50});  // three kernels
    for (const LongConvSizes& s : all) {
      for (const bool channels_last : {false, true}) {
        const Buffers here(s), there(s);
        run_on_processor({s, here, channels_last});
        run_on_gpu({s, there, channels_last}, {LongConvPrecision::float32, method});
        for (std::size_t i = 0; i < here.results().size(); ++i) {
          const std::vector<float> expected = here.results()[i];
          if (expected.empty()) continue;
          EXPECT_LE(relative_error(there.results()[i], {expected.begin(), expected.end()}), 1e-5)
              << "method " << static_cast<int>(method) << ", result " << i << " of length " << s.length;
        }
      }
    }
  }
}

TEST(LongConvOnGpu, IsAsExactOnTilesAsItSays) {
  if (!has_gpu()) GTEST_SKIP() << "there is no GPU here";
  for (const auto& [precision, tolerance] :
       {std::pair{LongConvPrecision::bf16x3, 6e-5}, {LongConvPrecision::bf16, 4e-2}}) {
    for (const LongConvSizes& s : kSizes) {
      if (s.length > 1200) continue;
      for (const bool channels_last : {false, true}) {
        const Buffers here(s), there(s);
        run_on_processor({s, here, channels_last});
        run_on_gpu({s, there, channels_last}, {precision, cuda::LongConvMethod::tiles});
        const std::vector<float> expected = here.y.values();
        EXPECT_LE(relative_error(there.y.values(), {expected.begin(), expected.end()}), tolerance)
            << "precision " << static_cast<int>(precision) << ", length " << s.length;
      }
    }
  }
}

}  // namespace
}  // namespace noema
