// decoders/connectivity_classifier: who fluctuates with whom during a sample, and ridge classification of that.
#pragma once

#include <memory>
#include <string>

#include "noema/connectomics/connectivity.h"
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

struct ConnectivityClassifierOptions {
  /// correlation: `connectivity`. partial_correlation: the same of partial correlations, by Ledoit and Wolf's
  /// covariances. tangent: the tangent vectors of those covariances at the Karcher mean of the training samples, the
  /// upper triangle row by row with the diagonal divided by √2.
  ConnectivityKind kind = ConnectivityKind::correlation;
  RidgeOptions ridge = {};

  /// @throws UsageError for other kinds, and as RidgeOptions::validate
  void validate() const;
};

/// Ridge classification of the connectivity of each sample, centred and scaled ("fc-ridge"): for samples that are runs
/// or long windows. The tangent reference is that of the samples given to `fit` alone; the strength is chosen with it.
class ConnectivityClassifier : public Classifier {
 public:
  explicit ConnectivityClassifier(ConnectivityClassifierOptions options = {});

  /// @throws DataError as `connectivity`; NumericalError for covariances that are not positive definite (a feature that
  /// does not vary within a sample)
  void fit(const SampleSet& train) override;
  ClassScores predict(const SampleSet& samples) const override;
  std::string kind() const override { return "fc-ridge"; }
  SafeTensors save() const override;
  /// @throws DataError if the tensors disagree.
  static std::unique_ptr<ConnectivityClassifier> load(const SafeTensors& content);

  const StrengthChoice& strength() const { return strength_; }
  ConnectivityKind connectivity_kind() const { return options_.kind; }
  /// (C, C): the tangent reference; undefined for other kinds.
  const at::Tensor& reference() const { return reference_; }

 private:
  MatrixF features_of(const SampleSet& samples) const;

  ConnectivityClassifierOptions options_;
  at::Tensor reference_;
  FeatureTransform transform_;
  LinearMap map_;
  StrengthChoice strength_;
};

}  // namespace noema
