// mixers/monarch: structured matrices of less than quadratic cost, and a gated layer of them within each volume
// (Dao et al. 2022, arXiv 2204.00595; Fu et al. 2023, arXiv 2310.12109).
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>

#include "noema/mixers/channel_mixer.h"

namespace noema {

/// The product with a block-diagonal matrix: y[…, b·q + i] = Σ_j w[b, i, j] · x[…, b·p + j].
///
/// @param x (…, k·p). @param w (k, q, p). @return (…, k·q). Gradient: exact. Cost k·q·p. @throws ShapeError
at::Tensor block_diagonal_product(const at::Tensor& x, const at::Tensor& w);

/// The product with a Monarch matrix: block-diagonal w1, then value number i·l + j of its result stands at place i of
/// block j of w2, then the same permutation back: y[…, s·l + j] = Σ_i w2[j, s, i] · (w1·x)[…, i·l + j].
///
/// @param x (…, k·p). @param w1 (k, q, p). @param w2 (l, m, r) with l·r = k·q. @return (…, l·m). Gradient: exact.
/// Cost k·q·p + l·m·r. @throws ShapeError
at::Tensor monarch_product(const at::Tensor& x, const at::Tensor& w1, const at::Tensor& w2);

enum class ChannelStructure {
  block_diagonal,  ///< blocks of channels that never meet
  monarch,         ///< two block-diagonal factors; every input reaches every output if blocks² ≤ the inputs
};

/// y = W·x + b over the last axis, W structured; its factors start uniform in ±1/√(inputs of a block).
class StructuredLinear : public torch::nn::Module {
 public:
  /// @throws UsageError unless `blocks` divides `in` and `out`.
  StructuredLinear(std::int64_t in, std::int64_t out, std::int64_t blocks, ChannelStructure structure,
                   at::Generator& generator);
  at::Tensor forward(const at::Tensor& x) const;
  /// Of one product.
  std::int64_t flops() const;

 private:
  at::Tensor first_;   // (k, q, p)
  at::Tensor second_;  // (k, m, r); undefined for block-diagonal ones
  at::Tensor bias_;    // (out)
};

struct MonarchGluOptions {
  /// C.
  std::int64_t channels = 32;
  /// H; 0: 2·C.
  std::int64_t hidden = 0;
  /// Divides C and H.
  std::int64_t blocks = 4;
  ChannelStructure structure = ChannelStructure::block_diagonal;
  double dropout = 0.2;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// x + dropout(O·(GELU(G·v) ∘ (V·v))) with v = LayerNorm(x), all three maps structured.
class MonarchGlu : public ChannelMixer {
 public:
  MonarchGlu(const MonarchGluOptions& options, at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;

 private:
  MonarchGluOptions options_;
  std::int64_t hidden_;
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<StructuredLinear> gate_;
  std::shared_ptr<StructuredLinear> value_;
  std::shared_ptr<StructuredLinear> output_;
};

}  // namespace noema
