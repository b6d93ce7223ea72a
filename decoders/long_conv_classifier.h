// decoders/long_conv_classifier: labels from the course of a sample, by long convolutions in time.
#pragma once

#include <memory>
#include <string>

#include "noema/decoders/network_classifier.h"
#include "noema/mixers/long_conv.h"

namespace noema {

/// Features → input dropout → linear to C → `blocks` × LongConv → mean over the volumes by their weights → LayerNorm →
/// dropout → linear to the labels. A sample of one volume is a window of one volume.
struct LongConvClassifierOptions {
  NetworkOptions network;
  int blocks = 1;
  /// `taps` 0: the volumes of the longest training sample.
  LongConvOptions conv;
  double input_dropout = 0.2;
  double output_dropout = 0.2;
  /// The learning rate of the kernels is the others', multiplied by this.
  double kernel_learning_rate_scale = 1;

  /// 60 epochs (at least 300 steps, at most 6,000), whitened features, random stretches of samples.
  LongConvClassifierOptions();
  /// @throws UsageError for values out of range.
  void validate() const;
};

class LongConvClassifier : public NetworkClassifier {
 public:
  explicit LongConvClassifier(LongConvClassifierOptions options = {});
  /// @throws DataError if the file is of another kind, or parts of it do not fit together.
  static std::unique_ptr<LongConvClassifier> load(const SafeTensors& content);
  std::string kind() const override { return "long-conv"; }

 protected:
  std::shared_ptr<Network> make_network(const NetworkShape& shape, at::Generator& generator) const override;
  std::string settings() const override;

 private:
  LongConvClassifierOptions options_;
};

}  // namespace noema
