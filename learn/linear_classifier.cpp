#include "noema/learn/linear_classifier.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/matmul.h>
#include <fmt/format.h>

#include <Eigen/QR>
#include <algorithm>

#include "noema/core/error.h"
#include "noema/learn/linear_model_file.h"

namespace noema {
namespace {

FeatureTransformOptions transform_options(const LinearClassifierOptions& options, const SampleSet& train) {
  if (options.transform) return *options.transform;
  const auto& space = train.runs->front().series.features;
  return default_transform(space ? space->kind : FeatureKind::parcels);
}

/// Cov(x) Wᵀ Cov(decisions)⁺ as (K, S), from rows (N, S) and decisions (N, K): the covariances of rows and decisions
/// are all it takes.
MatrixD patterns_of(const MatrixF& rows, const MatrixD& decisions) {
  const MatrixD centred = decisions.rowwise() - decisions.colwise().mean();
  const MatrixD cross = centred.transpose() * rows.cast<double>();  // (K, S); centring one of the two is enough
  const Eigen::MatrixXd own = centred.transpose() * centred;
  return own.completeOrthogonalDecomposition().solve(Eigen::MatrixXd(cross));
}

at::Tensor float_tensor(const MatrixD& matrix) {
  at::Tensor tensor = at::empty({matrix.rows(), matrix.cols()}, at::kFloat);
  Eigen::Map<MatrixF>(tensor.mutable_data_ptr<float>(), matrix.rows(), matrix.cols()) = matrix.cast<float>();
  return tensor;
}

LinearKind kind_of(const std::string& name) {
  for (const LinearKind kind : {LinearKind::ridge, LinearKind::logistic, LinearKind::svc}) {
    if (name == linear_kind_name(kind)) return kind;
  }
  throw DataError(fmt::format("found a model of kind '{}', expected 'ridge', 'logistic' or 'svc'", name));
}

}  // namespace

std::string linear_kind_name(LinearKind kind) {
  switch (kind) {
    case LinearKind::ridge:
      return "ridge";
    case LinearKind::logistic:
      return "logistic";
    case LinearKind::svc:
      break;
  }
  return "svc";
}

LinearClassifier::LinearClassifier(LinearClassifierOptions options, std::shared_ptr<RidgeCache> cache)
    : options_(std::move(options)), cache_(std::move(cache)) {
  if (options_.transform) options_.transform->validate();
  options_.ridge.validate();
  options_.logistic.validate();
  options_.svc.validate();
}

std::string LinearClassifier::kind() const { return linear_kind_name(options_.kind); }

void LinearClassifier::fit(const SampleSet& train) {
  const MatrixF means = sample_means(train);
  const std::vector<int> labels = train.labels();
  check_classes(train.size(), labels, train.classes);
  transform_ = options_.fitted_transform
                   ? *options_.fitted_transform
                   : FeatureTransform::fit(transform_options(options_, train), means, labels, train.classes);
  const MatrixF rows = transform_.apply(means);
  const std::vector<int> groups = inner_groups(train);
  fit_map(rows, labels, train.classes, groups);
  const std::vector<int>& selected = transform_.selected();
  const MatrixF kept = means(Eigen::all, selected);
  const MatrixD of_selected = patterns_of(kept, map_.decisions(rows));
  patterns_ = MatrixD::Zero(train.classes, means.cols());
  patterns_(Eigen::all, selected) = of_selected;
}

void LinearClassifier::fit_map(const MatrixF& rows, std::span<const int> labels, int classes,
                               std::span<const int> groups) {
  switch (options_.kind) {
    case LinearKind::ridge: {
      RidgeFit fitted = fit_ridge_to(rows, labels, classes, groups);
      map_ = std::move(fitted.map);
      strength_ = std::move(fitted.alpha);
      return;
    }
    case LinearKind::logistic: {
      LogisticFit fitted = fit_logistic(rows, labels, classes, groups, options_.logistic);
      map_ = std::move(fitted.map);
      strength_ = std::move(fitted.strength);
      return;
    }
    case LinearKind::svc: {
      SvcFit fitted = fit_svc(rows, labels, classes, groups, options_.svc);
      map_ = std::move(fitted.map);
      strength_ = std::move(fitted.strength);
    }
  }
}

RidgeFit LinearClassifier::fit_ridge_to(const MatrixF& rows, std::span<const int> labels, int classes,
                                        std::span<const int> groups) const {
  // Screened rows depend on labels and hardly come again.
  const bool may_come_again = transform_.outputs() == transform_.features();
  if (!cache_ || !may_come_again) return fit_ridge(rows, labels, classes, groups, options_.ridge);
  return cache_->system(rows, groups, options_.ridge)->fit(labels, classes);
}

void LinearClassifier::check_fitted() const {
  if (map_.weights.size() == 0) {
    throw UsageError(fmt::format("a {} classifier was asked to predict before it was fitted", kind()));
  }
}

ClassScores LinearClassifier::predict(const SampleSet& samples) const {
  check_fitted();
  ClassScores scores;
  scores.decisions = map_.decisions(transform_.apply(sample_means(samples)));
  if (options_.kind == LinearKind::logistic) scores.probabilities = softmax(scores.decisions);
  return scores;
}

MatrixD LinearClassifier::weights() const {
  check_fitted();
  return transform_.to_features(map_.weights);
}

at::Tensor LinearClassifier::logits(const at::Tensor& windows, const at::Tensor& weights) const {
  check_fitted();
  if (windows.dim() != 3 || windows.size(2) != transform_.features() || weights.dim() != 2 ||
      weights.size(0) != windows.size(0) || weights.size(1) != windows.size(1)) {
    throw ShapeError(fmt::format("found windows of {} and weights of {} dimensions, expected (B, T, {}) and (B, T)",
                                 windows.dim(), weights.dim(), transform_.features()));
  }
  const std::vector<int>& selected = transform_.selected();
  at::Tensor columns = at::empty({static_cast<std::int64_t>(selected.size())}, at::kLong);
  std::copy(selected.begin(), selected.end(), columns.mutable_data_ptr<std::int64_t>());
  const MatrixD all = this->weights();
  const MatrixD used = all(Eigen::all, selected);
  // Centred before they are multiplied: large means would cost digits.
  const at::Tensor mean = at::matmul(weights.unsqueeze(1), at::index_select(windows, 2, columns)).squeeze(1);  // (B, S)
  const at::Tensor centred = mean.sub(float_tensor(transform_.mean().cast<double>().transpose()));
  const at::Tensor intercepts = float_tensor(map_.intercepts.transpose());
  return at::matmul(centred, float_tensor(used.transpose())).add(intercepts);  // (B, K)
}

SafeTensors LinearClassifier::save() const {
  check_fitted();
  SafeTensors content;
  transform_.save(content);
  save_linear_model(content, kind(), map_, strength_);
  content.tensors["patterns"] = to_tensor(patterns_);
  return content;
}

std::unique_ptr<LinearClassifier> LinearClassifier::load(const SafeTensors& content) {
  FeatureTransform transform = FeatureTransform::load(content);
  StoredLinearModel stored = load_linear_model(content, transform.outputs());
  LinearClassifierOptions options;
  options.kind = kind_of(stored.kind);
  auto model = std::make_unique<LinearClassifier>(std::move(options));
  model->patterns_ = matrix_of(content, "patterns", stored.map.weights.rows(), transform.features());
  model->transform_ = std::move(transform);
  model->map_ = std::move(stored.map);
  model->strength_ = std::move(stored.strength);
  return model;
}

ClassifierFactory ridge_towards(const LinearClassifier& source) {
  if (source.kind() != "ridge") {
    throw UsageError(fmt::format("found a {} classifier to start from, expected ridge", source.kind()));
  }
  LinearClassifierOptions options;
  options.fitted_transform = source.transform();
  options.ridge.towards = source.map().weights;
  return linear_factory(std::move(options));
}

ClassifierFactory linear_factory(LinearClassifierOptions options) {
  return [options = std::move(options), cache = std::make_shared<RidgeCache>()](std::uint64_t) {
    return std::make_unique<LinearClassifier>(options, cache);
  };
}

}  // namespace noema
