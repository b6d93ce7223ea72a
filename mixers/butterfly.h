// mixers/butterfly: Fourier transforms whose factors are learned, and long convolutions by them (Fu et al. 2023, arXiv
// 2302.06646).
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "noema/mixers/long_conv.h"
#include "noema/mixers/long_kernel.h"
#include "noema/mixers/mixer.h"

namespace noema {

/// N complex values to N, factor by factor: with m the first factor that is left and m·q the product of all that are,
///
///   z_k[b] = e^(−2πi·b·k / mq) · Σ_a M[k, a]·u[a·q + b] for a, k < m and b < q,
///   X[k + m·j] = the transform of z_k by the other factors, at j.
///
/// The matrices M, one of each factor for all channels, are learned. They start as those of Fourier transforms; then X
/// is the FFT of u.
class ButterflyTransform : public torch::nn::Module, public TrainingAdvice {
 public:
  /// @param size N, a power of two from 2. @param radix of all factors but the last, which may be smaller; a power of
  /// two. @throws UsageError for others.
  ButterflyTransform(std::int64_t size, std::int64_t radix);

  /// @param u (B, n, C) real, n ≤ N: zeros follow. @return (B, N, C) complex. Gradient: exact. Cost O(N·Σm) a channel.
  at::Tensor forward(const at::Tensor& u) const;
  /// Floating-point operations of one channel.
  std::int64_t flops() const;
  /// As dynamics of a kernel.
  TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const override;

 private:
  std::int64_t size_;
  std::vector<at::Tensor> factors_;  // (m, m, 2) each: real and imaginary parts
};

/// The convolution that it starts as, which must be causal; kernels of no end are cut off where a block ends.
struct ButterflyConvOptions : LongConvOptions {
  /// Of the transforms: 2, 4, 8 or 16.
  std::int64_t radix = 16;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// x + GLU(W·dropout(GELU(y + D∘v)) + b) with v = LayerNorm(x) and y = Re F⁻¹(U(v) ∘ K(k)): U and K are butterfly
/// transforms of N values, the least power of two from 2L, and F⁻¹ is the exact inverse Fourier transform. Windows are
/// cut into blocks of N/2 volumes, whose results overlap and are added.
///
/// It starts as the causal LongConv with the same parameters. Once U and K are learned it is no convolution: what a
/// volume does depends on its place in the block, and reaches all volumes of its block, earlier ones too, and of the
/// next.
class ButterflyConv : public Mixer {
 public:
  ButterflyConv(const ButterflyConvOptions& options, at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  /// Each volume waits for the end of its block: N/2 volumes of v, of x and of what the block before adds.
  std::int64_t state_bytes() const override;
  TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const override;

 private:
  at::Tensor convolved(const at::Tensor& v, const Draws& draws) const;

  ButterflyConvOptions options_;
  std::int64_t block_;  // N/2
  LongKernel kernel_;
  at::Tensor skip_;  // (C): D
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> output_;
  std::shared_ptr<ButterflyTransform> of_series_;  // U
  std::shared_ptr<ButterflyTransform> of_kernel_;  // K
};

}  // namespace noema
