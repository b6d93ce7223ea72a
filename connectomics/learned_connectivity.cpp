// Modules around the functions of the room.
#include "noema/connectomics/learned_connectivity.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <fmt/format.h>

#include <utility>

#include "noema/connectomics/covariance.h"
#include "noema/connectomics/dynamic_states.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/regression.h"
#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

at::Tensor connectivity(const at::Tensor& series, const CovarianceOptions& options, bool correlations) {
  const at::Tensor each = series.unsqueeze(-3);
  return correlations ? correlation(each, options) : covariance(each, options);
}

/// Free numbers whose softmax over `axis` starts near equal shares.
at::Tensor dirichlet_start(std::int64_t shares, std::int64_t columns, double concentration, std::uint64_t seed,
                           double temperature) {
  return simplex_constraint({.axis = 0, .temperature = temperature, .minimum = 1e-12})
      ->invert(dirichlet_columns(shares, columns, concentration, seed));
}

}  // namespace

void LearnedStatesOptions::validate() const {
  if (states < 1 || frames < 2 || !(temperature > 0) || !(concentration > 0)) {
    throw UsageError(
        fmt::format("learned states: found {} states, {} frames, temperature {} and concentration {}, expected a state "
                    "or more, two frames or more and both others above 0",
                    states, frames, temperature, concentration));
  }
}

LearnedStates::LearnedStates(const LearnedStatesOptions& options) : options_(options) {
  options.validate();
  const at::Tensor start =
      dirichlet_start(options.states, options.frames, options.concentration, options.seed, options.temperature);
  free_ = register_parameter("free_states", start.to(options.type));
}

at::Tensor LearnedStates::probabilities() const { return soft_states(free_, options_.temperature).probability; }

at::Tensor LearnedStates::forward(const at::Tensor& series) const {
  require_dimensions(series, "series", 2, "(…, C, T)");
  require_size(series, "series", -1, options_.frames);
  return connectivity(series, {.weights = probabilities()}, options_.correlations);
}

void LearnedFrameWeightsOptions::validate() const {
  if (outputs < 1 || frames < 2 || largest_lag < 0 || largest_lag >= frames) {
    throw UsageError(fmt::format(
        "learned frame weights: found {} outputs, {} frames and largest lag {}, expected an output or more, "
        "two frames or more and a lag from 0 to below the frames",
        outputs, frames, largest_lag));
  }
}

LearnedFrameWeights::LearnedFrameWeights(const LearnedFrameWeightsOptions& options) : options_(options) {
  options.validate();
  at::Tensor start;
  if (options.largest_lag > 0) {
    constraint_ = bounded_constraint(-1, 1);
    start = at::exp(-at::arange(1, options.largest_lag + 1, at::kDouble)).expand({options.outputs, -1});
  } else {
    constraint_ = simplex_constraint({.axis = -1, .minimum = 1e-12});
    start = at::full({options.outputs, options.frames}, 1 / static_cast<double>(options.frames), at::kDouble);
  }
  free_ = register_parameter("free_weights", constraint_->invert(start).to(options.type).contiguous());
}

at::Tensor LearnedFrameWeights::weights() const {
  const at::Tensor inside = constraint_->apply(free_);
  if (options_.largest_lag == 0) return inside * static_cast<double>(options_.frames);
  return at::cat({at::ones({options_.outputs, 1}, free_.options().requires_grad(false)), inside}, -1);
}

at::Tensor LearnedFrameWeights::forward(const at::Tensor& series) const {
  require_dimensions(series, "series", 2, "(…, C, T)");
  require_size(series, "series", -1, options_.frames);
  CovarianceOptions options;
  if (options_.largest_lag > 0) {
    options.frame_matrix = lag_matrix(weights(), 0, options_.frames);
  } else {
    options.weights = weights();
  }
  return connectivity(series, options, options_.correlations);
}

LearnedTangent::LearnedTangent(std::int64_t size, at::ScalarType type)
    : definite_(spd_constraint({.floor = type == at::kFloat ? 1e-6 : 1e-10})) {
  if (size < 1) throw UsageError(fmt::format("learned tangent: found size {}, expected 1 or more", size));
  free_ = register_parameter("free_reference", definite_->invert(at::eye(size, type)));
}

void LearnedTangent::start_from(const at::Tensor& matrices, SpdMean mean, const SpdMeanOptions& options) {
  const at::NoGradGuard no_gradients;
  const at::Tensor reference = spd_mean(matrices.to(free_.options().requires_grad(false)), mean, options);
  require_dimensions(reference, "reference", 2, "(P, P)");
  require_size(reference, "reference", -1, free_.size(-1));
  free_.copy_(definite_->invert(reference));
}

at::Tensor LearnedTangent::reference() const { return definite_->apply(free_); }

at::Tensor LearnedTangent::forward(const at::Tensor& matrices) const { return to_tangent(matrices, reference()); }

void LearnedCommunitiesOptions::validate() const {
  if (nodes < 1 || communities < 1 || !(temperature > 0) || !(concentration > 0)) {
    throw UsageError(fmt::format(
        "learned communities: found {} nodes, {} communities, temperature {} and concentration {}, expected "
        "all above 0",
        nodes, communities, temperature, concentration));
  }
}

LearnedCommunities::LearnedCommunities(const LearnedCommunitiesOptions& options) : options_(options) {
  options.validate();
  const at::Tensor start =
      dirichlet_start(options.communities, options.nodes, options.concentration, options.seed, options.temperature);
  free_ = register_parameter("free_memberships", start.t().contiguous().to(options.type));
}

at::Tensor LearnedCommunities::memberships() const {
  return simplex_constraint({.axis = -1, .temperature = options_.temperature})->apply(free_);
}

at::Tensor LearnedCommunities::forward(const at::Tensor& adjacency, const ModularityOptions& options) const {
  return modularity_loss(adjacency, memberships(), options);
}

at::Tensor LearnedCommunities::labels() const { return free_.detach().argmax(-1); }

LearnedSmoothing::LearnedSmoothing(Neighbours neighbours, double least, double most, at::ScalarType type)
    : neighbours_(std::move(neighbours)), bounds_(bounded_constraint(least, most)) {
  const double reach = neighbours_.distance.numel() == 0 ? 0 : neighbours_.distance.max().item<double>();
  if (!(least > 0) || !(most <= reach / 2)) {
    throw UsageError(
        fmt::format("learned smoothing: found σ from {} to {} with neighbours up to {}, expected σ above 0 and up to "
                    "half of that; take more neighbours",
                    least, most, reach));
  }
  free_ = register_parameter("free_sigma", bounds_->invert(at::full({}, (least + most) / 2, type)));
}

at::Tensor LearnedSmoothing::sigma() const { return bounds_->apply(free_); }

at::Tensor LearnedSmoothing::forward(const at::Tensor& series) const {
  return smooth_vertices(series, neighbours_, sigma());
}

void LearnedConfoundsOptions::validate() const {
  if (confounds < 1 || mixtures < 1 || delays < 0 || mixtures > confounds * (1 + delays)) {
    throw UsageError(
        fmt::format("learned confounds: found {} confounds, {} mixtures and {} delays, expected a confound or more, "
                    "delays from 0 on and 1 to {} mixtures",
                    confounds, mixtures, delays, confounds * (1 + delays)));
  }
}

LearnedConfounds::LearnedConfounds(const LearnedConfoundsOptions& options)
    : options_(options), sphere_(sphere_constraint()) {
  options.validate();
  const at::Tensor start =
      normal_numbers({options.mixtures, options.confounds * (1 + options.delays)}, options.seed, "confound mixtures");
  free_ = register_parameter("free_mixing", sphere_->invert(start).to(options.type));
}

at::Tensor LearnedConfounds::mixing() const { return sphere_->apply(free_); }

at::Tensor LearnedConfounds::forward(const at::Tensor& series, const at::Tensor& confounds,
                                     const at::Tensor& weights) const {
  require_dimensions(confounds, "confounds", 2, "(…, K, T)");
  require_size(confounds, "confounds", -2, options_.confounds);
  std::vector<at::Tensor> all{confounds};
  for (std::int64_t delay = 1; delay <= options_.delays; ++delay) {
    all.push_back(at::constant_pad_nd(confounds, {delay, -delay}));
  }
  return regress_out(series, mixing().matmul(at::cat(all, -2)), weights);
}

}  // namespace noema
