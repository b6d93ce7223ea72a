// kernels/cuda/long_conv: the long convolution on a GPU. Pointers are to memory of the device; work is queued on the
// stream. No tensors here.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <optional>

#include "noema/kernels/long_conv.h"

namespace noema::cuda {

class Method;

enum class LongConvMethod {
  tiles,  ///< products of Toeplitz matrices on tiles of bf16: short series in less than float32; forward alone
  rows,   ///< one kernel that transforms rows in the memory of blocks, or three for rows that do not fit
  cufft,  ///< transforms of cuFFT: rows too long for three
};

/// What to plan by. Without a method: that of least expected time where times are side by side.
struct LongConvChoice {
  LongConvPrecision precision = LongConvPrecision::float32;
  std::optional<LongConvMethod> method = std::nullopt;
};

/// The algorithm for given sizes, with its tables. Forward leaves nothing behind for backward. Sums over items are in
/// an order that the sizes alone determine, so results do not vary. One stream at a time may use a plan.
class LongConvPlan {
 public:
  /// @throws DeviceError when the device has no memory for tables or cuFFT cannot plan, and for a method that cannot do
  /// it.
  explicit LongConvPlan(const LongConvSizes& sizes, const LongConvChoice& choice = {});
  ~LongConvPlan();
  LongConvPlan(const LongConvPlan&) = delete;
  LongConvPlan& operator=(const LongConvPlan&) = delete;

  LongConvMethod method() const { return method_; }
  /// Bytes of prepared kernels, which stay valid as long as these do not change, and of working memory: `prepare` and
  /// `forward` need the first, `backward` the second.
  std::size_t prepared_bytes() const;
  std::size_t forward_bytes() const;
  std::size_t backward_bytes() const;

  /// @throws DeviceError, and from all methods but cufft also for series whose values within an item and channel are
  /// 2^32 or more values of memory apart.
  void prepare(const Taps<const float>& taps, void* prepared, void* work, cudaStream_t stream) const;
  void forward(const LongConvForward& series, const void* prepared, void* work, cudaStream_t stream) const;
  /// Not of the method tiles.
  void backward(const LongConvBackward& series, const void* prepared, void* work, cudaStream_t stream) const;

 private:
  template <class Value>
  void check_reach(const Series3<Value>& series) const;

  std::int64_t length_;
  LongConvMethod method_;
  std::unique_ptr<const Method> work_;
};

}  // namespace noema::cuda
