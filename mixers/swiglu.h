// mixers/swiglu: a gated layer within each volume (Shazeer 2020, arXiv 2002.05202).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "noema/mixers/mixer.h"

namespace noema {

struct SwiGluOptions {
  /// C.
  std::int64_t channels = 32;
  /// H; 0: 8·C / 3, rounded up, so that the layer is as large as one of 4·C units without gates.
  std::int64_t hidden = 0;
  double dropout = 0.2;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// x + dropout(O·(silu(g) ∘ v)) with [g, v] = P·LayerNorm(x). Mixes channels and remembers nothing.
class SwiGlu : public Mixer {
 public:
  SwiGlu(const SwiGluOptions& options, at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  std::int64_t state_bytes() const override { return 0; }
  bool has_recurrence() const override { return true; }
  MixerState initial_state(std::int64_t /*batch*/) const override { return {}; }
  at::Tensor advance(const at::Tensor& x, MixerState& state) const override;

 private:
  SwiGluOptions options_;
  std::int64_t hidden_;
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> input_;
  std::shared_ptr<Linear> output_;
};

}  // namespace noema
