#include "noema/decoders/connectivity_classifier.h"

#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/connectomics/precision.h"
#include "noema/connectomics/shapes.h"
#include "noema/connectomics/spd_means.h"
#include "noema/connectomics/symmetric.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/learn/linear_model_file.h"
#include "noema/learn/tensors.h"

namespace noema {
namespace {

constexpr const char* kKindKey = "connectivity";
constexpr const char* kReferenceName = "connectivity.reference";

/// Fisher's z, finite at ±1.
float fisher_z(double correlation) {
  constexpr double kMost = 1 - 1e-7;
  return static_cast<float>(std::atanh(std::clamp(correlation, -kMost, kMost)));
}

/// (volumes, F): the columns centred and of unit length; zeros where a feature does not vary.
MatrixD normalised(const MatrixF& values, const std::vector<int>& volumes) {
  MatrixD rows = values(volumes, Eigen::all).cast<double>();
  const Eigen::RowVectorXd raw = rows.colwise().squaredNorm();
  rows.rowwise() -= rows.colwise().mean().eval();
  for (std::int64_t f = 0; f < rows.cols(); ++f) {
    const double squares = rows.col(f).squaredNorm();
    rows.col(f) *= squares > 1e-12 * raw(f) ? 1 / std::sqrt(squares) : 0;
  }
  return rows;
}

void require_connectivity(const SampleSet& set) {
  if (connectivity_applies(set)) return;
  throw DataError(
      fmt::format("connectivity needs at least {} volumes in every sample and between 2 and {} features, "
                  "found {} features: use samples that are runs, and parcels or maps",
                  kFewestConnectivityVolumes, kMostConnectivityFeatures, set.features()));
}

}  // namespace

bool connectivity_applies(const SampleSet& set) {
  const std::int64_t features = set.features();
  return features >= 2 && features <= kMostConnectivityFeatures &&
         std::all_of(set.samples.begin(), set.samples.end(), [](const Sample& sample) {
           return sample.volumes.size() >= static_cast<std::size_t>(kFewestConnectivityVolumes);
         });
}

MatrixF connectivity(const SampleSet& set) {
  require_connectivity(set);
  const std::int64_t features = set.features();
  MatrixF result(set.size(), features * (features - 1) / 2);
  for (std::int64_t n = 0; n < set.size(); ++n) {
    check_cancelled();
    const Sample& sample = set.samples[static_cast<std::size_t>(n)];
    const MatrixD rows = normalised(set.runs->at(static_cast<std::size_t>(sample.run)).series.values, sample.volumes);
    const MatrixD correlations = rows.transpose() * rows;  // (F, F)
    std::int64_t pair = 0;
    for (std::int64_t i = 1; i < features; ++i) {
      for (std::int64_t j = 0; j < i; ++j) {
        constexpr double kMost = 1 - 1e-7;
        result(n, pair++) = static_cast<float>(std::atanh(std::clamp(correlations(i, j), -kMost, kMost)));
      }
    }
  }
  return result;
}

namespace {

/// (N, F, F), shrunk by Ledoit and Wolf.
at::Tensor covariances(const SampleSet& set) {
  require_connectivity(set);
  std::vector<at::Tensor> all;
  for (const Sample& sample : set.samples) {
    check_cancelled();
    const MatrixF& values = set.runs->at(static_cast<std::size_t>(sample.run)).series.values;
    const MatrixD rows = values(sample.volumes, Eigen::all).cast<double>().transpose();
    all.push_back(estimate_covariance(tensor_of(rows), CovarianceEstimator::ledoit_wolf));
  }
  return at::stack(all);
}

/// As `connectivity`, of partial correlations.
MatrixF partial_correlations(const SampleSet& set) {
  const at::Tensor all = partial_correlation(precision(covariances(set)));
  const std::int64_t features = set.features();
  MatrixF result(set.size(), features * (features - 1) / 2);
  for (std::int64_t n = 0; n < set.size(); ++n) {
    const MatrixD matrix = to_matrix(all[n]);
    std::int64_t pair = 0;
    for (std::int64_t i = 1; i < features; ++i) {
      for (std::int64_t j = 0; j < i; ++j) result(n, pair++) = fisher_z(matrix(i, j));
    }
  }
  return result;
}

}  // namespace

void ConnectivityClassifierOptions::validate() const {
  ridge.validate();
  if (kind == ConnectivityKind::covariance || kind == ConnectivityKind::precision) {
    throw UsageError(
        fmt::format("fc-ridge: found the connectivity '{}', expected correlation, partial-correlation or tangent",
                    to_string(kind)));
  }
}

ConnectivityClassifier::ConnectivityClassifier(ConnectivityClassifierOptions options) : options_(std::move(options)) {
  options_.validate();
}

MatrixF ConnectivityClassifier::features_of(const SampleSet& samples) const {
  switch (options_.kind) {
    case ConnectivityKind::partial_correlation:
      return partial_correlations(samples);
    case ConnectivityKind::tangent:
      return to_matrix(pack_symmetric(to_tangent(covariances(samples), reference_), PackedDiagonal::scaled))
          .cast<float>();
    default:
      return connectivity(samples);
  }
}

void ConnectivityClassifier::fit(const SampleSet& train) {
  if (options_.kind == ConnectivityKind::tangent) reference_ = spd_mean(covariances(train), SpdMean::karcher);
  const MatrixF values = features_of(train);
  const std::vector<int> labels = train.labels();
  check_classes(train.size(), labels, train.classes);
  transform_ = FeatureTransform::fit({}, values, labels, train.classes);
  RidgeFit fitted = fit_ridge(transform_.apply(values), labels, train.classes, inner_groups(train), options_.ridge);
  map_ = std::move(fitted.map);
  strength_ = std::move(fitted.alpha);
}

ClassScores ConnectivityClassifier::predict(const SampleSet& samples) const {
  if (map_.weights.size() == 0) throw UsageError("an fc-ridge classifier was asked to predict before it was fitted");
  return {map_.decisions(transform_.apply(features_of(samples))), {}};
}

SafeTensors ConnectivityClassifier::save() const {
  if (map_.weights.size() == 0) throw UsageError("an fc-ridge classifier cannot be saved before it was fitted");
  SafeTensors content;
  transform_.save(content);
  save_linear_model(content, kind(), map_, strength_);
  content.metadata[kKindKey] = to_string(options_.kind);
  if (reference_.defined()) content.tensors[kReferenceName] = to_tensor_data(reference_);
  return content;
}

std::unique_ptr<ConnectivityClassifier> ConnectivityClassifier::load(const SafeTensors& content) {
  ConnectivityClassifierOptions options;
  // Files that do not say are of correlations.
  if (const auto name = content.metadata.find(kKindKey); name != content.metadata.end()) {
    options.kind = noema::connectivity_kind(name->second);
  }
  auto model = std::make_unique<ConnectivityClassifier>(options);
  if (options.kind == ConnectivityKind::tangent) {
    model->reference_ = tensor_of(content.tensor(kReferenceName));
    require_square(model->reference_, kReferenceName);
  }
  model->transform_ = FeatureTransform::load(content);
  StoredLinearModel stored = load_linear_model(content, model->transform_.outputs());
  if (stored.kind != model->kind()) {
    throw DataError(fmt::format("found a model of kind '{}', expected '{}'", stored.kind, model->kind()));
  }
  model->map_ = std::move(stored.map);
  model->strength_ = std::move(stored.strength);
  return model;
}

}  // namespace noema
