// connectomics/losses: losses put together from a score, a reduction to one number and a weight that may change.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace noema {

/// From a tensor of scores to fewer numbers; those below reduce over `axes` (empty: all). They nest: the `inner`
/// reduction goes first, so `mean({}, norm(2, {-1}))` is the mean of the rows' lengths.
using Reduction = std::function<at::Tensor(const at::Tensor&)>;
using Axes = std::vector<std::int64_t>;

Reduction sum_reduction(Axes axes = {}, Reduction inner = nullptr);
Reduction mean_reduction(Axes axes = {}, Reduction inner = nullptr);
Reduction mean_square_reduction(Axes axes = {}, Reduction inner = nullptr);
Reduction max_reduction(Axes axes = {}, Reduction inner = nullptr);
/// (Σ|s|^p)^(1/p); p = 0 counts what is not 0 (no gradient). Gradient 0 at a vector of zeros. @throws UsageError p < 0
Reduction norm_reduction(double p = 2, Axes axes = {}, Reduction inner = nullptr);
/// Σ w·s / Σ w, with weights that broadcast to the scores. @throws DataError when called if Σ w = 0
Reduction weighted_mean_reduction(at::Tensor weights, Axes axes = {}, Reduction inner = nullptr);
/// Σ softmax(s / temperature)·s: near the largest score for small temperatures, the mean for large ones. Gradients go
/// through the weights only if asked. @throws UsageError
Reduction soft_max_reduction(double temperature = 1, bool gradient_of_weights = false, Axes axes = {},
                             Reduction inner = nullptr);

/// The weight of a loss at a step.
using Schedule = std::function<double(std::int64_t step)>;

Schedule constant_schedule(double weight);
/// From `first` at step `begin` in a line to `last` at step `end`, constant before and after. @throws UsageError
Schedule ramp_schedule(double first, double last, std::int64_t begin, std::int64_t end);
/// weight·exp(−step / time), time in steps. @throws UsageError
Schedule decay_schedule(double weight, double time);
/// Plateaus with smooth transitions: from `plateaus[i]` to `plateaus[i + 1]` around step `centres[i]` along a logistic
/// curve of `width` steps; width 0: at once. @throws UsageError unless there is one plateau more than centres, in order
Schedule cascade_schedule(std::vector<double> plateaus, std::vector<std::int64_t> centres, double width = 0);

struct LossTerm {
  std::string name;
  /// A scalar, before its weight.
  std::function<at::Tensor()> value;
  Schedule weight;
};
struct LossValue {
  std::string name;
  double value = 0;
  double weight = 0;
};
struct LossSum {
  at::Tensor total;  // scalar, with gradients
  std::vector<LossValue> terms;
};
/// Σ weight(step)·value. Terms of weight 0 are not computed; their value is NaN.
/// @throws ShapeError if a value is not a scalar; UsageError without terms or for two of one name
LossSum evaluate_losses(const std::vector<LossTerm>& terms, std::int64_t step);

// Scores: to be reduced.

/// max(0, s).
at::Tensor unilateral(const at::Tensor& s);
/// max(0, c_1, c_2, …): the violation of constraints c ≤ 0, of values that broadcast. @throws UsageError without any
at::Tensor constraint_violation(const std::vector<at::Tensor>& constraints);
/// max(0, 1 − target·score), targets ±1. @throws ShapeError
at::Tensor hinge(const at::Tensor& score, const at::Tensor& target);
/// The n-th difference along an axis: signed, to be reduced by a norm. @throws UsageError for n < 1
at::Tensor roughness(const at::Tensor& values, std::int64_t axis = -1, int n = 1);
/// Distance from the nearer of two modes, ||s − (a + b)/2| − |b − a|/2|.
at::Tensor bimodality(const at::Tensor& s, double a = 0, double b = 1);

}  // namespace noema
