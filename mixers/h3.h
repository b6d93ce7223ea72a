// mixers/h3: two state spaces with products between them (Fu et al. 2022, H3, arXiv 2212.14052).
#pragma once

#include <memory>

#include "noema/kernels/long_conv.h"
#include "noema/mixers/finite_kernels.h"
#include "noema/mixers/mixer.h"
#include "noema/mixers/state_space.h"

namespace noema {

struct H3Options {
  /// C; a multiple of `head_size`.
  std::int64_t channels = 32;
  /// d: a head remembers the d² products of its keys and values. 1 in all published models.
  std::int64_t head_size = 1;
  /// Taps of the shift.
  std::int64_t shift_taps = 64;
  StateSpaceOptions state_space;
  double dropout = 0.0;
  /// Of both convolutions of `forward`; see `ConvolutionExtras`. Gradients and `advance` are float32.
  LongConvPrecision precision = LongConvPrecision::float32;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// x + dropout(W_o·O) with q, k, val = W·v + b of v = LayerNorm(x), and for each head
///
///   k' = shift(k) + D_k∘k,   Y[i, j] = ssm(k'[i]·val[j]) + D·k'[i]·val[j],   O[j] = Σ_i q[i]·Y[i, j].
///
/// Causal. Cost O(T·C² + C·d·T log T). Gradient: exact; goes on volume by volume to about 1e-5 of the whole (float32).
class H3 : public Mixer {
 public:
  H3(const H3Options& options, at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  /// C·(shift_taps − 1) numbers of the shift and C·d·modes complex ones.
  std::int64_t state_bytes() const override;

  bool has_recurrence() const override { return true; }
  MixerState initial_state(std::int64_t batch) const override;
  at::Tensor advance(const at::Tensor& x, MixerState& state) const override;

 private:
  struct Parts;
  Parts parts_of(const at::Tensor& x, const at::Tensor& mask) const;
  at::Tensor products(const at::Tensor& key, const at::Tensor& value) const;
  at::Tensor output_of(const at::Tensor& x, const at::Tensor& query, const at::Tensor& memory,
                       const Draws& draws) const;

  H3Options options_;
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> input_;   // C → 3C: q, k, v
  std::shared_ptr<Linear> output_;  // C → C
  std::shared_ptr<ShiftKernel> shift_;
  std::shared_ptr<StateSpaceKernel> memory_;  // of C/d channels
  at::Tensor shift_skip_;                     // (C): D_k
  at::Tensor memory_skip_;                    // (C/d): D
};

}  // namespace noema
