// connectomics_times: seconds of the blocks, forward and forward + backward, one line of JSON each.
// Usage: connectomics_times [NAME_PART], where only rows whose name contains NAME_PART run.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <numbers>
#include <string_view>

#include "noema/connectomics/covariance.h"
#include "noema/connectomics/eigenmaps.h"
#include "noema/connectomics/precision.h"
#include "noema/connectomics/second_moment.h"
#include "noema/connectomics/sparse_affinity.h"
#include "noema/connectomics/spd_means.h"
#include "noema/core/memory.h"
#include "raw_array.h"

using noema::report_times;

namespace {

/// Series (V, T) of points spread evenly on a sphere, which correlate by exp(−d²/(2·0.1²)) on average (random waves),
/// in float32.
at::Tensor sphere_series(std::int64_t count, std::int64_t frames) {
  const at::Tensor i = at::arange(count, at::kDouble), z = 1 - (2 * i + 1) / static_cast<double>(count);
  const at::Tensor turn = i * (std::numbers::pi * (3 - std::sqrt(5.0))), ring = (1 - z * z).sqrt();
  const at::Tensor points = at::stack({ring * turn.cos(), ring * turn.sin(), z}, 1).to(at::kFloat);
  const at::Tensor phase = 2 * std::numbers::pi * at::rand({frames}, at::kFloat);
  return (points.matmul(at::randn({3, frames}, at::kFloat) * 10) + phase).cos();
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
    noema::SparseNetwork network;
    report_times("affinity of eigenmaps 59412", 1, [&] {
      network = noema::sparse_affinity(sphere_series(59412, 300), {.neighbours = 50});
      fmt::print("affinity 59412: {} edges, both ways\n", network.columns.size());
    });
    report_times("eigenmaps 59412", 1, [&] {
      // On a sphere the values are as l(l + 1): three of 2, then five of 6.
      const at::Tensor values = noema::laplacian_eigenmaps(network, 8).values;
      fmt::print("eigenmaps 59412: value 4 over value 1 is {:.4f}\n",
                 values[3].item<double>() / values[0].item<double>());
    });
    report_memory("after eigenmaps");
  }
}
