// mixers/gated_long_conv: a long convolution between two gates (Poli et al. 2023, arXiv 2302.10866: Hyena of order 2;
// Fu et al. 2023, arXiv 2310.12109: the sequence mixer of Monarch Mixer).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "noema/mixers/long_kernel.h"
#include "noema/mixers/mixer.h"

namespace noema {

struct GatedLongConvOptions {
  /// C.
  std::int64_t channels = 32;
  /// L: taps to each side. Kernels of no end go on to the end of the window.
  std::int64_t taps = 9;
  /// Of both long kernels; Hyena and Monarch Mixer: sine networks. Two sides have two kernels of the kind.
  KernelOptions kernel;
  /// Hyena: causal; Monarch Mixer: bidirectional.
  LagConvention convention = LagConvention::causal;
  /// The next three are for free taps alone.
  KernelStart start = KernelStart::decay;
  double squash_threshold = 0;
  double kernel_dropout = 0;
  /// Taps of the causal convolution before the gates.
  std::int64_t short_taps = 3;
  /// A second long convolution beside the gated one, as in Monarch Mixer.
  bool residual = false;
  double dropout = 0.2;
  /// Of the long convolutions of `forward`; see `ConvolutionExtras`. Gradients and `advance` are float32.
  LongConvPrecision precision = LongConvPrecision::float32;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// x + dropout(O·y) with y = x₂ ∘ (k ∗ (x₁ ∘ v) + D ∘ x₁ ∘ v) + k₂ ∗ u + D₂ ∘ u, u = LayerNorm(x) and
/// [x₁, x₂, v] = s ∗ (P·u) + o, s short and causal whatever the convention, as published; k₂ and D₂ with `residual`
/// alone. P and O have offsets. D and D₂ start from N(0, 1), s and o uniform in ±1/√(short taps).
class GatedLongConv : public Mixer {
 public:
  GatedLongConv(const GatedLongConvOptions& options, at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  /// What the recurrence keeps. Not causal, each volume waits for the L behind it: 2L − 1 volumes of x₁ ∘ v and, with
  /// `residual`, of u, and L of x₂ and x; for kernels of no end L of each, L the longest window expected.
  std::int64_t state_bytes() const override;
  TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const override;
  bool has_recurrence() const override { return options_.convention == LagConvention::causal; }
  /// The last volumes of P·u (short taps − 1), the state of k and, with `residual`, of k₂: of free taps, the last L − 1
  /// volumes of x₁ ∘ v and u.
  MixerState initial_state(std::int64_t batch) const override;
  at::Tensor advance(const at::Tensor& x, MixerState& state) const override;

 private:
  GatedLongConvOptions options_;
  LongKernel kernel_;
  LongKernel residual_kernel_;  // empty without `residual`
  at::Tensor short_kernel_;     // (3C, short taps): s
  at::Tensor short_bias_;       // (3C): o
  at::Tensor skip_;             // (C): D
  at::Tensor residual_skip_;    // (C): D₂; undefined without `residual`
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> input_;
  std::shared_ptr<Linear> output_;
};

}  // namespace noema
