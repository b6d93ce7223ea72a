// Reductions, schedules and sums of losses.
#include "noema/connectomics/losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/scalar_tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

/// `outer` after `inner`, with the axes spelled out.
template <class Outer>
Reduction nested(Axes axes, Reduction inner, Outer outer) {
  return [axes = std::move(axes), inner = std::move(inner), outer = std::move(outer)](const at::Tensor& scores) {
    const at::Tensor s = inner ? inner(scores) : scores;
    Axes used = axes;
    for (std::int64_t axis = 0; axes.empty() && axis < s.dim(); ++axis) used.push_back(axis);
    return outer(s, used);
  };
}

}  // namespace

Reduction sum_reduction(Axes axes, Reduction inner) {
  return nested(std::move(axes), std::move(inner),
                [](const at::Tensor& s, const Axes& over) { return over.empty() ? s : s.sum(over); });
}

Reduction mean_reduction(Axes axes, Reduction inner) {
  return nested(std::move(axes), std::move(inner),
                [](const at::Tensor& s, const Axes& over) { return over.empty() ? s : s.mean(over); });
}

Reduction mean_square_reduction(Axes axes, Reduction inner) {
  return nested(std::move(axes), std::move(inner),
                [](const at::Tensor& s, const Axes& over) { return over.empty() ? s * s : (s * s).mean(over); });
}

Reduction max_reduction(Axes axes, Reduction inner) {
  return nested(std::move(axes), std::move(inner),
                [](const at::Tensor& s, const Axes& over) { return over.empty() ? s : s.amax(over); });
}

Reduction norm_reduction(double p, Axes axes, Reduction inner) {
  if (!(p >= 0)) throw UsageError(fmt::format("norm: found p = {}, expected 0 or more", p));
  return nested(std::move(axes), std::move(inner),
                [p](const at::Tensor& s, const Axes& over) { return at::linalg_vector_norm(s, p, over); });
}

Reduction weighted_mean_reduction(at::Tensor weights, Axes axes, Reduction inner) {
  return nested(std::move(axes), std::move(inner),
                [weights = std::move(weights)](const at::Tensor& s, const Axes& over) {
                  const at::Tensor w = weights.to(s.scalar_type()).expand(s.sizes());
                  const at::Tensor total = w.sum(over);
                  if ((total == 0).any().item<bool>())
                    throw DataError("weighted mean: found weights that sum to 0, expected another sum");
                  return (w * s).sum(over) / total;
                });
}

Reduction soft_max_reduction(double temperature, bool gradient_of_weights, Axes axes, Reduction inner) {
  if (!(temperature > 0))
    throw UsageError(fmt::format("soft maximum: found temperature {}, expected above 0", temperature));
  return nested(std::move(axes), std::move(inner), [=](const at::Tensor& s, const Axes& over) {
    at::Tensor logits = s / temperature;
    if (!gradient_of_weights) logits = logits.detach();
    const at::Tensor raised = at::exp(logits - logits.detach().amax(over, true));
    return (s * raised / raised.sum(over, true)).sum(over);
  });
}

Schedule constant_schedule(double weight) {
  return [weight](std::int64_t) { return weight; };
}

Schedule ramp_schedule(double first, double last, std::int64_t begin, std::int64_t end) {
  if (end <= begin)
    throw UsageError(fmt::format("ramp: found steps {} to {}, expected the end after the begin", begin, end));
  return [=](std::int64_t step) {
    const double share = static_cast<double>(step - begin) / static_cast<double>(end - begin);
    return first + (last - first) * std::clamp(share, 0.0, 1.0);
  };
}

Schedule decay_schedule(double weight, double time) {
  if (!(time > 0)) throw UsageError(fmt::format("decay: found time {}, expected above 0 steps", time));
  return [=](std::int64_t step) { return weight * std::exp(-static_cast<double>(step) / time); };
}

Schedule cascade_schedule(std::vector<double> plateaus, std::vector<std::int64_t> centres, double width) {
  if (plateaus.size() != centres.size() + 1 || !std::is_sorted(centres.begin(), centres.end()) || !(width >= 0)) {
    throw UsageError(
        fmt::format("cascade: found {} plateaus, {} steps and width {}, expected one plateau more than "
                    "rising steps and a width from 0 on",
                    plateaus.size(), centres.size(), width));
  }
  return [=](std::int64_t step) {
    double weight = plateaus[0];
    for (std::size_t i = 0; i < centres.size(); ++i) {
      const auto past = static_cast<double>(step - centres[i]);
      const double share = width > 0 ? 1 / (1 + std::exp(-past / width)) : (past >= 0 ? 1.0 : 0.0);
      weight += share * (plateaus[i + 1] - plateaus[i]);
    }
    return weight;
  };
}

LossSum evaluate_losses(const std::vector<LossTerm>& terms, std::int64_t step) {
  if (terms.empty()) throw UsageError("losses: found none, expected at least one term");
  LossSum result;
  std::set<std::string> names;
  for (const LossTerm& term : terms) {
    if (!names.insert(term.name).second) throw UsageError(fmt::format("losses: found two terms named '{}'", term.name));
    const double weight = term.weight ? term.weight(step) : 1.0;
    if (weight == 0) {
      result.terms.push_back({term.name, std::numeric_limits<double>::quiet_NaN(), 0});
      continue;
    }
    const at::Tensor value = term.value();
    if (!value.defined() || value.dim() != 0) {
      throw ShapeError(fmt::format("loss '{}': found shape {}, expected one number; reduce it", term.name,
                                   value.defined() ? shape_text(value.sizes()) : "none"));
    }
    result.terms.push_back({term.name, value.item<double>(), weight});
    result.total = result.total.defined() ? result.total + weight * value : weight * value;
  }
  if (!result.total.defined()) result.total = at::scalar_tensor(0.0, at::kDouble);
  return result;
}

at::Tensor unilateral(const at::Tensor& s) { return at::relu(s); }

at::Tensor constraint_violation(const std::vector<at::Tensor>& constraints) {
  if (constraints.empty()) throw UsageError("constraints: found none, expected at least one");
  at::Tensor worst = at::relu(constraints[0]);
  for (std::size_t i = 1; i < constraints.size(); ++i) worst = at::maximum(worst, constraints[i]);
  return worst;
}

at::Tensor hinge(const at::Tensor& score, const at::Tensor& target) {
  require_dimensions(score, "scores", 0, "(…)");
  if (score.sizes() != target.sizes()) {
    throw ShapeError(
        fmt::format("hinge: found targets {}, expected {}", shape_text(target.sizes()), shape_text(score.sizes())));
  }
  return at::relu(1 - target * score);
}

at::Tensor roughness(const at::Tensor& values, std::int64_t axis, int n) {
  if (n < 1) throw UsageError(fmt::format("roughness: found order {}, expected 1 or more", n));
  require_dimensions(values, "values", 1, "(…, T, …)");
  return values.diff(n, axis);
}

at::Tensor bimodality(const at::Tensor& s, double a, double b) {
  return ((s - (a + b) / 2).abs() - std::abs(b - a) / 2).abs();
}

}  // namespace noema
