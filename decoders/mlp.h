// decoders/mlp: labels from the mean of a sample's volumes, by a network with one hidden layer.
#pragma once

#include <memory>
#include <string>

#include "noema/decoders/network_classifier.h"

namespace noema {

/// Features → mean over the volumes by their weights → input dropout → linear → GELU → dropout → linear.
struct MlpOptions {
  NetworkOptions network;
  int hidden = 64;
  double input_dropout = 0.2;
  double dropout = 0.3;

  /// 60 epochs (at least 300 steps, at most 6,000), whitened features.
  MlpOptions();
  /// @throws UsageError for values out of range.
  void validate() const;
};

class MlpClassifier : public NetworkClassifier {
 public:
  explicit MlpClassifier(MlpOptions options = {});
  /// @throws DataError if the file is of another kind, or parts of it do not fit together.
  static std::unique_ptr<MlpClassifier> load(const SafeTensors& content);
  std::string kind() const override { return "mlp"; }

 protected:
  std::shared_ptr<Network> make_network(const NetworkShape& shape, at::Generator& generator) const override;
  std::string settings() const override;

 private:
  MlpOptions options_;
};

}  // namespace noema
