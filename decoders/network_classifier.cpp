#include "noema/decoders/network_classifier.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/decoders/classification_task.h"
#include "noema/decoders/voxel_box.h"
#include "noema/io/atomic_file.h"
#include "noema/learn/tensors.h"
#include "noema/learn/torch_settings.h"

namespace noema {
namespace {

constexpr std::int64_t kPredictionBytes = 64 << 20;  // of the windows of one batch

void check_classes(const SampleSet& set) {
  std::vector<int> counts(static_cast<std::size_t>(set.classes), 0);
  for (const int label : set.labels()) {
    if (label < 0 || label >= set.classes) {
      throw DataError(fmt::format("a sample has label {}, expected 0 to {}", label, set.classes - 1));
    }
    ++counts[static_cast<std::size_t>(label)];
  }
  const auto missing = std::find(counts.begin(), counts.end(), 0);
  if (set.classes < 2 || missing != counts.end()) {
    throw DataError(fmt::format("class {} of {} has no training sample; leave the label out, or split otherwise",
                                missing - counts.begin(), set.classes));
  }
}

FeatureTransform fit_transform(const FeatureTransformOptions& options, const SampleSet& train) {
  std::vector<int> sample_of_row;
  const MatrixF rows = sample_volumes(train, &sample_of_row);
  const std::vector<int> labels_of_samples = train.labels();
  std::vector<int> labels;
  for (const int sample : sample_of_row) labels.push_back(labels_of_samples[static_cast<std::size_t>(sample)]);
  return FeatureTransform::fit(options, rows, labels, train.classes);
}

std::string fingerprint_of(const std::optional<NetworkStart>& start) {
  if (!start) return "at random";
  Hasher hasher;
  for (const auto& [name, tensor] : start->source->tensors) hasher.add(name).add(tensor.bytes);
  return fmt::format("{} {} {}", hasher.digest(), start->keep_output, start->learning_rate_scale);
}

/// What the network sees of the features.
std::string fingerprint_of(const std::optional<FeatureTransform>& transform) {
  if (!transform) return "as they are";
  Hasher hasher;
  hasher.add(std::as_bytes(std::span(transform->selected())));
  const auto add = [&](const auto& values) {
    hasher.add(std::as_bytes(std::span(values.data(), static_cast<std::size_t>(values.size()))));
  };
  add(transform->mean());
  add(transform->scale());
  if (transform->whitens()) {
    add(transform->basis());
    add(transform->gains());
  }
  return hasher.digest();
}

at::Tensor column(const Eigen::VectorXf& values, at::Device device) {
  return tensor_of(MatrixF(values.transpose())).view({-1}).to(device);
}

}  // namespace

void NetworkOptions::validate() const {
  training.validate();
  if (transform) transform->validate();
  if (start && !start->source) throw UsageError("a start of training needs the model to start from");
  if (start && !(start->learning_rate_scale > 0)) {
    throw UsageError(fmt::format("the learning rate of the start is multiplied by {}, expected a positive number",
                                 start->learning_rate_scale));
  }
  if (!(label_smoothing >= 0 && label_smoothing < 1)) {
    throw UsageError(fmt::format("label smoothing is {}, expected a number from 0 to below 1", label_smoothing));
  }
  if (!(shortest_crop > 0 && shortest_crop <= 1)) {
    throw UsageError(fmt::format("the shortest crop is {}, expected a number above 0 and up to 1", shortest_crop));
  }
}

NetworkClassifier::NetworkClassifier(NetworkOptions options) : options_(std::move(options)) { options_.validate(); }

const Network& NetworkClassifier::network() const {
  if (!network_) throw UsageError("the model was not fitted yet; fit it, or load a fitted one");
  return *network_;
}

void NetworkClassifier::train_by(NetworkOptions options) {
  options.validate();
  options_ = std::move(options);
}

void NetworkClassifier::begin_at_random(const SampleSet& train, at::Generator& generator) {
  features_ = train.features();
  shape_ = {};
  shape_.classes = train.classes;
  for (const Sample& sample : train.samples) {
    shape_.volumes = std::max(shape_.volumes, static_cast<std::int64_t>(sample.volumes.size()));
  }
  const auto& space = train.runs->front().series.features;
  std::optional<FeatureTransform> fitted;
  if (is_volume_network()) {
    if (!space) throw DataError("a volume network needs the positions of the features, and the series have none");
    shape_.box = box_around(*space);
    shape_.features = features_;
  } else {
    FeatureTransformOptions transform_options = default_transform(space ? space->kind : FeatureKind::parcels);
    transform_options.whiten = options_.whiten;
    fitted = fit_transform(options_.transform.value_or(transform_options), train);
    shape_.features = fitted->outputs();
  }
  set_transform(std::move(fitted), torch_device());
  network_ = make_network(shape_, generator);
  network_->to(torch_device());
}

void NetworkClassifier::begin_with(const NetworkStart& start, const SampleSet& train, at::Generator& generator) {
  load_parameters(*start.source);
  if (train.features() != features_) {
    throw ShapeError(fmt::format("the samples have {} features, the model to start from was fitted on {}",
                                 train.features(), features_));
  }
  if (start.keep_output) {
    if (train.classes == shape_.classes) return;
    throw DataError(fmt::format("the samples have {} classes, the last layer of the model to start from has {}",
                                train.classes, shape_.classes));
  }
  const at::NoGradGuard no_gradients;
  const std::shared_ptr<Network> source = network_;
  shape_.classes = train.classes;
  network_ = make_network(shape_, generator);
  network_->to(torch_device());
  for (const auto& item : network_->named_parameters()) {
    if (!is_output_layer(item.key())) item.value().copy_(source->named_parameters()[item.key()]);
  }
}

void NetworkClassifier::fit(const SampleSet& set) {
  SampleSet train = set, held_in{set.runs, {}, set.classes};
  if (options_.validation) {
    const auto [training, validation] = hold_in(set, options_.training.seed);
    train = subset(set, training);
    held_in = subset(set, validation);
  }
  check_classes(train);
  RandomStream stream(options_.training.seed, "initial parameters");
  at::Generator generator = make_generator(at::kCPU, stream);
  history_ = {};
  if (options_.start) {
    begin_with(*options_.start, train, generator);
    if (!options_.start->train) return;
  } else {
    begin_at_random(train, generator);
  }
  const VolumeSource training_source(train, transform_, is_volume_network());
  const VolumeSource held_in_source(held_in, transform_, false);
  ClassificationTask task(*network_, options_, training_source, held_in_source,
                          fmt::format("{}|{}|{}|{}|{}|{}|{}|{}", kind(), settings(), options_.label_smoothing,
                                      options_.shortest_crop, fingerprint_of(options_.start),
                                      fingerprint_of(transform_), fingerprint_of(train), fingerprint_of(held_in)));
  TrainingOptions training = options_.training;
  if (!options_.checkpoint_folder.empty()) {
    make_folder(options_.checkpoint_folder);
    training.checkpoint = options_.checkpoint_folder / (training_fingerprint(task, training) + ".safetensors");
  }
  history_ = noema::train(task, training);
}

at::Tensor NetworkClassifier::transformed(const at::Tensor& windows) const {
  if (!transform_) return windows;
  const auto& t = transform_tensors_;
  const at::Tensor kept = t.selected.defined() ? windows.index_select(-1, t.selected) : windows;
  const at::Tensor standard = (kept - t.mean) * t.scale;
  return t.basis.defined() ? at::matmul(at::matmul(standard, t.basis) * t.gains, t.basis.t()) : standard;
}

void NetworkClassifier::set_transform(std::optional<FeatureTransform> fitted, at::Device device) {
  transform_ = std::move(fitted);
  transform_tensors_ = {};
  if (!transform_) return;
  if (transform_->outputs() < transform_->features()) {
    const std::vector<std::int64_t> selected(transform_->selected().begin(), transform_->selected().end());
    transform_tensors_.selected = tensor_of(TensorData::from_ints({transform_->outputs()}, selected)).to(device);
  }
  transform_tensors_.mean = column(transform_->mean(), device);
  transform_tensors_.scale = column(transform_->scale(), device);
  if (!transform_->whitens()) return;
  transform_tensors_.basis = tensor_of(transform_->basis()).to(device);
  transform_tensors_.gains = column(transform_->gains(), device);
}

at::Tensor NetworkClassifier::logits(const at::Tensor& windows, const at::Tensor& weights) const {
  const Network& fitted = network();
  if (windows.dim() != 3 || windows.size(2) != features_ || weights.sizes() != windows.sizes().slice(0, 2)) {
    throw ShapeError(
        fmt::format("found windows of shape [{}] with weights of shape [{}], expected (samples, volumes, {}) and "
                    "(samples, volumes)",
                    fmt::join(windows.sizes(), ", "), fmt::join(weights.sizes(), ", "), features_));
  }
  const at::Device device = fitted.parameters().front().device();
  return fitted.forward(transformed(windows.to(device)), weights.to(device), {}).to(windows.device());
}

ClassScores NetworkClassifier::predict(const SampleSet& samples) const {
  const at::NoGradGuard no_gradients;
  network();
  if (samples.features() != features_) {
    throw ShapeError(
        fmt::format("the samples have {} features, the model was fitted on {}", samples.features(), features_));
  }
  std::vector<at::Tensor> parts;
  for (std::int64_t begin = 0; begin < samples.size();) {
    check_cancelled();
    std::vector<int> members;
    std::int64_t longest = 1;
    for (std::int64_t n = begin; n < samples.size(); ++n) {
      const auto volumes = static_cast<std::int64_t>(samples.samples[static_cast<std::size_t>(n)].volumes.size());
      longest = std::max(longest, volumes);
      const std::int64_t bytes = (n - begin + 1) * longest * features_ * static_cast<std::int64_t>(sizeof(float));
      if (!members.empty() && bytes > kPredictionBytes) break;
      members.push_back(static_cast<int>(n));
    }
    const Windows windows = make_windows(subset(samples, members));
    parts.push_back(logits(windows.values, windows.weights));
    begin += static_cast<std::int64_t>(members.size());
  }
  if (parts.empty()) return {MatrixD(0, shape_.classes), MatrixD(0, shape_.classes)};
  const at::Tensor decisions = at::cat(parts, 0).to(at::kDouble);
  return {to_matrix(decisions), to_matrix(at::softmax(decisions, 1))};
}

ClassifierFactory with_checkpoints(ClassifierFactory factory, const std::filesystem::path& folder) {
  return [factory = std::move(factory), folder](std::uint64_t seed) {
    std::unique_ptr<Classifier> model = factory(seed);
    if (auto* network = dynamic_cast<NetworkClassifier*>(model.get())) {
      NetworkOptions options = network->network_options();
      options.checkpoint_folder = folder;
      network->train_by(std::move(options));
    }
    return model;
  };
}

}  // namespace noema
