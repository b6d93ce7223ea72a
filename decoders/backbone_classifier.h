// decoders/backbone_classifier: labels from the course of a sample, by a list of mixers.
#pragma once

#include <memory>
#include <string>

#include "noema/decoders/backbone.h"
#include "noema/decoders/network_classifier.h"

namespace noema {

/// The kind of classifiers whose list of mixers is the caller's own.
inline constexpr const char* kOwnBackbone = "backbone";

struct BackboneClassifierOptions {
  /// One of `backbone_names()`, or `kOwnBackbone`: the kind of the classifier.
  std::string name = kOwnBackbone;
  NetworkOptions network;
  BackboneOptions backbone;

  /// The named backbone, trained as long convolutions are: at least 300 steps, at most 6,000, whitened features, random
  /// stretches of samples. @throws UsageError for an unknown name.
  explicit BackboneClassifierOptions(const std::string& name);
  /// The same with an own list.
  explicit BackboneClassifierOptions(BackboneOptions list);
  /// @throws UsageError for values out of range.
  void validate() const;
};

class BackboneClassifier : public NetworkClassifier {
 public:
  explicit BackboneClassifier(BackboneClassifierOptions options);
  /// @throws DataError if the file is of another kind than `kind`, or parts of it do not fit together.
  static std::unique_ptr<BackboneClassifier> load(const std::string& kind, const SafeTensors& content);
  std::string kind() const override { return options_.name; }

 protected:
  std::shared_ptr<Network> make_network(const NetworkShape& shape, at::Generator& generator) const override;
  std::string settings() const override;

 private:
  BackboneClassifierOptions options_;
};

}  // namespace noema
