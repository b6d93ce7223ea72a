// interpret/attribution: how much each feature of each volume speaks for a label, by a model that can be
// differentiated.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/series.h"
#include "noema/learn/classifier.h"

namespace noema {

/// What is explained is the margin of the target: its decision minus the mean decision of the other classes.
enum class AttributionMethod {
  gradient,          ///< ∂margin/∂x: sensitivity. Signed.
  input_x_gradient,  ///< x · ∂margin/∂x: relevance against a baseline of zero, first order.
  integrated_gradients,  ///< x · ∫₀¹ ∂margin/∂x (αx) dα, midpoint rule. Sundararajan et al. 2017, arXiv:1703.01365.
  smooth_gradient,  ///< Mean gradient at noisy copies of x. Smilkov et al. 2017, arXiv:1706.03825.
  occlusion,        ///< Margin minus the margin with a group of features set to zero. Zeiler & Fergus 2014.
};

/// The facts that decide how a map of this method may be read.
struct AttributionFacts {
  AttributionMethod method;
  std::string_view name;  ///< "integrated-gradients" …
  /// Multiplied by the input, so it follows the square of a linear map and is compared by absolute or positive parts.
  bool is_relevance = false;
  /// Measures against a baseline (zero: the mean of z-scored series).
  bool needs_baseline = false;
  /// Its sum over features and volumes equals the margin minus the margin of the baseline, up to the reported residual.
  bool is_complete = false;
};

/// All methods, in the order of the enumeration.
std::span<const AttributionFacts> attribution_methods();
const AttributionFacts& facts_of(AttributionMethod method);
/// @throws UsageError naming the nearest method.
AttributionMethod attribution_method(std::string_view name);

struct AttributionOptions {
  AttributionMethod method = AttributionMethod::gradient;
  /// integrated_gradients: points of the midpoint rule.
  int steps = 32;
  /// smooth_gradient: noisy copies, and the noise's standard deviation as a share of that of the inputs.
  int draws = 16;
  double noise = 0.15;
  /// occlusion: features set to zero together; empty: each by itself. A feature of a group gets the group's effect
  /// divided by its size.
  std::vector<std::vector<std::int64_t>> groups;
  std::uint64_t seed = 0;
  /// Windows that go through the model at once.
  int batch = 32;

  /// @throws UsageError
  void validate() const;
};

struct Attribution {
  at::Tensor values;  // (N, T, F) float32; zero where padded
  /// (N): margin minus margin of the baseline minus the sum of the values; NaN for methods that are not complete.
  std::vector<double> residual;
  /// (N): margin of each window.
  std::vector<double> margin;
};

/// Attributes the margin of `targets[n]` to the volumes and features of window n.
/// @throws ShapeError if targets and windows differ in number or a target is no class; UsageError for bad options;
/// Cancelled
Attribution attribute(const DifferentiableClassifier& model, const Windows& windows, std::span<const int> targets,
                      const AttributionOptions& options = {});

/// (N): decision of the target minus the mean decision of the other classes. Differentiable in `logits` (N, K).
at::Tensor target_margin(const at::Tensor& logits, std::span<const int> targets);

/// Groups of features for occlusion: each feature by itself where there are at most `most`, else (voxels) cubes of
/// voxels, as small as that limit allows.
std::vector<std::vector<std::int64_t>> occlusion_groups(const FeatureSpace& features, std::int64_t most = 500);

}  // namespace noema
