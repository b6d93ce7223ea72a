// mixers/short_conv: few taps between two gates (as in Thomas et al. 2024, arXiv 2411.17800).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "noema/mixers/long_kernel.h"
#include "noema/mixers/mixer.h"

namespace noema {

struct ShortConvOptions {
  /// C.
  std::int64_t channels = 32;
  /// L: taps to each side.
  std::int64_t taps = 3;
  LagConvention convention = LagConvention::causal;
  double dropout = 0.2;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// x + dropout(O·(c ∘ (k ∗ (b ∘ v)))) with [b, c, v] = P·LayerNorm(x), all linear maps with offsets. The taps start
/// uniform in ±1/√L.
class ShortConv : public Mixer {
 public:
  ShortConv(const ShortConvOptions& options, at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  /// Causal: the last L − 1 volumes of b ∘ v. Otherwise each volume waits for the L behind it: 2L − 1
  /// volumes of b ∘ v, and L of c and x.
  std::int64_t state_bytes() const override;
  bool has_recurrence() const override { return options_.convention == LagConvention::causal; }
  MixerState initial_state(std::int64_t batch) const override;
  at::Tensor advance(const at::Tensor& x, MixerState& state) const override;

 private:
  ShortConvOptions options_;
  at::Tensor kernel_;
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> input_;
  std::shared_ptr<Linear> output_;
};

}  // namespace noema
