// learn/rena_classifier: any model on the means of clusters of voxels that were found in its training samples.
#pragma once

#include <memory>
#include <optional>

#include "noema/learn/classifier.h"
#include "noema/learn/rena.h"

namespace noema {

/// Clusters that were found in some training samples, kept for fits on the same samples with other labels.
class RenaCache;

/// Divides the voxels into clusters by the volumes of the training samples alone (`rena`, which sees no labels), and
/// fits another model on the clusters' means. The way back gives each voxel its share of its cluster.
class RenaClassifier : public DifferentiableClassifier {
 public:
  /// @param inner  a fresh model, which must be differentiable if this one is to be explained.
  RenaClassifier(std::unique_ptr<Classifier> inner, int clusters, std::shared_ptr<RenaCache> cache);

  /// @throws DataError for series that are not of voxels; as `rena` and the inner model's `fit`
  void fit(const SampleSet& train) override;
  ClassScores predict(const SampleSet& samples) const override;
  /// @throws UsageError for an inner model that is not differentiable
  at::Tensor logits(const at::Tensor& windows, const at::Tensor& weights) const override;

  /// The inner model's.
  std::string kind() const override { return inner_->kind(); }
  /// The inner model's content and the tensor "clusters.of_voxel".
  SafeTensors save() const override;
  /// @param inner  opened from the same content. @throws DataError for a tensor that holds no clusters
  static std::unique_ptr<RenaClassifier> load(const SafeTensors& content, std::unique_ptr<Classifier> inner);
  /// Does the content of a model have clusters?
  static bool is_in(const SafeTensors& content);

  const Classifier& inner() const { return *inner_; }
  const VoxelClusters& clusters() const { return clusters_; }
  /// The value of its cluster at each voxel: (K, clusters) to (K, V).
  MatrixD spread(const MatrixD& of_clusters) const;

 private:
  SampleSet reduced(const SampleSet& samples) const;

  std::unique_ptr<Classifier> inner_;
  int wanted_ = 0;
  std::shared_ptr<RenaCache> cache_;
  VoxelClusters clusters_;
  /// The training runs and their reduced form, where samples of the same runs are asked about.
  std::shared_ptr<const std::vector<LearningRun>> runs_, reduced_runs_;
};

/// Models of another factory on clusters, which share what they find.
ClassifierFactory rena_factory(ClassifierFactory inner, int clusters);

/// The model that reads the clusters, or the model itself where there are none.
const Classifier& beneath_clusters(const Classifier& model);

/// Haufe's patterns of a linear model, (K, F), on voxels where it reads clusters; nothing for other models.
std::optional<MatrixD> linear_patterns(const Classifier& model);

}  // namespace noema
