// Windows, soft states, and the recursions of hidden Markov chains.
#include "noema/connectomics/dynamic_states.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

struct Chain {
  std::int64_t frames = 0, states = 0;
};

Chain check_chain(const at::Tensor& log_density, const at::Tensor& log_initial, const at::Tensor& log_transition) {
  require_dimensions(log_density, "log densities", 2, "(…, T, K)");
  require_dimensions(log_initial, "log initial probabilities", 1, "(K)");
  require_square(log_transition, "log transition probabilities");
  const Chain chain{log_density.size(-2), log_density.size(-1)};
  require_size(log_initial, "log initial probabilities", -1, chain.states);
  require_size(log_transition, "log transition probabilities", -1, chain.states);
  if (chain.frames == 0) throw ShapeError("log densities: found no frames, expected (…, T, K) with T ≥ 1");
  return chain;
}

/// log Σ exp over an axis, −∞ with gradient 0 where all are −∞.
at::Tensor log_sum(const at::Tensor& values, std::int64_t axis) {
  const at::Tensor none = values.detach().amax(axis, true) == -std::numeric_limits<double>::infinity();
  const at::Tensor sum = at::logsumexp(at::where(none, at::zeros_like(values), values), axis);
  return at::where(none.squeeze(axis), at::full_like(sum, -std::numeric_limits<double>::infinity()), sum);
}

}  // namespace

at::Tensor window_weights(std::int64_t frames, const WindowOptions& options, const at::TensorOptions& type) {
  if (options.length < 1 || options.step < 1 || options.length > frames || !(options.taper_sd >= 0)) {
    throw UsageError(
        fmt::format("windows: found length {}, step {} and taper {} for {} frames, expected a length and a "
                    "step from 1 on, not longer than the series, and a taper from 0 on",
                    options.length, options.step, options.taper_sd, frames));
  }
  const std::int64_t count = (frames - options.length) / options.step + 1;
  const at::Tensor time = at::arange(frames, type), start = at::arange(count, type) * static_cast<double>(options.step);
  const at::Tensor from = time - start.unsqueeze(1);  // frames since the window's first
  at::Tensor weights;
  if (options.taper_sd == 0) {
    weights = (from >= 0).logical_and(from < static_cast<double>(options.length)).to(type);
  } else {
    const double scale = 1 / (std::numbers::sqrt2 * options.taper_sd);
    weights = at::erf((from + 0.5) * scale) - at::erf((from + 0.5 - static_cast<double>(options.length)) * scale);
  }
  return weights / weights.sum(1, true);
}

SoftStates soft_states(const at::Tensor& free, double temperature) {
  require_dimensions(free, "states", 2, "(…, K, T)");
  if (!(temperature > 0)) throw UsageError(fmt::format("states: found temperature {}, expected above 0", temperature));
  const at::Tensor probability = at::softmax(free / temperature, -2);
  return {probability, probability / probability.sum(-1, true).clamp_min(1e-30)};
}

at::Tensor normal_log_density(const at::Tensor& series, const at::Tensor& means, const at::Tensor& covariances) {
  require_dimensions(series, "series", 2, "(…, F, T)");
  require_dimensions(covariances, "covariances of states", 3, "(K, F, F)");
  require_square(covariances, "covariances of states");
  const std::int64_t features = series.size(-2);
  require_size(covariances, "covariances of states", -1, features);
  const auto [factor, failed] = at::linalg_cholesky_ex(covariances);
  if ((failed != 0).any().item<bool>()) {
    throw NumericalError("covariances of states: found one that is not positive definite; shrink it");
  }
  at::Tensor centred = series.unsqueeze(-3);  // (…, 1, F, T)
  if (means.defined()) {
    require_dimensions(means, "means of states", 2, "(K, F)");
    require_size(means, "means of states", 0, covariances.size(0));
    require_size(means, "means of states", 1, features);
    centred = centred - means.unsqueeze(-1);
  }
  const at::Tensor white = at::linalg_solve_triangular(factor, centred, /*upper=*/false);  // (…, K, F, T)
  const at::Tensor volume =
      factor.diagonal(0, -2, -1).log().sum(-1) + 0.5 * static_cast<double>(features) * std::log(2 * std::numbers::pi);
  return -(0.5 * (white * white).sum(-2) + volume.unsqueeze(-1)).transpose(-1, -2);
}

ChainPosterior chain_posterior(const at::Tensor& log_density, const at::Tensor& log_initial,
                               const at::Tensor& log_transition) {
  const Chain chain = check_chain(log_density, log_initial, log_transition);
  const auto density = log_density.unbind(-2);
  const auto last = static_cast<std::size_t>(chain.frames - 1);
  std::vector<at::Tensor> forward{log_initial + density[0]};
  for (std::size_t t = 1; t <= last; ++t) {
    forward.push_back(log_sum(forward[t - 1].unsqueeze(-1) + log_transition, -2) + density[t]);
  }
  std::vector<at::Tensor> backward(last + 1);
  backward[last] = at::zeros_like(forward[last]);
  for (std::size_t t = last; t > 0; --t) {
    backward[t - 1] = log_sum(log_transition + (density[t] + backward[t]).unsqueeze(-2), -1);
  }
  const at::Tensor alpha = at::stack(forward, -2), beta = at::stack(backward, -2);  // (…, T, K)
  const at::Tensor evidence = log_sum(forward[last], -1);
  const at::Tensor whole = evidence.unsqueeze(-1).unsqueeze(-1);
  ChainPosterior posterior{at::exp(alpha + beta - whole), {}, evidence};
  const std::int64_t frames = chain.frames;
  const at::Tensor after = (log_density + beta).slice(-2, 1, frames);
  const at::Tensor joint = alpha.slice(-2, 0, frames - 1).unsqueeze(-1) + log_transition + after.unsqueeze(-2);
  posterior.transitions = at::exp(joint - whole.unsqueeze(-1)).sum(-3);
  return posterior;
}

at::Tensor most_probable_path(const at::Tensor& log_density, const at::Tensor& log_initial,
                              const at::Tensor& log_transition) {
  check_chain(log_density, log_initial, log_transition);
  const auto density = log_density.detach().unbind(-2);
  at::Tensor best = log_initial + density[0];
  std::vector<at::Tensor> came_from;
  for (std::size_t t = 1; t < density.size(); ++t) {
    const auto [value, from] = (best.unsqueeze(-1) + log_transition).max(-2);
    came_from.push_back(from);
    best = value + density[t];
  }
  std::vector<at::Tensor> path{best.argmax(-1, true)};
  for (std::size_t t = came_from.size(); t > 0; --t) path.push_back(came_from[t - 1].gather(-1, path.back()));
  return at::cat(path, -1).flip(-1);
}

}  // namespace noema
