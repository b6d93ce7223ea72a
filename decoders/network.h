// decoders/network: what a network classifier is made of: features of windows in, decisions out.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "noema/decoders/voxel_box.h"
#include "noema/learn/adamw.h"
#include "noema/mixers/layers.h"
#include "noema/mixers/mixer_list.h"

namespace noema {

/// What a network must know of the data before it is made.
struct NetworkShape {
  /// Features of its input (after the feature transform, where the model has one).
  std::int64_t features = 0;
  std::int64_t classes = 0;
  /// Volumes of the longest training window.
  std::int64_t volumes = 1;
  /// Volume networks: where the features lie.
  VoxelBox box;
};

/// Is this the name of a parameter of a network's last layer?
bool is_output_layer(std::string_view name);

class Network : public torch::nn::Module {
 public:
  /// @param windows (B, T, F) float32; @param weights (B, T), 0 where padded, else the weight of the volume.
  /// @return        (B, K). What `windows` holds where padded has no influence if it is finite.
  virtual at::Tensor forward(const at::Tensor& windows, const at::Tensor& weights, const Draws& draws) const = 0;

  /// All parameters, as `training_tags` has them: weight decay for weights, but not for biases, norms and free taps.
  virtual std::vector<TrainedParameter> trained_parameters() const;

  /// What its mixers cost, for the longest training window; empty for networks without mixers.
  virtual std::vector<MixerCost> mixer_costs() const { return {}; }
};

}  // namespace noema
