// mixers/state_space: kernels that are responses of diagonal state spaces (S4D).
#pragma once

#include <ATen/core/Generator.h>

#include "noema/mixers/kernel_generator.h"

namespace noema {

/// Where the modes start.
enum class StateSpaceStart {
  linear,   ///< A_n = −½ + iπn: a Fourier series over the reach 1/Δ
  inverse,  ///< A_n = −½ + i·(N/π)·(N/(2n + 1) − 1), N twice the modes
};

/// How a step of Δ follows from the differential equation.
enum class Discretisation {
  bilinear,   ///< e^{ΔA} ≈ (1 + ΔA/2)/(1 − ΔA/2), as for a straight line between the volumes
  zero_hold,  ///< exact for an input that keeps its value until the next volume
};

/// What makes the real part of A negative, of the parameter p; at most −1e-4.
enum class RealPart {
  exponential,  ///< −eᵖ
  softplus,     ///< −ln(1 + eᵖ)
};

struct StateSpaceOptions {
  /// Complex modes of each channel (half of the published N of 64).
  std::int64_t modes = 32;
  StateSpaceStart start = StateSpaceStart::linear;
  Discretisation discretisation = Discretisation::bilinear;
  RealPart real_part = RealPart::exponential;
  /// Δ starts log-uniform between these: its inverse is about the reach in volumes.
  double least_step = 1e-3;
  double largest_step = 1e-1;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// The response of s' = A s + B u, y = 2·Re(C s) with A diagonal, in steps of Δ (Gu et al. 2022, S4D, arXiv
/// 2206.11893): k[c, i] = 2·Re Σ_n C_n B̄_n Ā_nⁱ, |Ā| < 1 whatever the parameters. Of no end.
///
/// Powers are computed in float64 whatever the parameters' dtype, those of a kernel as products of two tables of √T.
class StateSpaceKernel : public KernelGenerator {
 public:
  StateSpaceKernel(std::int64_t channels, const StateSpaceOptions& options, at::Generator& generator);

  at::Tensor taps(std::int64_t volumes) const override;
  bool ends() const override { return false; }
  std::int64_t flops(std::int64_t volumes) const override;
  /// (B, C, N) complex: s.
  at::Tensor initial_state(std::int64_t batch) const override;
  /// In chunks of at most 128 volumes: the convolution within the chunk, and the response to the state before it.
  at::Tensor advance(const at::Tensor& u, at::Tensor& state) const override;
  std::int64_t state_bytes() const override;
  /// C as the other weights; Δ, A and B as dynamics.
  TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const override;

  /// (C, N) complex128: Ā, the factor of each mode from volume to volume.
  at::Tensor factors() const;

 private:
  struct Discrete;
  Discrete discrete() const;
  at::Tensor advance_chunk(const Discrete& space, const at::Tensor& u, at::Tensor& state) const;

  StateSpaceOptions options_;
  at::Tensor log_step_;   // (C): ln Δ
  at::Tensor real_part_;  // (C, N): p
  at::Tensor frequency_;  // (C, N): Im A
  at::Tensor b_;          // (C, N, 2): real and imaginary parts
  at::Tensor c_;          // (C, N, 2)
};

}  // namespace noema
