// mixers/long_kernel: the kernels of long convolutions: free taps, or functions of fewer parameters.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>

#include "noema/mixers/implicit_kernel.h"
#include "noema/mixers/layers.h"
#include "noema/mixers/long_convolution.h"

namespace noema {

/// sign(k) · max(|k| − threshold, 0): taps below the threshold are exactly zero and get no gradient.
at::Tensor squash(const at::Tensor& kernel, double threshold);

/// The mean of `width` (odd) neighbouring taps, in the order of lags; at the ends the mean of those that exist. With
/// `published`, missing ones count as zeros and neighbours are those in the rows of the convention, as in the authors'
/// code: causal and bidirectional kernels lose of lag 0, the halves of bidirectional ones never meet, and in a ring lag
/// L − 1 is smoothed with lag −L, but lag 0 not with lag −1.
at::Tensor smooth(const at::Tensor& kernel, LagConvention convention, std::int64_t width, bool published = false);

/// How kernels of free taps begin.
enum class KernelStart {
  decay,       ///< 0.3·exp(−|lag| / 2) + N(0, 0.02²)
  random,      ///< N(0, 0.002²), as published
  double_exp,  ///< N(0, 0.02²)·exp(−(i / L)·⌊C / 2⌋^(c / C)) for tap i of each side, as published
};

/// A kernel in the shape of its convention, float32.
at::Tensor starting_kernel(std::int64_t channels, std::int64_t taps, LagConvention convention, KernelStart start,
                           at::Generator& generator);

/// The same, uniform in ±1/√taps.
at::Tensor uniform_kernel(std::int64_t channels, std::int64_t taps, LagConvention convention, at::Generator& generator);

/// What a kernel of a mixer is like; the mixers' options say what each means.
struct LongKernelOptions {
  std::int64_t channels = 0;
  std::int64_t taps = 0;
  KernelOptions kernel;
  LagConvention convention = LagConvention::causal;
  KernelStart start = KernelStart::decay;
  double squash_threshold = 0;
  std::int64_t smooth_width = 1;
  bool published_smoothing = false;
  double dropout = 0;
};

/// How free taps are trained: as a kernel, without decay.
inline constexpr TrainingTag kFreeTaps{.decay = false, .kernel = true};

/// A kernel whose parameters are those of a mixer.
class LongKernel {
 public:
  LongKernel() = default;
  /// Free taps become the parameter `name` of `owner`; others its module `name` and, with two sides, future_`name`.
  LongKernel(torch::nn::Module& owner, const std::string& name, const LongKernelOptions& options,
             at::Generator& generator);

  /// What is applied to so many volumes, in the shape of the convention: smoothed, squashed, then dropped out tap by
  /// tap where the taps are free.
  at::Tensor taps(std::int64_t volumes, const Draws& draws) const;
  /// Of the causal convolution with it, as KernelGenerator.
  at::Tensor initial_state(std::int64_t batch) const;
  at::Tensor advance(const at::Tensor& u, at::Tensor& state) const;
  std::int64_t state_bytes() const;

  /// Floating-point operations of making the kernel and of the convolution with it.
  std::int64_t flops(std::int64_t volumes) const;
  /// Two-sided: volumes of the input that must be at hand for the next one, and volumes that wait for those that they
  /// look forward to. Without an end that is the whole window, for which L counts.
  std::int64_t volumes_at_hand() const { return ends() ? 2 * options_.taps - 1 : options_.taps; }
  std::int64_t volumes_waiting() const { return options_.taps; }

 private:
  bool two_sided() const { return options_.convention != LagConvention::causal; }
  bool ends() const { return !past_ || past_->ends(); }

  LongKernelOptions options_;
  at::Tensor free_taps_;                            // of the kind `taps`
  std::shared_ptr<KernelGenerator> past_, future_;  // of the other kinds
};

}  // namespace noema
