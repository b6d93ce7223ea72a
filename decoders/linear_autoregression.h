// decoders/linear_autoregression: the next frame as a weighted sum of the last ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace noema {

/// x[t + 1] ≈ b + Σ_{i < order} W_i·x[t − i] over all channels, by ridge regression in float64. Before the first frame
/// are zeros.
class LinearAutoregression {
 public:
  /// @param series (N, T, R), T ≥ 2. @param penalty λ ≥ 0 relative to the mean square of a regressor, not on b.
  /// @throws NumericalError where the normal equations are singular; raise the penalty.
  LinearAutoregression(const at::Tensor& series, std::int64_t order, double penalty);

  /// (N, T, R): what is expected after each frame, of the series' dtype.
  at::Tensor predict(const at::Tensor& series) const;

 private:
  std::int64_t order_;
  at::Tensor weights_;  // (1 + order·R, R)
};

}  // namespace noema
