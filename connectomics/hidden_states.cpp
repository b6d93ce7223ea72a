// Expectation and maximisation for hidden Markov states of normal frames.
#include <fmt/format.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/full.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <cmath>
#include <limits>
#include <optional>

#include "noema/connectomics/dynamic_states.h"
#include "noema/connectomics/k_means.h"
#include "noema/connectomics/shapes.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/random.h"

namespace noema {
namespace {

/// States from soft assignments (B, K, T).
void maximise(HiddenStates& states, const at::Tensor& series, const at::Tensor& assignment, const at::Tensor& common,
              const HiddenStatesOptions& options) {
  const std::int64_t features = series.size(1);
  const at::Tensor x = series.transpose(0, 1).reshape({features, -1});            // (F, B·T)
  const at::Tensor w = assignment.transpose(0, 1).reshape({options.states, -1});  // (K, B·T)
  const at::Tensor total = w.sum(1).clamp_min(1e-10);
  states.means = at::zeros({options.states, features}, x.options());
  if (options.means) states.means = w.matmul(x.t()) / total.unsqueeze(1);
  std::vector<at::Tensor> covariances;
  for (std::int64_t k = 0; k < options.states; ++k) {
    const at::Tensor centred = x - states.means[k].unsqueeze(1);
    const at::Tensor own = (centred * w[k]).matmul(centred.t()) / total[k];
    covariances.push_back((1 - options.shrinkage) * own + options.shrinkage * common);
  }
  states.covariances = at::stack(covariances);
}

/// (B, K, T): states of frames by clustering the products of features in short windows.
at::Tensor first_assignment(const at::Tensor& series, const HiddenStatesOptions& options, RandomStream& random) {
  const std::int64_t frames = series.size(2), features = series.size(1);
  const std::int64_t length = std::max<std::int64_t>(1, std::min<std::int64_t>(frames / (2 * options.states), 30));
  const std::int64_t windows = frames / length;
  const at::Tensor cut = series.slice(2, 0, windows * length).reshape({series.size(0), features, windows, length});
  const at::Tensor products = at::einsum("bfwl,bgwl->bwfg", {cut, cut}) / static_cast<double>(length);
  const at::Tensor means = cut.mean(3).transpose(1, 2);
  const at::Tensor points = options.means ? at::cat({products.flatten(2), means}, 2) : products.flatten(2);
  const KMeansOptions few{.clusters = options.states, .iterations = 30, .starts = 1, .seed = random.next()};
  const at::Tensor label = k_means(points.flatten(0, 1), few).labels.reshape({series.size(0), windows});
  const at::Tensor of_frame =
      (at::arange(frames, label.options()) / length).floor().to(at::kLong).clamp_max(windows - 1);
  const at::Tensor hard = at::one_hot(label.index_select(1, of_frame), options.states).to(series.scalar_type());
  return (0.9 * hard + 0.1 / static_cast<double>(options.states)).transpose(1, 2);
}

HiddenStates fit_once(const at::Tensor& series, const at::Tensor& common, const HiddenStatesOptions& options,
                      int start) {
  RandomStream random(options.seed, "hidden states", {static_cast<std::uint64_t>(start)});
  const auto k = static_cast<double>(options.states);
  HiddenStates states;
  states.log_initial = at::full({options.states}, -std::log(k), series.options());
  const double stay = 0.95;
  at::Tensor transition =
      at::full({options.states, options.states}, options.states > 1 ? (1 - stay) / (k - 1) : 1.0, series.options());
  if (options.states > 1) transition.fill_diagonal_(stay);
  states.log_transition = transition.log();
  maximise(states, series, first_assignment(series, options, random), common, options);
  const auto frames = static_cast<double>(series.size(0) * series.size(2));
  states.log_evidence = -std::numeric_limits<double>::infinity();
  for (states.iterations = 0;; ++states.iterations) {
    check_cancelled();
    const ChainPosterior posterior = state_posterior(states, series);
    const double evidence = posterior.log_evidence.sum().item<double>() / frames;
    states.converged = evidence - states.log_evidence < options.tolerance;
    states.log_evidence = evidence;
    if (states.converged || states.iterations == options.iterations) break;
    maximise(states, series, posterior.probability.transpose(1, 2), common, options);
    const at::Tensor moves = posterior.transitions.sum(0) + 1e-6;
    states.log_transition = (moves / moves.sum(1, true)).log();
    const at::Tensor first = posterior.probability.select(1, 0).mean(0) + 1e-6;
    states.log_initial = (first / first.sum()).log();
  }
  return states;
}

}  // namespace

void HiddenStatesOptions::validate() const {
  if (states < 1 || iterations < 1 || starts < 1 || !(tolerance >= 0) || !(shrinkage >= 0 && shrinkage <= 1)) {
    throw UsageError(
        "hidden states: expected states, iterations and starts from 1 on, a tolerance from 0 on and a "
        "shrinkage from 0 to 1");
  }
}

HiddenStates fit_hidden_states(const at::Tensor& series, const HiddenStatesOptions& options) {
  options.validate();
  require_dimensions(series, "series", 3, "(B, F, T)");
  if (series.dim() != 3 || series.size(1) == 0) {
    throw ShapeError(fmt::format("series: found shape {}, expected (B, F, T) with F ≥ 1", shape_text(series.sizes())));
  }
  if (series.size(0) == 0 || series.size(2) < options.states) {
    throw DataError(
        fmt::format("hidden states: found {} series of {} frames, expected at least as many frames as the {} "
                    "states",
                    series.size(0), series.size(2), options.states));
  }
  const at::Tensor x = series.detach();
  const at::Tensor all = x.transpose(0, 1).reshape({x.size(1), -1});
  const at::Tensor centred = options.means ? all - all.mean(1, true) : all;
  const at::Tensor common = centred.matmul(centred.t()) / static_cast<double>(all.size(1));
  std::optional<HiddenStates> best;
  for (int start = 0; start < options.starts; ++start) {
    HiddenStates found = fit_once(x, common, options, start);
    if (!best || found.log_evidence > best->log_evidence) best = std::move(found);
  }
  if (!best->converged) {
    log_warning(fmt::format(
        "hidden states: found the log evidence still rising by {} or more per frame after {} iterations; the "
        "states so far are used, more iterations would fit better",
        options.tolerance, options.iterations));
  }
  return *best;
}

ChainPosterior state_posterior(const HiddenStates& states, const at::Tensor& series) {
  return chain_posterior(normal_log_density(series, states.means, states.covariances), states.log_initial,
                         states.log_transition);
}

}  // namespace noema
