// connectomics/learned_connectivity: modules whose parameters say how frames, matrices, nodes and neighbours count,
// each kept in its set by a constraint.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "noema/connectomics/constraints.h"
#include "noema/connectomics/modularity.h"
#include "noema/connectomics/smoothing.h"
#include "noema/connectomics/spd_means.h"

namespace noema {

struct LearnedStatesOptions {
  std::int64_t states = 1;
  std::int64_t frames = 0;
  double temperature = 1;
  /// Correlations instead of covariances.
  bool correlations = false;
  /// Start: Dirichlet of this concentration over states at each frame.
  double concentration = 50;
  std::uint64_t seed = 0;
  at::ScalarType type = at::kFloat;

  /// @throws UsageError
  void validate() const;
};

/// Soft states: weights of frames that are ≥ 0 and sum to 1 over the states, and each state's connectivity. One state
/// weighs all frames alike.
class LearnedStates : public torch::nn::Module {
 public:
  explicit LearnedStates(const LearnedStatesOptions& options);

  /// (…, C, T) → (…, K, C, C). @throws ShapeError
  at::Tensor forward(const at::Tensor& series) const;
  /// (K, T)
  at::Tensor probabilities() const;

 private:
  LearnedStatesOptions options_;
  at::Tensor free_;
};

struct LearnedFrameWeightsOptions {
  /// Connectivities side by side.
  std::int64_t outputs = 1;
  std::int64_t frames = 0;
  /// Above 0: instead of a weight of each frame, one of each lag from 1 to here, with lag 0 at 1.
  std::int64_t largest_lag = 0;
  bool correlations = false;
  at::ScalarType type = at::kFloat;

  /// @throws UsageError
  void validate() const;
};

/// Covariances by learned importances of frames (above 0, of mean 1; start: all 1) or of lags (within ±1; start:
/// exp(−lag)).
class LearnedFrameWeights : public torch::nn::Module {
 public:
  explicit LearnedFrameWeights(const LearnedFrameWeightsOptions& options);

  /// (…, C, T) → (…, O, C, C). @throws ShapeError; DataError for lags that leave no positive divisor
  at::Tensor forward(const at::Tensor& series) const;
  /// (O, T), or of lags 0 to the largest (O, L + 1).
  at::Tensor weights() const;

 private:
  LearnedFrameWeightsOptions options_;
  std::unique_ptr<Constraint> constraint_;
  at::Tensor free_;
};

/// The tangent space at a reference that is learned and stays positive definite.
class LearnedTangent : public torch::nn::Module {
 public:
  /// Starts at the identity (P, P). @throws UsageError
  explicit LearnedTangent(std::int64_t size, at::ScalarType type = at::kFloat);

  /// Starts at the mean of matrices (N, P, P). @throws as `spd_mean`
  void start_from(const at::Tensor& matrices, SpdMean mean = SpdMean::karcher, const SpdMeanOptions& options = {});
  /// (…, P, P) → (…, P, P). @throws ShapeError, NumericalError
  at::Tensor forward(const at::Tensor& matrices) const;
  at::Tensor reference() const;

 private:
  std::unique_ptr<Constraint> definite_;
  at::Tensor free_;
};

struct LearnedCommunitiesOptions {
  std::int64_t nodes = 0;
  std::int64_t communities = 0;
  double temperature = 1;
  double concentration = 50;
  std::uint64_t seed = 0;
  at::ScalarType type = at::kFloat;

  /// @throws UsageError
  void validate() const;
};

/// Memberships of nodes in communities, ≥ 0 and of sum 1 for each node.
class LearnedCommunities : public torch::nn::Module {
 public:
  explicit LearnedCommunities(const LearnedCommunitiesOptions& options);

  /// The loss −Q of networks (…, N, N): (…). @throws as `modularity`
  at::Tensor forward(const at::Tensor& adjacency, const ModularityOptions& options = {}) const;
  /// (N, K)
  at::Tensor memberships() const;
  /// (N): the community of the largest membership.
  at::Tensor labels() const;

 private:
  LearnedCommunitiesOptions options_;
  at::Tensor free_;
};

/// Smoothing whose σ is learned between two bounds, in the unit of the neighbours' distances.
class LearnedSmoothing : public torch::nn::Module {
 public:
  /// Starts in the middle. @throws UsageError unless 0 < least < most, most at most half of the largest distance
  LearnedSmoothing(Neighbours neighbours, double least, double most, at::ScalarType type = at::kFloat);

  /// (…, V, T) → (…, V, T). Differentiable once. @throws ShapeError
  at::Tensor forward(const at::Tensor& series) const;
  /// A number.
  at::Tensor sigma() const;

 private:
  Neighbours neighbours_;
  std::unique_ptr<Constraint> bounds_;
  at::Tensor free_;
};

struct LearnedConfoundsOptions {
  /// Confounds that there are, and mixtures of them that are removed.
  std::int64_t confounds = 0;
  std::int64_t mixtures = 0;
  /// Each confound also joins later by 1, 2, … so many frames (zeros before the first), with weights of their own.
  std::int64_t delays = 0;
  std::uint64_t seed = 0;
  at::ScalarType type = at::kFloat;

  /// @throws UsageError
  void validate() const;
};

/// Regression on few learned mixtures of many confounds (and of their delayed copies): each mixture's weights have
/// length 1, as its scale does not matter. Whatever is learned, no more than `mixtures` directions and the mean are
/// removed.
class LearnedConfounds : public torch::nn::Module {
 public:
  explicit LearnedConfounds(const LearnedConfoundsOptions& options);

  /// Series (…, F, T), confounds (…, K, T), weights of frames (…, T) or undefined: the residual (…, F, T).
  /// Differentiable once. @throws as `regress`
  at::Tensor forward(const at::Tensor& series, const at::Tensor& confounds, const at::Tensor& weights = {}) const;
  /// (M, K·(1 + delays)): first the confounds, then the copies by 1 frame …
  at::Tensor mixing() const;

 private:
  LearnedConfoundsOptions options_;
  std::unique_ptr<Constraint> sphere_;
  at::Tensor free_;
};

}  // namespace noema
