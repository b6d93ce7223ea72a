// decoders/network_classifier: what all network models share: features, training, prediction and model files.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "noema/decoders/network.h"
#include "noema/learn/classifier.h"
#include "noema/learn/feature_transform.h"
#include "noema/learn/training.h"

namespace noema {

/// Where training begins, instead of at random.
struct NetworkStart {
  /// A fitted network of the same kind and architecture.
  std::shared_ptr<const SafeTensors> source;
  /// Its last layer too, or all but that.
  bool keep_output = false;
  /// False: the parameters stay as they begin.
  bool train = true;
  /// The learning rate of what was taken over is the others', multiplied by this.
  double learning_rate_scale = 1;
};

struct NetworkOptions {
  TrainingOptions training;
  /// With a start the feature transform is that of its source, and `transform` is not looked at.
  std::optional<NetworkStart> start;
  /// Without it `default_transform` of the features' kind, whitened if `whiten`.
  std::optional<FeatureTransformOptions> transform;
  bool whiten = true;
  double label_smoothing = 0.1;
  /// Each step sees of each sample a random stretch of at least this part of its volumes; 1: always all.
  double shortest_crop = 1;
  /// Holds in one subject (one run where there is a single subject), drawn by the seed, to validate on.
  bool validation = false;
  /// Where each training keeps its checkpoint, in a file named by its fingerprint, so that the same fit begun again
  /// goes on from there; empty: none is kept.
  std::filesystem::path checkpoint_folder;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// A network behind a feature transform, or behind none. Fitted on `torch_device()`, where it stays.
class NetworkClassifier : public DifferentiableClassifier {
 public:
  /// Fits from scratch or from `NetworkOptions::start`; equal options, seed and samples give equal parameters (on the
  /// CPU, with as many threads).
  /// @throws DataError if a class has no training sample, or the series are not finite; as `train`
  void fit(const SampleSet& train) override;
  ClassScores predict(const SampleSet& samples) const override;
  at::Tensor logits(const at::Tensor& windows, const at::Tensor& weights) const override;
  SafeTensors save() const override;

  /// Losses of the epochs of the last `fit`; empty after loading.
  const TrainingHistory& history() const { return history_; }
  const NetworkOptions& network_options() const { return options_; }
  /// Changes how later fits train; the architecture stays. @throws UsageError for values out of range.
  void train_by(NetworkOptions options);
  /// Of the fitted network; none for volume networks.
  const std::optional<FeatureTransform>& transform() const { return transform_; }
  /// @throws UsageError before `fit`.
  const Network& network() const;

 protected:
  explicit NetworkClassifier(NetworkOptions options);

  virtual std::shared_ptr<Network> make_network(const NetworkShape& shape, at::Generator& generator) const = 0;
  /// The model's own settings: the text of a JSON object.
  virtual std::string settings() const = 0;
  /// Volume networks: trained volume by volume, on the features as they are, which lie on a grid.
  virtual bool is_volume_network() const { return false; }
  /// Takes transform and parameters from a model file. @throws DataError if they do not fit.
  void load_parameters(const SafeTensors& content);

 private:
  /// Transform, shape and network for the training samples.
  void begin_at_random(const SampleSet& train, at::Generator& generator);
  void begin_with(const NetworkStart& start, const SampleSet& train, at::Generator& generator);
  /// (…, F) to (…, S): the feature transform; differentiable.
  at::Tensor transformed(const at::Tensor& windows) const;
  void set_transform(std::optional<FeatureTransform> transform, at::Device device);

  NetworkOptions options_;
  NetworkShape shape_;
  std::int64_t features_ = 0;  // of the series
  std::optional<FeatureTransform> transform_;
  struct {
    at::Tensor selected, mean, scale, basis, gains;
  } transform_tensors_;
  std::shared_ptr<Network> network_;
  TrainingHistory history_;
};

/// The same models; those that are networks keep the checkpoints of their fits in `folder`.
ClassifierFactory with_checkpoints(ClassifierFactory factory, const std::filesystem::path& folder);

}  // namespace noema
