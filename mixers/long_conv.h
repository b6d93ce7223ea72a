// mixers/long_conv: convolution in time with kernels as long as the window (Fu et al. 2023, arXiv 2302.06646).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "noema/mixers/implicit_kernel.h"
#include "noema/mixers/mixer.h"

namespace noema {

/// Which past and future a kernel of L taps a side reaches, and where each lag stands in it.
enum class LagConvention {
  causal,         ///< (C, L): tap i is lag i
  bidirectional,  ///< (2, C, L): tap i of the first is lag i, of the second lag −1 − i; lag 0 occurs once
  ring,           ///< (C, 2L): tap i is lag i below L, and lag i − 2L from L on
};

/// Series that a convolution's input and result are multiplied with, shaped as the input; undefined for none.
struct ConvolutionGates {
  at::Tensor before;
  at::Tensor behind;
};

/// y[b, t, c] = Σ over lags of kernel[c, lag] · u[b, t − lag, c] + skip[c] · u[b, t, c]; outside the window u is zero
/// (nothing wraps). With gates: behind ∘ y of before ∘ u.
///
/// @param u      (B, T, C) float32 or float64.
/// @param kernel of u's dtype, shaped as the convention says, with any L ≥ 1: lags that T volumes cannot have are not
///               used.
/// @param skip   (C), or undefined for none.
/// @return       (B, T, C). Gradient: exact in all; in float64 also of gradients. Cost O(B·C·T log T): float32 on the
///               processor by kernels/long_conv, else by LibTorch's FFT.
/// @throws ShapeError
at::Tensor long_convolution(const at::Tensor& u, const at::Tensor& kernel, LagConvention convention,
                            const at::Tensor& skip = {}, const ConvolutionGates& gates = {});

/// The causal convolution at the next volumes, without those before at hand.
///
/// @param u     (B, T, C) with T ≥ 1; @param kernel (C, L): tap i is lag i.
/// @param state (B, L − 1, C): the volumes before, zeros before the first; after the call the last L − 1.
/// @return      (B, T, C).
at::Tensor continued_convolution(const at::Tensor& u, const at::Tensor& kernel, at::Tensor& state);

/// Floating-point operations of a convolution of T volumes with kernels of `taps`, by transforms or, where that is
/// less, as it is written.
std::int64_t convolution_flops(std::int64_t channels, std::int64_t volumes, std::int64_t taps);

/// sign(k) · max(|k| − threshold, 0): taps below the threshold are exactly zero and get no gradient.
at::Tensor squash(const at::Tensor& kernel, double threshold);

/// The mean of `width` (odd) neighbouring taps, in the order of lags; at the ends the mean of those that exist. With
/// `published`, missing ones count as zeros and each half of a two-sided kernel is smoothed by itself, which weakens
/// lag 0, as in the authors' code.
at::Tensor smooth(const at::Tensor& kernel, LagConvention convention, std::int64_t width, bool published = false);

/// How kernels of free taps begin.
enum class KernelStart {
  decay,       ///< 0.3·exp(−|lag| / 2) + N(0, 0.02²)
  random,      ///< N(0, 0.002²), as published
  double_exp,  ///< N(0, 0.02²)·exp(−(lag / L)·⌊C / 2⌋^(c / C)), as published
};

/// A kernel in the shape of its convention, float32.
at::Tensor starting_kernel(std::int64_t channels, std::int64_t taps, LagConvention convention, KernelStart start,
                           at::Generator& generator);

/// The same, uniform in ±1/√taps.
at::Tensor uniform_kernel(std::int64_t channels, std::int64_t taps, LagConvention convention, at::Generator& generator);

struct LongConvOptions {
  /// C.
  std::int64_t channels = 32;
  /// L: taps to each side. Kernels of no end go on to the end of the window.
  std::int64_t taps = 9;
  /// Two sides have two kernels of the kind. What follows until `kernel_dropout` is for free taps alone.
  KernelOptions kernel;
  LagConvention convention = LagConvention::causal;
  KernelStart start = KernelStart::decay;
  double squash_threshold = 0.001;
  /// Odd; 1: not smoothed.
  std::int64_t smooth_width = 1;
  bool published_smoothing = false;
  double kernel_dropout = 0.2;
  double dropout = 0.2;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// x + GLU(W·dropout(GELU(conv(v) + D∘v)) + b) with v = LayerNorm(x); a kernel of free taps is smoothed, squashed, then
/// dropped out tap by tap. The parameters of kernels have "kernel" in their names.
class LongConv : public Mixer {
 public:
  LongConv(const LongConvOptions& options, at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  /// Causal: the state of the kernel, of free taps the last L − 1 volumes of all channels. Otherwise the future is
  /// needed: the 2L − 1 volumes of the reach.
  std::int64_t state_bytes() const override;

  /// With a causal kernel.
  bool has_recurrence() const override { return options_.convention == LagConvention::causal; }
  MixerState initial_state(std::int64_t batch) const override;
  at::Tensor advance(const at::Tensor& x, MixerState& state) const override;

  /// The kernel of L taps that is applied without dropout.
  at::Tensor kernel() const { return kernel_of(options_.taps); }
  /// The part of the taps that are not zero after smoothing and squashing.
  double alive_fraction() const;

 private:
  at::Tensor kernel_of(std::int64_t volumes) const;
  at::Tensor output_of(const at::Tensor& x, const at::Tensor& mixed, const Draws& draws) const;

  LongConvOptions options_;
  at::Tensor free_taps_;                            // of the kind `taps`
  std::shared_ptr<KernelGenerator> past_, future_;  // of the other kinds
  at::Tensor skip_;                                 // (C): D
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> output_;
};

}  // namespace noema
