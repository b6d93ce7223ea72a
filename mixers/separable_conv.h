// mixers/separable_conv: long convolutions along the axes of volumes, one after the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "noema/mixers/long_kernel.h"
#include "noema/mixers/mixer.h"

namespace noema {

/// A kernel along one axis of a tensor.
struct AxisKernel {
  std::int64_t axis = 0;
  /// As `long_convolution` takes it, with the channels of the tensor's last axis.
  at::Tensor taps;
  LagConvention convention = LagConvention::bidirectional;
};

/// x (…, C) of any number of axes, convolved along each of those that have a kernel in turn: the convolution with the
/// outer product of the kernels. Outside of the tensor x is zero.
///
/// @return shaped as x. Gradient and cost: as `long_convolution` of all lines along each axis. @throws ShapeError
at::Tensor separable_convolution(const at::Tensor& x, const std::vector<AxisKernel>& kernels);

struct SeparableConvOptions {
  /// X, Y, Z: the channels of the mixer are X·Y·Z places of `features` each, the features fastest, then Z.
  std::array<std::int64_t, 3> grid{1, 1, 1};
  /// C, at least 2.
  std::int64_t features = 4;
  /// Taps to each side along X, Y and Z; 0: no kernel along this axis.
  std::array<std::int64_t, 3> taps{5, 5, 5};
  /// Taps of a causal kernel in time; 0: no kernel, volumes are not mixed.
  std::int64_t time_taps = 0;
  double dropout = 0.2;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// x + GLU(W·dropout(GELU(separable(v) + D ∘ v)) + b) at each place of each volume, with v = LayerNorm(x) over the
/// place's features. With `time_taps` the series of volumes are convolved in four dimensions. Kernels start as
/// exp(−|lag|) plus noise, of sum 1.
class SeparableConv : public Mixer {
 public:
  SeparableConv(const SeparableConvOptions& options, at::Generator& generator);

  /// (B, T, X·Y·Z·C); volumes without a time, (B, X, Y, Z, C), are seen through view({B, 1, −1}).
  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  /// The last `time_taps` − 1 volumes, convolved in space.
  std::int64_t state_bytes() const override;
  /// Kernels as free taps.
  TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const override;
  bool has_recurrence() const override { return true; }
  MixerState initial_state(std::int64_t batch) const override;
  at::Tensor advance(const at::Tensor& x, MixerState& state) const override;

 private:
  std::int64_t places() const { return options_.grid[0] * options_.grid[1] * options_.grid[2]; }
  /// (B, T, X, Y, Z, C).
  at::Tensor on_grid(const at::Tensor& x) const;
  std::vector<AxisKernel> in_space() const;
  at::Tensor behind_convolution(const at::Tensor& x, const at::Tensor& mixed, const Draws& draws) const;

  SeparableConvOptions options_;
  std::array<at::Tensor, 3> kernels_;  // undefined along axes without
  at::Tensor time_kernel_;             // undefined without time
  at::Tensor skip_;                    // (C): D
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> output_;
};

}  // namespace noema
