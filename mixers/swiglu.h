// mixers/swiglu: a gated layer within each volume (Shazeer 2020, arXiv 2002.05202).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "noema/mixers/channel_mixer.h"

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

/// x + dropout(O·(silu(g) ∘ v)) with [g, v] = P·LayerNorm(x).
class SwiGlu : public ChannelMixer {
 public:
  SwiGlu(const SwiGluOptions& options, at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;

 private:
  SwiGluOptions options_;
  std::int64_t hidden_;
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> input_;
  std::shared_ptr<Linear> output_;
};

}  // namespace noema
