// mixers/channel_mixer: mixers of the channels of each volume by itself.
#pragma once

#include "noema/mixers/mixer.h"

namespace noema {

/// One that sees a volume at a time, and so remembers nothing; it does not look at masks.
class ChannelMixer : public Mixer {
 public:
  std::int64_t state_bytes() const final { return 0; }
  bool has_recurrence() const final { return true; }
  MixerState initial_state(std::int64_t /*batch*/) const final { return {}; }
  at::Tensor advance(const at::Tensor& x, MixerState& /*state*/) const final { return forward(x, {}, {}); }
};

}  // namespace noema
