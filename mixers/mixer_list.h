// mixers/mixer_list: mixers by name, from plain descriptions that files and searches can write.
#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "noema/mixers/long_conv.h"
#include "noema/mixers/mixer.h"
#include "noema/mixers/mixer_cost.h"

namespace noema {

using MixerOption = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>>;
using MixerOptions = std::map<std::string, MixerOption>;

/// A mixer as text would say it. Options that are left out have their defaults; a whole number serves for a real one.
struct MixerDescription {
  /// One of `mixer_kinds()`.
  std::string kind;
  MixerOptions options;

  bool operator==(const MixerDescription&) const = default;
};

/// Which series a mixer is made for.
struct MixerShape {
  std::int64_t channels = 32;
  /// Volumes of the longest window: taps of kernels whose option `taps` is 0.
  std::int64_t volumes = 1;
};

/// In alphabetical order.
std::vector<std::string> mixer_kinds();

/// The options of a kind with their defaults. @throws UsageError as `make_mixer`.
MixerOptions mixer_defaults(const std::string& kind);

/// The description with all options. @throws UsageError as `make_mixer`, for what does not depend on the shape.
MixerDescription complete(const MixerDescription& description);

/// Of a long convolution with these options but its channels.
MixerDescription describe(const LongConvOptions& options);

/// @throws UsageError for an unknown kind or option (names the known ones and the nearest), a value of another type, or
/// one out of range.
std::shared_ptr<Mixer> make_mixer(const MixerDescription& description, const MixerShape& shape,
                                  at::Generator& generator);

/// @param volumes of the window whose operations are counted.
MixerCost cost_of(const std::string& kind, const Mixer& mixer, std::int64_t volumes);

}  // namespace noema
