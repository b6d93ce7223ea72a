// Attribution by gradients and by occlusion, batch by batch.
#include "noema/interpret/attribution.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "noema/core/cancel.h"
#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/core/random.h"

namespace noema {
namespace {

constexpr std::array<AttributionFacts, 5> kMethods{{
    {AttributionMethod::gradient, "gradient", false, false, false},
    {AttributionMethod::input_x_gradient, "input-x-gradient", true, true, false},
    {AttributionMethod::integrated_gradients, "integrated-gradients", true, true, true},
    {AttributionMethod::smooth_gradient, "smooth-gradient", false, false, false},
    {AttributionMethod::occlusion, "occlusion", true, true, false},
}};

struct Batch {
  at::Tensor values;   // (B, T, F)
  at::Tensor weights;  // (B, T)
  std::span<const int> targets;
  std::uint64_t first = 0;  // index of its first window, for random draws
};

at::Tensor gradient_at(const DifferentiableClassifier& model, const Batch& batch, const at::Tensor& values) {
  const at::Tensor input = values.detach().clone().set_requires_grad(true);
  const at::Tensor margin = target_margin(model.logits(input, batch.weights), batch.targets).sum();
  return torch::autograd::grad({margin}, {input})[0].detach();  // (B, T, F)
}

at::Tensor margin_at(const DifferentiableClassifier& model, const Batch& batch, const at::Tensor& values) {
  return target_margin(model.logits(values, batch.weights).detach(), batch.targets);  // (B)
}

at::Tensor integrated(const DifferentiableClassifier& model, const Batch& batch, int steps) {
  at::Tensor sum = at::zeros_like(batch.values);
  for (int step = 0; step < steps; ++step) sum += gradient_at(model, batch, batch.values * ((step + 0.5) / steps));
  return batch.values * sum / steps;
}

at::Tensor smooth(const DifferentiableClassifier& model, const Batch& batch, const AttributionOptions& options) {
  const double sd = options.noise * batch.values.std().item<double>();
  at::Tensor sum = at::zeros_like(batch.values);
  const std::int64_t per_window = batch.values[0].numel();
  for (int draw = 0; draw < options.draws; ++draw) {
    at::Tensor noisy = batch.values.clone().contiguous();
    for (std::int64_t b = 0; b < noisy.size(0); ++b) {
      RandomStream random(options.seed, "smooth-gradient",
                          {batch.first + static_cast<std::uint64_t>(b), static_cast<std::uint64_t>(draw)});
      float* values = noisy.data_ptr<float>() + b * per_window;
      for (std::int64_t i = 0; i < per_window; ++i) values[i] += static_cast<float>(sd * random.normal());
    }
    sum += gradient_at(model, batch, noisy);
  }
  return sum / options.draws;
}

at::Tensor occlude(const DifferentiableClassifier& model, const Batch& batch, const AttributionOptions& options) {
  const at::Tensor whole = margin_at(model, batch, batch.values);
  at::Tensor result = at::zeros_like(batch.values);
  const std::int64_t features = batch.values.size(2);
  const bool singly = options.groups.empty();
  const std::int64_t count = singly ? features : static_cast<std::int64_t>(options.groups.size());
  for (std::int64_t g = 0; g < count; ++g) {
    check_cancelled();
    const std::vector<std::int64_t> group =
        singly ? std::vector<std::int64_t>{g} : options.groups[static_cast<std::size_t>(g)];
    const at::Tensor indices = at::tensor(group);
    at::Tensor without = batch.values.clone();
    without.index_fill_(2, indices, 0);
    const at::Tensor effect = (whole - margin_at(model, batch, without)) / static_cast<double>(group.size());  // (B)
    // Shared out over the volumes by their weights, so that the sum over time is the effect.
    const at::Tensor share = effect.unsqueeze(1) * batch.weights;  // (B, T)
    result.index_copy_(2, indices, share.unsqueeze(2).expand({-1, -1, indices.size(0)}));
  }
  return result;
}

at::Tensor attribute_batch(const DifferentiableClassifier& model, const Batch& batch,
                           const AttributionOptions& options) {
  switch (options.method) {
    case AttributionMethod::gradient:
      return gradient_at(model, batch, batch.values);
    case AttributionMethod::input_x_gradient:
      return batch.values * gradient_at(model, batch, batch.values);
    case AttributionMethod::integrated_gradients:
      return integrated(model, batch, options.steps);
    case AttributionMethod::smooth_gradient:
      return smooth(model, batch, options);
    case AttributionMethod::occlusion:
      return occlude(model, batch, options);
  }
  throw UsageError("found an unknown attribution method");
}

void check_windows(const Windows& windows, std::span<const int> targets) {
  if (windows.values.dim() != 3 || windows.weights.dim() != 2 || windows.values.size(0) != windows.weights.size(0) ||
      windows.values.size(1) != windows.weights.size(1)) {
    throw ShapeError("found windows and weights of other shapes than (N, T, F) and (N, T)");
  }
  if (static_cast<std::int64_t>(targets.size()) != windows.values.size(0)) {
    throw ShapeError(fmt::format("found {} targets for {} windows", targets.size(), windows.values.size(0)));
  }
}

}  // namespace

std::span<const AttributionFacts> attribution_methods() { return kMethods; }

const AttributionFacts& facts_of(AttributionMethod method) { return kMethods.at(static_cast<std::size_t>(method)); }

AttributionMethod attribution_method(std::string_view name) {
  std::vector<std::string> names;
  for (const AttributionFacts& facts : kMethods) {
    if (facts.name == name) return facts.method;
    names.emplace_back(facts.name);
  }
  throw UsageError(
      fmt::format("found the attribution method '{}', expected one of: {}{}", name, fmt::join(names, ", "),
                  nearest_match(name, names) ? "; did you mean " + *nearest_match(name, names) + "?" : ""));
}

void AttributionOptions::validate() const {
  if (steps < 1 || draws < 1 || batch < 1)
    throw UsageError("attribution needs at least one step, draw and window a batch");
  if (!(noise > 0))
    throw UsageError(fmt::format("found a noise of {} for smooth gradients, expected more than 0", noise));
}

at::Tensor target_margin(const at::Tensor& logits, std::span<const int> targets) {
  const std::int64_t classes = logits.size(1);
  if (classes < 2) throw ShapeError("found one class, a margin needs at least two");
  std::vector<float> contrast(targets.size() * static_cast<std::size_t>(classes),
                              -1.0F / static_cast<float>(classes - 1));
  for (std::size_t n = 0; n < targets.size(); ++n) {
    if (targets[n] < 0 || targets[n] >= classes) {
      throw ShapeError(fmt::format("found the target {}, expected 0 to {}", targets[n], classes - 1));
    }
    contrast[n * static_cast<std::size_t>(classes) + static_cast<std::size_t>(targets[n])] = 1;
  }
  const at::Tensor weights =
      at::from_blob(contrast.data(), {static_cast<std::int64_t>(targets.size()), classes}).clone().to(logits.dtype());
  return (logits * weights).sum(1);
}

Attribution attribute(const DifferentiableClassifier& model, const Windows& windows, std::span<const int> targets,
                      const AttributionOptions& options) {
  options.validate();
  check_windows(windows, targets);
  Attribution result;
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < windows.values.size(0); first += options.batch) {
    check_cancelled();
    const std::int64_t count = std::min<std::int64_t>(options.batch, windows.values.size(0) - first);
    const Batch batch{windows.values.narrow(0, first, count), windows.weights.narrow(0, first, count),
                      targets.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)),
                      static_cast<std::uint64_t>(first)};
    const at::Tensor padded_away = (batch.weights != 0).unsqueeze(2);
    parts.push_back(attribute_batch(model, batch, options) * padded_away);  // (B, T, F)
    const at::Tensor margin = margin_at(model, batch, batch.values);
    const at::Tensor baseline = margin_at(model, batch, at::zeros_like(batch.values));
    const at::Tensor residual = margin - baseline - parts.back().sum({1, 2});
    for (std::int64_t b = 0; b < count; ++b) {
      result.margin.push_back(margin[b].item<double>());
      result.residual.push_back(facts_of(options.method).is_complete ? residual[b].item<double>()
                                                                     : std::numeric_limits<double>::quiet_NaN());
    }
  }
  result.values = parts.empty() ? at::zeros_like(windows.values) : at::cat(parts);
  return result;
}

}  // namespace noema
