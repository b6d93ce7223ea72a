// learn/linear_classifier: ridge, logistic and support vector classification of the mean of each sample's volumes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "noema/learn/classifier.h"
#include "noema/learn/feature_transform.h"
#include "noema/learn/logistic.h"
#include "noema/learn/ridge.h"
#include "noema/learn/svc.h"

namespace noema {

enum class LinearKind { ridge, logistic, svc };

/// "ridge", "logistic" or "svc".
std::string linear_kind_name(LinearKind kind);

struct LinearClassifierOptions {
  LinearKind kind = LinearKind::ridge;
  /// Without it `default_transform` of the features' kind.
  std::optional<FeatureTransformOptions> transform;
  /// Used as it is instead of one that is fitted.
  std::optional<FeatureTransform> fitted_transform;
  RidgeOptions ridge;
  LogisticOptions logistic;
  SvcOptions svc;
};

/// A feature transform and a linear map on the sample means, both fitted on training samples alone.
///
/// The strength is chosen by leaving out `inner_groups` of the training samples, on features that were screened and
/// scaled on all of them. Logistic regression alone gives probabilities.
class LinearClassifier : public DifferentiableClassifier {
 public:
  /// `cache`, when given, serves fits of ridge on features that are not screened.
  explicit LinearClassifier(LinearClassifierOptions options = {}, std::shared_ptr<RidgeCache> cache = nullptr);

  void fit(const SampleSet& train) override;
  ClassScores predict(const SampleSet& samples) const override;
  at::Tensor logits(const at::Tensor& windows, const at::Tensor& weights) const override;
  std::string kind() const override;
  SafeTensors save() const override;
  /// @throws DataError if the model is of another kind or its tensors disagree.
  static std::unique_ptr<LinearClassifier> load(const SafeTensors& content);

  /// (K, F): the change of each decision with each feature of the series; zero where screened out.
  MatrixD weights() const;
  /// (K, F): the activation pattern Cov(x) Wᵀ Cov(decisions)⁺ over the training samples, zero where screened out: how
  /// features vary with each decision (Haufe et al. 2014, doi:10.1016/j.neuroimage.2013.10.067).
  const MatrixD& patterns() const { return patterns_; }
  const FeatureTransform& transform() const { return transform_; }
  /// Of the transform's outputs.
  const LinearMap& map() const { return map_; }
  const StrengthChoice& strength() const { return strength_; }

 private:
  void check_fitted() const;
  void fit_map(const MatrixF& rows, std::span<const int> labels, int classes, std::span<const int> groups);
  RidgeFit fit_ridge_to(const MatrixF& rows, std::span<const int> labels, int classes,
                        std::span<const int> groups) const;

  LinearClassifierOptions options_;
  std::shared_ptr<RidgeCache> cache_;
  FeatureTransform transform_;
  LinearMap map_;  // of the transform's outputs
  MatrixD patterns_;
  StrengthChoice strength_;
};

/// Ridge classifiers that keep the features of a fitted one and are held towards its weights instead of zero: the
/// stronger alpha, the nearer to it. @throws UsageError if `source` is no ridge classifier
ClassifierFactory ridge_towards(const LinearClassifier& source);

/// Makes fresh classifiers with these options, which share one cache: permutation tests then fit fast.
ClassifierFactory linear_factory(LinearClassifierOptions options = {});

}  // namespace noema
