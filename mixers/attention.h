// mixers/attention: volumes that look at each other, all or those near (Vaswani et al. 2017, arXiv 1706.03762).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "noema/mixers/mixer.h"

namespace noema {

/// What a query at t may see: keys at s ≤ t if `causal`, and with |t − s| < `window` unless that is 0.
struct AttentionReach {
  bool causal = true;
  std::int64_t window = 0;
};

/// softmax(q·kᵀ/√D)·v over the keys that each query may see; head h reads key/value head ⌊h·G / H⌋.
///
/// @param q     (B, H, T, D): queries at the times first … first + T − 1 of the keys.
/// @param k, v  (B, G, S, D), H a multiple of G.
/// @param mask  (B, S): 0 for keys that none but the query of their own time may see; undefined: all may be seen.
/// @return      (B, H, T, D). Gradient: exact, once. Cost O(T·S), with a window O(T·window), in time. LibTorch's fused
///              kernel does not keep the weights of pairs; but where keys are padded, with a window, or for T < S,
///              which pairs may be seen is kept as a table of T·S (with a window, T·window; if padded, for each of B).
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionReach& reach,
                     const at::Tensor& mask = {}, std::int64_t first = 0);

/// Rotates pairs (i, i + D/2) of the last axis of x (…, T, D), D even, by the angle (first + t)·10000^(−2i/D), so that
/// products of two rotated vectors depend on their distance alone (Su et al. 2021, arXiv 2104.09864).
at::Tensor rotated(const at::Tensor& x, std::int64_t first = 0);

struct AttentionOptions {
  /// C.
  std::int64_t channels = 32;
  /// H, a divisor of C.
  std::int64_t heads = 4;
  /// G: heads of keys and values, a divisor of H; fewer than H save state (Ainslie et al. 2023, arXiv 2305.13245).
  std::int64_t groups = 2;
  AttentionReach reach;
  /// Rotary positions, or none: then the order of what is seen does not count.
  bool rotary = true;
  double dropout = 0.2;
  /// The longest window that is expected: what `state_bytes` counts where each volume sees all before it.
  std::int64_t volumes = 1;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// x + dropout(O·attention(Q·v, K·v, V·v)) with v = LayerNorm(x), all linear maps with offsets.
class Attention : public Mixer {
 public:
  Attention(const AttentionOptions& options, at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  /// Keys and values: causal, of the window but its last volume, or of the longest window expected. Otherwise each
  /// volume waits for the window behind it: keys and values of 2·(window − 1) volumes, queries and x of window − 1; or
  /// all of the longest window expected.
  std::int64_t state_bytes() const override;
  bool has_recurrence() const override { return options_.reach.causal; }
  /// Keys (B, G, S, D), not yet rotated, and values alike. S grows to window − 1, or with each volume. Distances alone
  /// matter, so each call rotates them anew from 0, at a cost of O(S).
  MixerState initial_state(std::int64_t batch) const override;
  at::Tensor advance(const at::Tensor& x, MixerState& state) const override;

 private:
  struct Heads {
    at::Tensor q, k, v;
  };
  Heads heads_of(const at::Tensor& x) const;
  /// What follows of the keys' last volumes, whose queries these are.
  at::Tensor seen_by(const Heads& heads, const at::Tensor& mask) const;
  std::int64_t head_channels() const { return options_.channels / options_.heads; }

  AttentionOptions options_;
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> input_;  // queries, keys, values
  std::shared_ptr<Linear> output_;
};

}  // namespace noema
