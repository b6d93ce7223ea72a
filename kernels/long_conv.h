// kernels/long_conv: convolution in time with kernels as long as the series, on processors. No tensors here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "noema/kernels/series.h"
#include "noema/kernels/simd.h"

namespace noema {

struct LongConvSizes {
  std::int64_t batch = 1;
  std::int64_t channels = 1;
  /// T.
  std::int64_t length = 1;
  /// Lags 0 … past − 1 and −1 … −future have taps. Those that T values cannot have are not used.
  std::int64_t past = 1;
  std::int64_t future = 0;

  bool operator==(const LongConvSizes&) const = default;
};

enum class LongConvMethod {
  direct,        ///< the sum as it is written: few lags
  transform,     ///< one transform of the whole row
  overlap_save,  ///< transforms of stretches of a row much longer than its kernel
  toeplitz,      ///< products of matrices on tiles of bf16; needs SimdLevel::amx, and backward is by transforms
};

/// How exact the products of forward must be at least; what goes in and out is float32, as are sums. Largest error
/// over rms of the result for normal numbers: 1e-6, 1e-5, 1e-2.
enum class LongConvPrecision {
  float32,
  bf16x3,  ///< of numbers as sums of two bf16
  bf16,
};

/// What to plan by. Without a method: that of least expected time.
struct LongConvChoice {
  LongConvPrecision precision = LongConvPrecision::float32;
  std::optional<LongConvMethod> method = std::nullopt;
  SimdLevel level = simd_level();
};

/// y = post ∘ (k ∗ v + D·v) with v = pre ∘ u, for each item and channel; values outside of the series are zero.
struct LongConvForward {
  Series3<const float> u;
  Series3<const float> pre;   ///< or none
  Series3<const float> post;  ///< or none
  Series3<float> y;
};

/// The gradients of a loss in all that went in, from dy, its gradient in y.
struct LongConvBackward {
  Series3<const float> u;
  Series3<const float> pre;
  Series3<const float> post;
  Series3<const float> dy;
  Series3<float> du;
  Series3<float> dpre;   ///< where there is `pre`
  Series3<float> dpost;  ///< where there is `post`
  /// `past` null: no gradient of the kernel. Summed over the items in their order, whatever the threads.
  Taps<float> dk;
};

/// The algorithm for given sizes and a processor, with its tables. Immutable: any number of threads may use one at
/// once, for ranges of channels that do not overlap.
///
/// Forward leaves nothing behind for backward, which transforms u again. Cost O(B·C·T log T).
/// Source: products in C[z]/(z^M − i), Nussbaumer 1981, Fast Fourier Transform and Convolution Algorithms.
class LongConvPlan {
 public:
  /// Sizes are at least 1, `future` at least 0.
  ///
  /// @throws UsageError for a level that this machine does not have, and for the method toeplitz without its level or
  /// in float32.
  explicit LongConvPlan(const LongConvSizes& sizes, const LongConvChoice& choice = {});
  ~LongConvPlan();
  LongConvPlan(LongConvPlan&&) noexcept;
  LongConvPlan& operator=(LongConvPlan&&) noexcept;

  LongConvMethod method() const;
  SimdLevel level() const;
  /// Floating-point operations of one row by the usual count, 5·M·log2 M for a transform of M values.
  double row_flops() const;

  /// Floats of a channel's prepared kernel.
  std::int64_t prepared_floats() const;
  /// Fills prepared[c·prepared_floats()] …, aligned to 64 bytes, for the channels of the range.
  void prepare(const Taps<const float>& taps, ChannelRange channels, float* prepared) const;
  void forward(const LongConvForward& series, const float* prepared, ChannelRange channels) const;
  void backward(const LongConvBackward& series, const float* prepared, ChannelRange channels) const;

 private:
  void write_gradient(const Taps<float>& dk, std::int64_t channel, float* sum, float* work) const;

  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace noema
