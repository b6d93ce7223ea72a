// mixers/gated_long_conv: a long convolution between two gates (Poli et al. 2023, arXiv 2302.10866: Hyena of order 2;
// Fu et al. 2023, arXiv 2310.12109: the sequence mixer of Monarch Mixer).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "noema/mixers/long_conv.h"

namespace noema {

struct GatedLongConvOptions {
  /// C.
  std::int64_t channels = 32;
  /// L: taps to each side.
  std::int64_t taps = 9;
  /// Hyena: causal; Monarch Mixer: bidirectional.
  LagConvention convention = LagConvention::causal;
  KernelStart start = KernelStart::decay;
  double squash_threshold = 0;
  double kernel_dropout = 0;
  /// Taps of the causal convolution before the gates.
  std::int64_t short_taps = 3;
  /// A second long convolution beside the gated one, as in Monarch Mixer.
  bool residual = false;
  double dropout = 0.2;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// x + dropout(O·y) with y = x₂ ∘ (k ∗ (x₁ ∘ v) + D ∘ x₁ ∘ v) + k₂ ∗ u, u = LayerNorm(x) and
/// [x₁, x₂, v] = s ∗ (P·u), s short and causal whatever the convention, as published; k₂ with `residual` alone. P and O
/// have offsets. D starts from N(0, 1), the short taps uniform in ±1/√(short taps).
class GatedLongConv : public Mixer {
 public:
  GatedLongConv(const GatedLongConvOptions& options, at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  /// What the recurrence keeps; not causal, the 2L − 1 volumes of the reach of x₁ ∘ v, x₂ and, with `residual`, u.
  std::int64_t state_bytes() const override;
  bool has_recurrence() const override { return options_.convention == LagConvention::causal; }
  /// The last volumes of P·u (short taps − 1), of x₁ ∘ v (L − 1) and, with `residual`, of u (L − 1).
  MixerState initial_state(std::int64_t batch) const override;
  at::Tensor advance(const at::Tensor& x, MixerState& state) const override;

 private:
  /// The taps that are applied of a kernel.
  at::Tensor applied(const at::Tensor& kernel, const Draws& draws) const;

  GatedLongConvOptions options_;
  at::Tensor kernel_;
  at::Tensor residual_kernel_;  // undefined without `residual`
  at::Tensor short_kernel_;     // (3C, short taps)
  at::Tensor skip_;             // (C): D
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> input_;
  std::shared_ptr<Linear> output_;
};

}  // namespace noema
