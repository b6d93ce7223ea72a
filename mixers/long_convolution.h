// mixers/long_convolution: convolution in time with kernels as long as the window.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "noema/kernels/long_conv.h"

namespace noema {

/// Which past and future a kernel of L taps a side reaches, and where each lag stands in it.
enum class LagConvention {
  causal,         ///< (C, L): tap i is lag i
  bidirectional,  ///< (2, C, L): tap i of the first is lag i, of the second lag −1 − i; lag 0 occurs once
  ring,           ///< (C, 2L): tap i is lag i below L, and lag i − 2L from L on
};

/// A kernel as its two sides, (C, L) each: lags 0, 1, … and lags −1, −2, …, undefined for causal ones.
struct KernelSides {
  at::Tensor past;
  at::Tensor future;
};

KernelSides sides_of(const at::Tensor& kernel, LagConvention convention);
at::Tensor joined(const KernelSides& sides, LagConvention convention);

/// Series that a convolution's input and result are multiplied with, shaped as the input, undefined for none; and how
/// exact the products of float32 must be.
struct ConvolutionExtras {
  at::Tensor before;
  at::Tensor behind;
  /// Less than float32 is of forward alone, in training too, and faster on processors with AMX and on GPUs; elsewhere
  /// it is float32. Of kernels/long_conv alone: LibTorch's transforms are as exact as u's dtype.
  LongConvPrecision precision = LongConvPrecision::float32;
};

/// y[b, t, c] = Σ over lags of kernel[c, lag] · u[b, t − lag, c] + skip[c] · u[b, t, c]; outside the window u is zero
/// (nothing wraps). With extras: behind ∘ y of before ∘ u.
///
/// @param u      (B, T, C) float32 or float64.
/// @param kernel of u's dtype, shaped as the convention says, with any L ≥ 1: lags that T volumes cannot have are not
///               used.
/// @param skip   (C), or undefined for none.
/// @return       (B, T, C). Gradient: exact in all; in float64 also of gradients. Cost O(B·C·T log T): float32 by
///               kernels/long_conv on the processor, and on a GPU in builds with CUDA; else by LibTorch's FFT.
/// @throws ShapeError
at::Tensor long_convolution(const at::Tensor& u, const at::Tensor& kernel, LagConvention convention,
                            const at::Tensor& skip = {}, const ConvolutionExtras& extras = {});

/// The causal convolution at the next volumes, without those before at hand.
///
/// @param u     (B, T, C) with T ≥ 1; @param kernel (C, L): tap i is lag i.
/// @param state (B, L − 1, C): the volumes before, zeros before the first; after the call the last L − 1.
/// @return      (B, T, C).
at::Tensor continued_convolution(const at::Tensor& u, const at::Tensor& kernel, at::Tensor& state);

/// Floating-point operations of a convolution of T volumes with kernels of `taps` to each of one or two sides, by
/// transforms or, where that is less, as it is written.
std::int64_t convolution_flops(std::int64_t channels, std::int64_t volumes, std::int64_t taps, bool two_sided = false);

}  // namespace noema
