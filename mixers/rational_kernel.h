// mixers/rational_kernel: kernels whose z-transform is a ratio of polynomials.
#pragma once

#include <ATen/core/Generator.h>

#include <utility>

#include "noema/mixers/kernel_generator.h"

namespace noema {

/// Σ_i k[c, i] zⁱ = (b₀ + … + b_N z^N) / (1 + a₁ z + … + a_N z^N), z the shift by one volume: a recurrence of N numbers
/// (Parnichkun et al. 2024, arXiv 2405.06147).
///
/// Stable whatever the parameters: a = α / (1 + Σ|α|), so Σ|a| < 1. That is stricter than stability: slow rhythms that
/// hardly fade, such as a = (−2 r cos ω, r²) with r near 1 and a small ω, are not among them; state spaces have those.
/// The taps are those of the endless response, found
/// by Newton's iteration for 1/a, O(C·T log T) whatever N; nothing of it is wrapped around.
class RationalKernel : public KernelGenerator {
 public:
  /// @param order N. @throws UsageError unless it is at least 1.
  RationalKernel(std::int64_t channels, std::int64_t order, at::Generator& generator);

  at::Tensor taps(std::int64_t volumes) const override;
  bool ends() const override { return false; }
  std::int64_t flops(std::int64_t volumes) const override;
  /// (B, C, N): the last values of 1/a applied to the input, newest first. Of float64: small errors last long.
  at::Tensor initial_state(std::int64_t batch) const override;
  at::Tensor advance(const at::Tensor& u, at::Tensor& state) const override;
  std::int64_t state_bytes() const override;
  /// b as the other weights, a as dynamics.
  TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const override;

 private:
  /// (C, N) float64: a.
  at::Tensor denominator() const;

  at::Tensor numerator_;  // (C, N + 1): b
  at::Tensor feedback_;   // (C, N): α
};

}  // namespace noema
