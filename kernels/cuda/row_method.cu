#include <cstdint>
#include <limits>

#include "noema/kernels/cuda/launch.h"
#include "noema/kernels/cuda/method.h"
#include "noema/kernels/cuda/row_convolution.cuh"

namespace noema::cuda {
namespace {

class RowMethod : public Method {
 public:
  RowMethod(const LongConvSizes& asked, const LongConvSizes& sizes)
      : plan_(RowConvolution::real_values(sizes)),
        roots_(plan_.roots()),
        steps_(asked, sizes, plan_.transform(roots_.data())) {}

  std::size_t prepared_bytes() const override { return bytes(steps_.prepared_values()); }
  std::size_t forward_bytes() const override { return bytes(steps_.forward_values()); }
  std::size_t backward_bytes() const override { return bytes(steps_.backward_values()); }

  void prepare(const Taps<const float>& taps, void* prepared, void* work, cudaStream_t stream) const override {
    steps_.prepare(StreamLaunch{stream}, taps, static_cast<Complex*>(prepared), static_cast<Complex*>(work));
  }
  void forward(const LongConvForward& series, const void* prepared, void* work, cudaStream_t stream) const override {
    steps_.forward(StreamLaunch{stream}, series, static_cast<const Complex*>(prepared), static_cast<Complex*>(work));
  }
  void backward(const LongConvBackward& series, const void* prepared, void* work, cudaStream_t stream) const override {
    steps_.backward(StreamLaunch{stream}, series, static_cast<const Complex*>(prepared), static_cast<Complex*>(work));
  }

 private:
  static std::size_t bytes(std::int64_t values) { return static_cast<std::size_t>(values) * sizeof(Complex); }

  RowTransformPlan plan_;
  OnDevice roots_;
  RowConvolution steps_;
};

}  // namespace

std::unique_ptr<const Method> row_method(const LongConvSizes& asked, const LongConvSizes& sizes) {
  return std::make_unique<RowMethod>(asked, sizes);
}

bool row_method_fits(const LongConvSizes& sizes) {
  constexpr std::int64_t kMostParts = 64, kMostRows = std::numeric_limits<int>::max();
  return RowTransformPlan::fits(RowConvolution::real_values(sizes)) &&
         sizes.batch * sizes.channels <= kMostRows / kMostParts;
}

}  // namespace noema::cuda
