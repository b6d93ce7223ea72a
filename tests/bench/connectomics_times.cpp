// connectomics_times: seconds of the blocks, forward and forward + backward, one line of JSON each.
// Usage: connectomics_times [NAME_PART], where only rows whose name contains NAME_PART run.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

#include "noema/connectomics/covariance.h"
#include "noema/connectomics/eigenmaps.h"
#include "noema/connectomics/precision.h"
#include "noema/connectomics/second_moment.h"
#include "noema/connectomics/spd_means.h"
#include "noema/core/memory.h"
#include "raw_array.h"

using noema::report_times;

namespace {

/// Points spread evenly on a sphere, tied to those closer than 0.06 radii (about 53) by a Gaussian of 0.02.
noema::SparseNetwork sphere(std::int64_t nodes) {
  std::vector<std::array<double, 3>> points;
  for (std::int64_t i = 0; i < nodes; ++i) {
    const double z = 1 - (2 * static_cast<double>(i) + 1) / static_cast<double>(nodes), r = std::sqrt(1 - z * z);
    const double angle = static_cast<double>(i) * std::numbers::pi * (3 - std::sqrt(5.0));
    points.push_back({r * std::cos(angle), r * std::sin(angle), z});
  }
  noema::SparseNetwork result;
  result.offsets.push_back(0);
  const auto window = static_cast<std::int64_t>(0.03 * static_cast<double>(nodes)) + 1;  // z falls with the index
  for (std::int64_t i = 0; i < nodes; ++i) {
    for (std::int64_t j = std::max<std::int64_t>(0, i - window); j < std::min(nodes, i + window + 1); ++j) {
      double square = 0;
      for (std::size_t k = 0; k < 3; ++k) {
        const double d = points[static_cast<std::size_t>(i)][k] - points[static_cast<std::size_t>(j)][k];
        square += d * d;
      }
      if (i == j || square > 0.06 * 0.06) continue;
      result.columns.push_back(static_cast<std::int32_t>(j));
      result.weights.push_back(std::exp(-square / (2 * 0.02 * 0.02)));
    }
    result.offsets.push_back(static_cast<std::int64_t>(result.columns.size()));
  }
  return result;
}

void report_memory(const char* when) {
  fmt::print("{{\"name\": \"peak memory {}\", \"mb\": {:.0f}}}\n", when, noema::peak_memory_mb());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view wanted = argc > 1 ? argv[1] : "";
  const auto both = [&](const std::string& name, const std::vector<at::Tensor>& inputs,
                        const std::function<at::Tensor(const std::vector<at::Tensor>&)>& block) {
    if (name.find(wanted) == std::string::npos) return;
    report_times(name + " forward", 3, [&] { block(inputs); });
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& input : inputs) leaves.push_back(input.detach().set_requires_grad(true));
    report_times(name + " forward+backward", 3, [&] { torch::autograd::grad({block(leaves).sum()}, leaves); });
  };
  const at::Tensor series = at::randn({20, 400, 200}, at::kDouble) + 0.5 * at::randn({20, 1, 200}, at::kDouble);
  both("ledoit-wolf 20x400x200", {series}, [](const auto& in) { return noema::ledoit_wolf(in[0]).covariance; });
  both("correlation 20x400x200", {series},
       [](const auto& in) { return noema::correlation_from_covariance(noema::ledoit_wolf(in[0]).covariance); });
  both("partial 20x400x200", {series}, [](const auto& in) {
    return noema::partial_correlation(noema::precision(noema::ledoit_wolf(in[0]).covariance));
  });
  for (const bool published : {true, false}) {
    both(published ? "tangent 20x400x200 published" : "tangent 20x400x200 converged", {series},
         [published](const auto& in) {
           const at::Tensor covariance = noema::ledoit_wolf(in[0]).covariance;
           noema::SpdMeanOptions options;
           options.published = published;
           return noema::to_tangent(covariance, noema::spd_mean(covariance, noema::SpdMean::karcher, options));
         });
  }
  const at::Tensor s = noema::correlation(series[0].slice(0, 0, 80));
  both("graphical lasso 80", {s, at::full({}, 0.1, at::kDouble)},
       [](const auto& in) { return noema::graphical_lasso(in[0], in[1], {.tolerance = 1e-6}); });
  if (std::string_view("second moment").find(wanted) != std::string_view::npos) {
    report_memory("before the second moment");
    const at::Tensor weights = at::randn({200, 29696}).softmax(0), vertices = at::randn({29696, 500});
    both("second moment 200x29696x500", {weights, vertices},
         [](const auto& in) { return noema::second_moment(in[0], in[1]); });
    report_memory("after the second moment");
  }
  if (std::string_view("eigenmaps 59412").find(wanted) != std::string_view::npos) {
    const noema::SparseNetwork network = sphere(59412);
    report_times("eigenmaps 59412", 1, [&] {
      // On a sphere the values are as l(l + 1): three of 2, then five of 6.
      const at::Tensor values = noema::laplacian_eigenmaps(network, 8).values;
      fmt::print("eigenmaps 59412: value 4 over value 1 is {:.4f}\n",
                 values[3].item<double>() / values[0].item<double>());
    });
    report_memory("after eigenmaps");
  }
}
