#include "noema/mixers/mixer.h"

#include <fmt/format.h>

#include "noema/core/error.h"

namespace noema {

void require_option(bool good, std::string_view mixer, std::string_view option, double found,
                    std::string_view expected) {
  if (!good) throw UsageError(fmt::format("{} option {} is {}, expected {}", mixer, option, found, expected));
}

TrainingTag Mixer::training_tag(std::string_view, const at::Tensor& parameter) const { return usual_tag(parameter); }

std::int64_t Mixer::parameter_count() const {
  std::int64_t count = 0;
  for (const at::Tensor& parameter : parameters()) count += parameter.numel();
  return count;
}

MixerState Mixer::initial_state(std::int64_t) const {
  throw UsageError("this mixer has no recurrence: it needs whole windows, not volume after volume");
}

at::Tensor Mixer::advance(const at::Tensor&, MixerState&) const {
  throw UsageError("this mixer has no recurrence: it needs whole windows, not volume after volume");
}

}  // namespace noema
