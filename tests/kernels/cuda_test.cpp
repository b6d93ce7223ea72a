// The long convolution on a GPU beside the processor's, which long_conv_test.cpp holds against direct sums.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "made_up.h"
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
        pre(series(s, 2)),
        post(series(s, 3)),
        dy(series(s, 4)),
        past(normal(s.channels * s.past, 5, 0.1)),
        future(normal(s.channels * s.future, 6, 0.1)),
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
  static std::vector<float> series(const LongConvSizes& s, unsigned seed) {
    return normal(s.batch * s.channels * s.length, seed);
  }
};

TEST(LongConvOnGpu, IsThatOfTheProcessor) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) GTEST_SKIP() << "there is no GPU here";
  for (const LongConvSizes& s : {LongConvSizes{2, 3, 1, 1, 0},
                                 {3, 5, 65, 65, 65},
                                 {2, 3, 200, 200, 0},
                                 {1, 2, 333, 20, 7},
                                 {2, 2, 1200, 2000, 1300}}) {
    for (const bool channels_last : {false, true}) {
      const auto series = [&](const Shared& x) {
        const std::int64_t item = s.channels * s.length;
        return channels_last ? Series3<float>{x.data(), item, 1, s.channels}
                             : Series3<float>{x.data(), item, s.length, 1};
      };
      const auto given = [&](const Shared& x) {
        const Series3<float> of = series(x);
        return Series3<const float>{of.data, of.batch_pitch, of.channel_pitch, of.time_pitch};
      };
      const Buffers here(s), there(s);
      const auto forward = [&](const Buffers& x) {
        return LongConvForward{given(x.u), given(x.pre), given(x.post), series(x.y)};
      };
      const auto backward = [&](const Buffers& x) {
        return LongConvBackward{
            given(x.u),      given(x.pre),
            given(x.post),   given(x.dy),
            series(x.du),    series(x.dpre),
            series(x.dpost), {x.dpast.data(), s.past, x.dfuture.data(), s.future, 1, x.dskip.data()}};
      };
      const auto taps = [&](const Buffers& x) {
        return Taps<const float>{x.past.data(), s.past, x.future.data(), s.future, 1, x.skip.data()};
      };
      const LongConvPlan plan(s);
      const cpu::AlignedFloats prepared = cpu::aligned_floats(plan.prepared_floats() * s.channels);
      plan.prepare(taps(here), {0, s.channels}, prepared.get());
      plan.forward(forward(here), prepared.get(), {0, s.channels});
      plan.backward(backward(here), prepared.get(), {0, s.channels});

      const cuda::LongConvPlan on_gpu(s);
      void* work = nullptr;
      ASSERT_EQ(cudaMalloc(&work, std::max(on_gpu.forward_bytes(), on_gpu.backward_bytes())), cudaSuccess);
      on_gpu.forward(forward(there), taps(there), work, nullptr);
      on_gpu.backward(backward(there), taps(there), work, nullptr);
      ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
      cudaFree(work);
      for (std::size_t i = 0; i < here.results().size(); ++i) {
        const std::vector<float> expected = here.results()[i];
        if (expected.empty()) continue;
        EXPECT_LE(relative_error(there.results()[i], {expected.begin(), expected.end()}), 1e-5)
            << "result " << i << " of length " << s.length;
      }
    }
  }
}

}  // namespace
}  // namespace noema
