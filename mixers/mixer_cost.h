// mixers/mixer_cost: what a mixer of a network costs. No tensors here.
#pragma once

#include <cstdint>
#include <string>

namespace noema {

/// What a mixer of a network costs.
struct MixerCost {
  std::string kind;
  std::int64_t parameters = 0;
  /// Floating-point operations for one window of `volumes`.
  std::int64_t flops = 0;
  std::int64_t volumes = 0;
  /// Bytes that a window's recurrence keeps.
  std::int64_t state_bytes = 0;

  bool operator==(const MixerCost&) const = default;
};

}  // namespace noema
