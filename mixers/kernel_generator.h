// mixers/kernel_generator: kernels of long convolutions that are functions of few parameters.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <string_view>

#include "noema/mixers/training_tags.h"

namespace noema {

/// The learning rate that parameters of kernels have at most where the authors' code limits it.
inline constexpr double kLargestKernelRate = 1e-3;
/// Of those that say how a recurrence goes on from volume to volume, as published for state spaces.
inline constexpr TrainingTag kDynamics{.decay = false, .kernel = true, .largest_learning_rate = kLargestKernelRate};

/// Makes the causal kernels of C channels, and convolves with them volume by volume.
class KernelGenerator : public torch::nn::Module, public TrainingAdvice {
 public:
  /// (C, n) of the parameters' dtype: tap i is lag i. n is `volumes`, or less where the kernel ends before. Gradient:
  /// exact in all parameters.
  virtual at::Tensor taps(std::int64_t volumes) const = 0;
  /// Has it at most as many taps as it was made with, however many volumes there are?
  virtual bool ends() const = 0;
  /// Floating-point operations of `taps`.
  virtual std::int64_t flops(std::int64_t volumes) const = 0;

  /// What is remembered of the volumes before the first, of `batch` windows.
  virtual at::Tensor initial_state(std::int64_t batch) const = 0;
  /// The convolution at the next volumes.
  ///
  /// @param u     (B, T, C), T ≥ 1.
  /// @param state of the volumes before; after the call of those of `u` too.
  /// @return      (B, T, C): what the convolution of the whole series gives at these.
  virtual at::Tensor advance(const at::Tensor& u, at::Tensor& state) const = 0;
  /// Bytes of the state of one window.
  virtual std::int64_t state_bytes() const = 0;
};

/// A kernel that ends after L taps: its state is the last L − 1 volumes.
class FiniteKernel : public KernelGenerator {
 public:
  FiniteKernel(std::int64_t channels, std::int64_t taps) : channels_(channels), length_(taps) {}

  bool ends() const override { return true; }
  at::Tensor initial_state(std::int64_t batch) const override;
  at::Tensor advance(const at::Tensor& u, at::Tensor& state) const override;
  std::int64_t state_bytes() const override;

 protected:
  std::int64_t channels_;
  std::int64_t length_;
};

}  // namespace noema
