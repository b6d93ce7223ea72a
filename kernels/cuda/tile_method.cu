#include "noema/kernels/cuda/launch.h"
#include "noema/kernels/cuda/method.h"
#include "noema/kernels/cuda/tile_convolution.cuh"

namespace noema::cuda {
namespace {

class TileMethod : public Method {
 public:
  TileMethod(const LongConvSizes& sizes, bool exact) : steps_(sizes, exact) {}

  std::size_t prepared_bytes() const override {
    return static_cast<std::size_t>(steps_.prepared_words()) * sizeof(std::uint32_t);
  }
  std::size_t forward_bytes() const override { return 0; }
  std::size_t backward_bytes() const override { return 0; }

  void prepare(const Taps<const float>& taps, void* prepared, void*, cudaStream_t stream) const override {
    steps_.prepare(StreamLaunch{stream}, taps, static_cast<std::uint32_t*>(prepared));
  }
  void forward(const LongConvForward& series, const void* prepared, void*, cudaStream_t stream) const override {
    steps_.forward(StreamLaunch{stream}, series, static_cast<const std::uint32_t*>(prepared));
  }
  void backward(const LongConvBackward&, const void*, void*, cudaStream_t) const override {
    throw_device_error("the convolution on tiles has no backward pass; plan it in float32");
  }

 private:
  TileConvolution steps_;
};

}  // namespace

std::unique_ptr<const Method> tile_method(const LongConvSizes& sizes, bool exact) {
  return std::make_unique<TileMethod>(sizes, exact);
}
bool tile_method_fits(const LongConvSizes& sizes, bool exact) { return TileConvolution::fits(sizes, exact); }
bool tile_method_is_best(const LongConvSizes& sizes, bool exact) { return TileConvolution::is_best(sizes, exact); }

}  // namespace noema::cuda
