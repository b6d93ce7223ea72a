// mixers/long_conv: long convolutions as blocks of networks (Fu et al. 2023, arXiv 2302.06646).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "noema/mixers/long_kernel.h"
#include "noema/mixers/mixer.h"

namespace noema {

struct LongConvOptions {
  /// C.
  std::int64_t channels = 32;
  /// L: taps to each side. Kernels of no end go on to the end of the window.
  std::int64_t taps = 9;
  /// Two sides have two kernels of the kind. What follows from `start` to `kernel_dropout` is for free taps alone.
  KernelOptions kernel;
  LagConvention convention = LagConvention::causal;
  KernelStart start = KernelStart::decay;
  double squash_threshold = 0.001;
  /// Odd; 1: not smoothed.
  std::int64_t smooth_width = 1;
  bool published_smoothing = false;
  double kernel_dropout = 0.2;
  double dropout = 0.2;
  /// Of the long convolutions of `forward`; see `ConvolutionExtras`. Gradients and `advance` are float32.
  LongConvPrecision precision = LongConvPrecision::float32;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// x + GLU(W·dropout(GELU(conv(v) + D∘v)) + b) with v = LayerNorm(x); a kernel of free taps is smoothed, squashed, then
/// dropped out tap by tap. D starts at 1.
class LongConv : public Mixer {
 public:
  LongConv(const LongConvOptions& options, at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  /// Causal: the state of the kernel, of free taps the last L − 1 volumes of all channels. Otherwise each volume waits
  /// for the L behind it: 2L − 1 volumes of v and L of x; of kernels of no end L of both, L the longest window
  /// expected.
  std::int64_t state_bytes() const override;

  TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const override;

  /// With a causal kernel.
  bool has_recurrence() const override { return options_.convention == LagConvention::causal; }
  MixerState initial_state(std::int64_t batch) const override;
  at::Tensor advance(const at::Tensor& x, MixerState& state) const override;

  /// The kernel of L taps that is applied without dropout.
  at::Tensor kernel() const { return kernel_.taps(options_.taps, {}); }
  /// The part of the taps that are not zero after smoothing and squashing.
  double alive_fraction() const;

 private:
  at::Tensor output_of(const at::Tensor& x, const at::Tensor& mixed, const Draws& draws) const;

  LongConvOptions options_;
  LongKernel kernel_;
  at::Tensor skip_;  // (C): D
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> output_;
};

}  // namespace noema
