// learn/connectivity_classifier: who fluctuates with whom during a sample, and ridge classification of that.
#pragma once

#include <memory>
#include <string>

#include "noema/learn/classifier.h"
#include "noema/learn/feature_transform.h"
#include "noema/learn/ridge.h"

namespace noema {

/// Fewer volumes say next to nothing about a correlation.
inline constexpr int kFewestConnectivityVolumes = 20;
/// Pairs grow with the square of the features: voxels are too many.
inline constexpr int kMostConnectivityFeatures = 1000;

/// Whether every sample has enough volumes for correlations, and the series few enough features.
bool connectivity_applies(const SampleSet& set);

/// (N, F·(F−1)/2): Fisher's z of the correlation of each pair of features over the volumes of each sample, the lower
/// triangle row by row: (1,0), (2,0), (2,1) …. 0 for features that do not vary; |r| is cut at 1 − 1e-7.
/// @throws DataError unless `connectivity_applies`.
MatrixF connectivity(const SampleSet& set);

/// Ridge classification of `connectivity`, centred and scaled ("fc-ridge"): for samples that are runs or long windows.
class ConnectivityClassifier : public Classifier {
 public:
  explicit ConnectivityClassifier(RidgeOptions options = {});

  void fit(const SampleSet& train) override;
  ClassScores predict(const SampleSet& samples) const override;
  std::string kind() const override { return "fc-ridge"; }
  SafeTensors save() const override;
  /// @throws DataError if the tensors disagree.
  static std::unique_ptr<ConnectivityClassifier> load(const SafeTensors& content);

  const StrengthChoice& strength() const { return strength_; }

 private:
  RidgeOptions options_;
  FeatureTransform transform_;
  LinearMap map_;
  StrengthChoice strength_;
};

}  // namespace noema
