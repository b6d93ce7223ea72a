// kernels/cuda/long_conv: the long convolution on a GPU by cuFFT, with everything around the transforms in two passes.
// Pointers are to memory of the device; work is queued on the stream. No tensors here.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>

#include "noema/kernels/long_conv.h"

namespace noema::cuda {

/// Rows are elements of C[z] / (z^M − i) as on the processor (kernels/cpu/transform.h): a real row of 2M values, times
/// the roots e^{iπn/2M}, is one complex transform of M in place, without padding.
///
/// Forward leaves nothing behind for backward. Sums over items are in their order, so results do not vary. One stream
/// at a time may use a plan.
class LongConvPlan {
 public:
  /// @throws DeviceError when cuFFT cannot plan.
  explicit LongConvPlan(const LongConvSizes& sizes);
  ~LongConvPlan();
  LongConvPlan(const LongConvPlan&) = delete;
  LongConvPlan& operator=(const LongConvPlan&) = delete;

  /// Bytes of working memory; `backward` needs three times as many rows as channels and items, forward one.
  std::size_t forward_bytes() const;
  std::size_t backward_bytes() const;

  /// @throws DeviceError
  void forward(const LongConvForward& series, const Taps<const float>& taps, void* work, cudaStream_t stream) const;
  void backward(const LongConvBackward& series, const Taps<const float>& taps, void* work, cudaStream_t stream) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace noema::cuda
