// mixers/mixer: what mixes the volumes of a window, the part that network kinds exchange.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "noema/mixers/layers.h"
#include "noema/mixers/training_tags.h"

namespace noema {

/// What a recurrence remembers of the volumes so far, in tensors whose meaning is the mixer's own.
using MixerState = std::vector<at::Tensor>;

/// @throws UsageError unless `good`, with the value that was found and what was expected of a mixer's option.
void require_option(bool good, std::string_view mixer, std::string_view option, double found,
                    std::string_view expected);

/// A block from series to series of the same shape.
class Mixer : public torch::nn::Module, public TrainingAdvice {
 public:
  /// @param x    (B, T, C), time in the middle.
  /// @param mask (B, T, 1) of x's dtype: 1 for a volume, 0 where padded. What `x` holds where padded has no influence
  ///             on volumes if it is finite, and the result there has no meaning.
  /// @return     (B, T, C). Gradient: exact in `x` and all parameters.
  virtual at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const = 0;

  /// The usual, unless a mixer says otherwise.
  TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const override;

  std::int64_t parameter_count() const;
  /// Floating-point operations of a forward pass over one window of `volumes`.
  virtual std::int64_t flops(std::int64_t volumes) const = 0;
  /// Bytes that must be kept to go on with the next volume of one window.
  virtual std::int64_t state_bytes() const = 0;

  /// Can it go on volume by volume (`initial_state`, `advance`)?
  virtual bool has_recurrence() const { return false; }
  /// The state before the first volume of `batch` windows. @throws UsageError without a recurrence.
  virtual MixerState initial_state(std::int64_t batch) const;
  /// Goes on with the next volumes: one (a step), some (a chunk) or all from the initial state (a prefill).
  ///
  /// @param x     (B, T, C), T ≥ 1.
  /// @param state of the volumes before; after the call of those of `x` too.
  /// @return      (B, T, C): what `forward` of all volumes without dropout gives at these. Gradient: none promised.
  /// @throws UsageError without a recurrence.
  virtual at::Tensor advance(const at::Tensor& x, MixerState& state) const;
};

}  // namespace noema
