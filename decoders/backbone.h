// decoders/backbone: networks that are lists of mixers between a linear layer and a pooled head.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "noema/decoders/network.h"
#include "noema/mixers/mixer_list.h"

namespace noema {

/// Features → input dropout → linear to C → mixers → mean over the volumes by their weights → LayerNorm → dropout →
/// linear to the labels. A sample of one volume is a window of one volume.
struct BackboneOptions {
  /// C.
  std::int64_t channels = 32;
  std::vector<MixerDescription> mixers;
  double input_dropout = 0.2;
  double output_dropout = 0.2;
  /// The learning rate of the kernels is the others', multiplied by this.
  double kernel_learning_rate_scale = 1;

  /// @throws UsageError for values out of range and mixers that cannot be made.
  void validate() const;
};

/// Parameters are named input, mixer0, mixer1, …, norm and output. @throws UsageError as `make_mixer`.
std::shared_ptr<Network> make_backbone(const BackboneOptions& options, const NetworkShape& shape,
                                       at::Generator& generator);

/// The backbones that have a name, in alphabetical order.
std::vector<std::string> backbone_names();

/// @throws UsageError for an unknown name.
BackboneOptions named_backbone(const std::string& name);

/// The options as the text of a JSON object, every option of every mixer included, and back.
/// @throws DataError from text that is no backbone.
std::string backbone_to_json(const BackboneOptions& options);
BackboneOptions backbone_from_json(const std::string& text);

}  // namespace noema
