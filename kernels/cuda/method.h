// kernels/cuda/method: one way to convolve on a GPU.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>

#include "noema/kernels/long_conv.h"

namespace noema::cuda {

/// Pointers are to memory of the device, aligned to 16 bytes; work is queued on the stream. One stream at a time may
/// use a method.
class Method {
 public:
  virtual ~Method() = default;

  /// Bytes of the prepared kernels, and of working memory: preparing and forward need the first, backward the second.
  virtual std::size_t prepared_bytes() const = 0;
  virtual std::size_t forward_bytes() const = 0;
  virtual std::size_t backward_bytes() const = 0;

  virtual void prepare(const Taps<const float>& taps, void* prepared, void* work, cudaStream_t stream) const = 0;
  virtual void forward(const LongConvForward& series, const void* prepared, void* work, cudaStream_t stream) const = 0;
  virtual void backward(const LongConvBackward& series, const void* prepared, void* work,
                        cudaStream_t stream) const = 0;
};

/// `asked` as it is, `sizes` such that each lag joins two values of a row.
std::unique_ptr<const Method> cufft_method(const LongConvSizes& asked, const LongConvSizes& sizes);
/// By transforms in the memory of blocks, of rows that fit.
std::unique_ptr<const Method> row_method(const LongConvSizes& asked, const LongConvSizes& sizes);
bool row_method_fits(const LongConvSizes& sizes);
/// On tiles of bf16; forward alone. `exact`: in bf16x3.
std::unique_ptr<const Method> tile_method(const LongConvSizes& sizes, bool exact);
bool tile_method_fits(const LongConvSizes& sizes, bool exact);
/// Whether tiles are expected to take less time than transforms.
bool tile_method_is_best(const LongConvSizes& sizes, bool exact);

}  // namespace noema::cuda
