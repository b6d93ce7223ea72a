// learn/feature_transform: what is done to features before a model sees them, fitted on training rows alone.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "noema/io/safetensors.h"
#include "noema/io/series.h"
#include "noema/learn/screening.h"

namespace noema {

struct FeatureTransformOptions {
  Screening screening = Screening::none;
  /// How many features screening keeps, or how many percent of them (at least one). More than there are: all.
  double keep = 500;
  bool keep_is_percent = false;
  /// Subtract the training mean of each feature.
  bool centre = true;
  /// Divide by the training standard deviation of each feature.
  bool scale = true;
  /// Shrinkage whitening, needs `centre`.
  bool whiten = false;
  /// λ of whitening: 0 gives all directions of the training rows equal weight, ∞ leaves the rows as they are.
  double shrinkage = 1;

  /// @throws UsageError
  void validate() const;
};

/// Screening by analysis of variance, 500 features, for voxels; none for parcels and maps. Centred and scaled.
FeatureTransformOptions default_transform(FeatureKind kind);

/// y = whitening((x[selected] − mean) · scale).
///
/// Whitening is V (e + λ · mean e)^(−1/2) Vᵀ over the min(N,F) principal components V of the N training rows, e their
/// variances, then one factor that makes the root mean square of the whitened training rows 1. What lies outside of
/// the space of the training rows is dropped. Through the smaller product of the rows, so F may be large.
class FeatureTransform {
 public:
  FeatureTransform() = default;
  /// Rows (M, F) and their labels, which only screening looks at.
  /// @throws as `anova_f` and `column_moments`; UsageError for bad options; DataError if no kept feature varies.
  static FeatureTransform fit(const FeatureTransformOptions& options, const MatrixF& rows, std::span<const int> labels,
                              int classes);

  /// (M, F) to (M, S). Thread-safe. @throws ShapeError for another number of features than fitted on.
  MatrixF apply(const MatrixF& rows) const;

  std::int64_t features() const { return features_; }                                   // F
  std::int64_t outputs() const { return static_cast<std::int64_t>(selected_.size()); }  // S
  const std::vector<int>& selected() const { return selected_; }                        // (S), ascending
  const Eigen::VectorXf& mean() const { return mean_; }                                 // (S), zeros without centring
  /// (S): what centred features are multiplied with; 0 for those that do not vary in training.
  const Eigen::VectorXf& scale() const { return scale_; }
  bool whitens() const { return basis_.size() > 0; }
  const MatrixF& basis() const { return basis_; }          // (S, R), orthonormal columns; (0, 0) without whitening
  const Eigen::VectorXf& gains() const { return gains_; }  // (R): whitening = basis · diag(gains) · basisᵀ

  /// Weights on the features of the series, (K, F), from weights on the outputs, (K, S): zero where not selected.
  MatrixD to_features(const MatrixD& weights) const;

  /// Adds tensors "transform.…" to `content`.
  void save(SafeTensors& content) const;
  /// @throws DataError if a tensor lacks or disagrees with the others.
  static FeatureTransform load(const SafeTensors& content);

 private:
  MatrixF standardised(const MatrixF& rows) const;
  void fit_whitening(const MatrixF& rows, double shrinkage);

  std::int64_t features_ = 0;
  std::vector<int> selected_;
  Eigen::VectorXf mean_, scale_, gains_;
  MatrixF basis_;
};

}  // namespace noema
