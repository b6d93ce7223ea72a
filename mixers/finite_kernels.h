// mixers/finite_kernels: kernels of L taps by fewer parameters.
#pragma once

#include <ATen/core/Generator.h>

#include <vector>

#include "noema/mixers/kernel_generator.h"
#include "noema/mixers/layers.h"

namespace noema {

/// What a sine kernel is like; the defaults are those of Monarch Mixer, but for the width, which is Hyena's.
struct SineKernelOptions {
  /// Of the hidden layers; Monarch Mixer: 128.
  std::int64_t width = 64;
  std::int64_t layers = 2;  ///< hidden ones after the first
  /// Waves over the kernel that are put in beside the lag itself, as cosine and minus sine; Hyena: 1.
  std::int64_t waves = 2;
  /// Where the learned frequencies of the sines start.
  double frequency = 10;
  /// After which part of the kernel a channel has decayed to 1 %: from the first to the last channel.
  double slow_decay = 1.5;
  double fast_decay = 0.3;
};

/// k[c, i] = MLP(lag i)[c] · exp(−i/(L − 1) · rate[c]): a network of sines of the lag under a window that decays
/// (Poli et al. 2023, Hyena, arXiv 2302.10866; Fu et al. 2023, Monarch Mixer, arXiv 2310.12109). The lag is put in as
/// i/(L − 1) and waves of 1e-4 … waves − 1 turns over the kernel, evenly spaced (a single one hardly turns), the last
/// layer has no offset, and the rates are fixed, all as published. Learning rate at most 1e-3.
class SineKernel : public FiniteKernel {
 public:
  SineKernel(std::int64_t channels, std::int64_t taps, const SineKernelOptions& options, at::Generator& generator);

  at::Tensor taps(std::int64_t volumes) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const override;

 private:
  SineKernelOptions options_;
  at::Tensor frequency_;  // (width): of the sines of all layers
  std::vector<std::shared_ptr<Linear>> layers_;
};

/// k[c, i] = Σ_m θ[c, m]·cos(π m (i + ½) / L) for m < M: nothing faster than (M − 1)/2 waves over its L taps.
class BandLimitedKernel : public FiniteKernel {
 public:
  /// @throws UsageError unless 1 ≤ M ≤ L.
  BandLimitedKernel(std::int64_t channels, std::int64_t taps, std::int64_t coefficients, at::Generator& generator);

  at::Tensor taps(std::int64_t volumes) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  /// As free taps.
  TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const override;

 private:
  at::Tensor coefficients_;  // (C, M): θ
};

/// k[c, i] = Σ_n B[c, n]·C[c, n + i], i < L: the state space whose state is the last L inputs times B, shifted by one
/// with each volume (Fu et al. 2022, H3, arXiv 2212.14052). B starts as the newest input alone.
class ShiftKernel : public FiniteKernel {
 public:
  ShiftKernel(std::int64_t channels, std::int64_t taps, at::Generator& generator);

  at::Tensor taps(std::int64_t volumes) const override;
  std::int64_t flops(std::int64_t volumes) const override;
  /// C as the other weights, B as dynamics.
  TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const override;

 private:
  at::Tensor b_;  // (C, L)
  at::Tensor c_;  // (C, L)
};

}  // namespace noema
