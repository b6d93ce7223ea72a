// decoders/cnn3d: labels from single volumes, by convolutions in space.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "noema/decoders/network_classifier.h"

namespace noema {

/// Voxels → input dropout → the box around the mask → for each of `channels` a 3×3×3 convolution of stride 2 (stride 1
/// along axes of one voxel), GroupNorm(1), GELU → flatten → dropout → linear. The decision of a sample is the mean of
/// its volumes' decisions by their weights; training sees each volume by itself.
struct Cnn3dOptions {
  /// `transform`, `shortest_crop` do not apply: all voxels, as they are in the series (z-scored by preprocessing).
  NetworkOptions network;
  std::vector<int> channels = {8, 16};
  double input_dropout = 0.2;
  double dropout = 0.5;

  /// 5 epochs of batches of 64 (at least 100 steps).
  Cnn3dOptions();
  /// @throws UsageError for values out of range.
  void validate() const;
};

/// Asks for voxel features. Batches are gathered from the series when needed, so memory does not grow with the data.
class Cnn3dClassifier : public NetworkClassifier {
 public:
  explicit Cnn3dClassifier(Cnn3dOptions options = {});
  /// @throws DataError if the file is of another kind, or parts of it do not fit together.
  static std::unique_ptr<Cnn3dClassifier> load(const SafeTensors& content);
  std::string kind() const override { return "cnn3d"; }

 protected:
  std::shared_ptr<Network> make_network(const NetworkShape& shape, at::Generator& generator) const override;
  std::string settings() const override;
  bool is_volume_network() const override { return true; }

 private:
  Cnn3dOptions options_;
};

}  // namespace noema
