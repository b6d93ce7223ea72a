// connectomics_times: what the blocks cost on one thread, forward and with all gradients, and in memory: one line of
// JSON a row.
// Usage: connectomics_times [NAME_PART], where only rows whose name contains NAME_PART run.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <torch/csrc/autograd/autograd.h>
#include <unistd.h>

#include <cmath>
#include <numbers>
#include <string_view>

#include "noema/connectomics/connectivity.h"
#include "noema/connectomics/covariance.h"
#include "noema/connectomics/divergence.h"
#include "noema/connectomics/dynamic_states.h"
#include "noema/connectomics/eigenmaps.h"
#include "noema/connectomics/frequency_filter.h"
#include "noema/connectomics/interpolate.h"
#include "noema/connectomics/learned_blocks.h"
#include "noema/connectomics/losses.h"
#include "noema/connectomics/low_rank.h"
#include "noema/connectomics/modularity.h"
#include "noema/connectomics/parcels.h"
#include "noema/connectomics/precision.h"
#include "noema/connectomics/recursive_filter.h"
#include "noema/connectomics/regression.h"
#include "noema/connectomics/second_moment.h"
#include "noema/connectomics/similarity.h"
#include "noema/connectomics/smoothing.h"
#include "noema/connectomics/sparse_affinity.h"
#include "noema/connectomics/spatial.h"
#include "noema/connectomics/spd.h"
#include "noema/connectomics/spd_means.h"
#include "noema/core/memory.h"
#include "noema/core/settings.h"
#include "noema/learn/torch_settings.h"
#include "noema/preprocess/butterworth.h"
#include "noema/tests/bench/raw_array.h"

namespace noema {
namespace {

using Tensors = std::vector<at::Tensor>;

struct Row {
  std::string name;
  std::function<Tensors()> inputs;  // leaves: gradients are taken with regard to all
  std::function<at::Tensor(const Tensors&)> block;
};

/// Points spread evenly on a sphere of radius 100 (mm), (V, 3).
at::Tensor sphere(std::int64_t count) {
  const at::Tensor i = at::arange(count, at::kDouble), z = 1 - (2 * i + 1) / static_cast<double>(count);
  const at::Tensor turn = i * (std::numbers::pi * (3 - std::sqrt(5.0))), ring = (1 - z * z).sqrt();
  return 100 * at::stack({ring * turn.cos(), ring * turn.sin(), z}, 1);
}

/// Series (V, T) on it that correlate by exp(−d²/(2·10²)) on average (random waves), in float32.
at::Tensor sphere_series(std::int64_t count, std::int64_t frames) {
  const at::Tensor points = sphere(count).to(at::kFloat), phase = 2 * std::numbers::pi * at::rand({frames}, at::kFloat);
  return (points.matmul(at::randn({3, frames}, at::kFloat) / 10) + phase).cos();
}

/// 20 runs of 400 regions that share a signal, float64.
at::Tensor runs(std::int64_t frames = 500) {
  return at::randn({20, 400, frames}, at::kDouble) + 0.5 * at::randn({20, 1, frames}, at::kDouble);
}

at::Tensor covariances() { return ledoit_wolf(runs()).covariance; }

std::vector<Row> series_rows() {
  const PassBand band{0.01, 0.1};
  const at::Tensor keep = at::arange(500, at::kLong).remainder(10) != 3;
  return {
      {"regression, 36 confounds, 20x400x500",
       [] {
         return Tensors{runs(), at::randn({20, 36, 500}, at::kDouble)};
       },
       [](const Tensors& in) { return regress_out(in[0], in[1]); }},
      {"harmonic fill of 50 frames, 20x400x500", [] { return Tensors{runs()}; },
       [=](const Tensors& in) { return fill_censored(in[0], keep, {.method = FillMethod::harmonic}); }},
      {"frequency filter, 20x400x500",
       [=] {
         return Tensors{runs(), butterworth_response(band, 2, response_size(500), at::TensorOptions(at::kDouble))};
       },
       [](const Tensors& in) { return frequency_filter(in[0], in[1]); }},
      {"zero-phase recursive filter, 20x400x500",
       [=] {
         return Tensors{runs(), section_tensor(Butterworth(band, 2).sections(), at::TensorOptions(at::kDouble))};
       },
       [](const Tensors& in) { return zero_phase_filter(in[0], in[1]); }},
      {"hidden Markov chain of 8 states, 20x500",
       [] {
         return Tensors{at::randn({20, 500, 8}, at::kDouble), at::randn({8}, at::kDouble).log_softmax(0),
                        at::randn({8, 8}, at::kDouble).log_softmax(1)};
       },
       [](const Tensors& in) { return chain_posterior(in[0], in[1], in[2]).log_evidence; }},
      {"multivariate kurtosis, 20x40x500",
       [] {
         return Tensors{at::randn({20, 40, 500}, at::kDouble)};
       },
       [](const Tensors& in) { return multivariate_kurtosis(in[0]); }},
  };
}

std::vector<Row> matrix_rows() {
  const auto series = [] { return Tensors{runs()}; };
  const auto tangents = [](bool published) {
    return [published](const Tensors& in) {
      SpdMeanOptions options;
      options.published = published;
      options.tolerance = 5e-9;
      return tangent_space(ledoit_wolf(in[0]).covariance, SpdMean::karcher, options).tangents;
    };
  };
  return {
      {"covariance, 20x400x500", series, [](const Tensors& in) { return covariance(in[0]); }},
      {"correlation, 20x400x500", series, [](const Tensors& in) { return correlation(in[0]); }},
      {"partial correlation by Ledoit and Wolf, 20x400x500", series,
       [](const Tensors& in) { return partial_correlation(precision(ledoit_wolf(in[0]).covariance)); }},
      {"conditional covariance, 36 confounds, 20x400x500",
       [] {
         return Tensors{runs(), at::randn({20, 36, 500}, at::kDouble)};
       },
       [](const Tensors& in) { return conditional_covariance(in[0], in[1]); }},
      {"matrix logarithm, 20x400x400", [] { return Tensors{covariances()}; },
       [](const Tensors& in) { return spd_log(in[0]); }},
      {"eigensystem, 20x400x400", [] { return Tensors{covariances()}; },
       [](const Tensors& in) { return safe_eigh(in[0]).values; }},
      {"tangent by Ledoit and Wolf, 20x400x500", series, tangents(false)},
      {"tangent by nilearn's rule, 20x400x500", series, tangents(true)},
      {"tangent by Ledoit and Wolf, 20x400x200", [] { return Tensors{runs(200)}; }, tangents(false)},
      {"graphical lasso, 80x80",
       [] {
         return Tensors{correlation(at::randn({80, 200}, at::kDouble)), at::full({}, 0.1, at::kDouble)};
       },
       [](const Tensors& in) { return graphical_lasso(in[0], in[1], {.tolerance = 1e-6}); }},
      {"modularity of 10 communities, 20x400x400",
       [] {
         return Tensors{covariances(), at::randn({20, 400, 10}, at::kDouble).softmax(-1)};
       },
       [](const Tensors& in) { return modularity(in[0], in[1]); }},
      {"ten eigenmaps, 1000x1000",
       [] {
         return Tensors{at::rand({1000, 1000}, at::kDouble)};
       },
       [](const Tensors& in) { return laplacian_eigenmaps(in[0], 10).vectors.square(); }},
      {"Gaussian kernel, 20x400x500", series, [](const Tensors& in) { return gaussian_kernel(in[0], in[0], 20); }},
      {"crosshair product of 8 pairs, 400x400",
       [] {
         return Tensors{at::randn({8, 400, 400}, at::kDouble), at::randn({8, 400, 400}, at::kDouble)};
       },
       [](const Tensors& in) { return crosshair_product(in[0], in[1]); }},
      {"outer expansion of rank 4, 64x400",
       [] {
         return Tensors{at::randn({64, 400, 4}, at::kDouble)};
       },
       [](const Tensors& in) { return expand_outer(in[0]); }},
  };
}

std::vector<Row> vertex_rows() {
  const auto parcels = [] { return Tensors{at::rand({200, 29696}), at::randn({29696, 500})}; };
  const auto weights = [] { return Tensors{at::rand({200, 29696})}; };
  return {
      {"parcel means, 200x29696x500", parcels, [](const Tensors& in) { return extract_parcels(in[1], in[0]); }},
      {"second moment, 200x29696x500", parcels, [](const Tensors& in) { return second_moment(in[0], in[1]); }},
      {"homogeneity, 200x29696x500", parcels, [](const Tensors& in) { return homogeneity(in[0], in[1]); }},
      {"compactness on the sphere, 200x29696", weights,
       [points = at::Tensor()](const Tensors& in) mutable {
         if (!points.defined()) points = sphere(29696).to(at::kFloat);
         return compactness(in[0], points, Geometry::spherical);
       }},
      {"entropy and imbalance, 200x29696", weights,
       [](const Tensors& in) {
         return entropy_of_logits(in[0].mT()).mean() + imbalance(in[0].softmax(0)).square().mean();
       }},
      {"smoothing on the sphere, FWHM 6 mm, 29696x100",
       [] {
         return Tensors{at::randn({29696, 100}), at::full({}, sigma_of_fwhm(6))};
       },
       [near = Neighbours()](const Tensors& in) mutable {
         if (!near.distance.defined()) near = neighbours_within(sphere(29696), 10, Geometry::spherical);
         return smooth_vertices(in[0], near, in[1]);
       }},
  };
}

/// In a process of its own (whose parent has made no threads), so that memory is that of the row: above what the
/// libraries take, inputs included.
void measure(const Row& row) {
  const double start = peak_memory_mb();
  Tensors inputs = row.inputs();
  row.block(inputs);  // what is prepared once
  const Times forward = times_of(3, [&] { row.block(inputs); });
  for (at::Tensor& input : inputs) input.set_requires_grad(true);
  const Times both = times_of(3, [&] { torch::autograd::grad({row.block(inputs).sum()}, inputs); });
  fmt::print(
      "{{\"name\": \"{}\", \"forward_s\": {:.4f}, \"forward_processor_s\": {:.4f}, \"both_s\": {:.4f}, "
      "\"both_processor_s\": {:.4f}, \"mb\": {:.0f}}}\n",
      row.name, forward.median, forward.processor, both.median, both.processor, peak_memory_mb() - start);
}

/// Each of 230,000 voxels shares itself out to the 8 nearest of 400 parcels.
void measure_sparse_parcels() {
  const double start = peak_memory_mb();
  const at::Tensor places = at::rand({230000, 3});
  at::Tensor candidates;
  report_times("nearest 8 of 400 centres, 230000 voxels", 1, [&] {
    candidates = nearest_centres(places, at::rand({400, 3}), 8);
  });
  const SparseParcellation parcels({.parcels = 400, .candidates = candidates});
  const at::Tensor voxels = at::randn({230000, 100});
  report_times("sparse parcels 400x230000x100 forward", 3, [&] { parcels.forward(voxels); });
  report_times("sparse parcels 400x230000x100 forward+backward", 3,
               [&] { torch::autograd::grad({parcels.forward(voxels).square().sum()}, parcels.parameters()); });
  fmt::print("{{\"name\": \"sparse parcels 400x230000x100\", \"mb\": {:.0f}}}\n", peak_memory_mb() - start);
}

void measure_eigenmaps() {
  const double start = peak_memory_mb();
  const at::Tensor cortex = sphere_series(59412, 300);
  SparseNetwork network;
  report_times("affinity of eigenmaps 59412", 1, [&] { network = sparse_affinity(cortex, {.neighbours = 50}); });
  at::Tensor values;
  report_times("eigenmaps 59412", 1, [&] { values = laplacian_eigenmaps(network, 8).values; });
  // On a sphere the values are as l(l + 1): three of 2, then five of 6.
  fmt::print("{{\"name\": \"eigenmaps 59412\", \"edges\": {}, \"value 4 over value 1\": {:.4f}, \"mb\": {:.0f}}}\n",
             network.columns.size(), values[3].item<double>() / values[0].item<double>(), peak_memory_mb() - start);
}

/// Whether it ended well.
bool in_own_process(const std::function<void()>& work) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    set_thread_count(1);  // processor time then counts no waiting for other threads
    use_torch_settings();
    work();
    std::fflush(stdout);
    _exit(0);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace
}  // namespace noema

int main(int argc, char** argv) {
  const std::string_view wanted = argc > 1 ? argv[1] : "";
  bool good = true;
  const auto run = [&](const std::string& name, const std::function<void()>& work) {
    if (name.find(wanted) != std::string::npos) good = noema::in_own_process(work) && good;
  };
  for (const auto& rows : {noema::series_rows(), noema::matrix_rows(), noema::vertex_rows()}) {
    for (const noema::Row& row : rows) run(row.name, [&] { noema::measure(row); });
  }
  run("sparse parcels 400x230000x100", noema::measure_sparse_parcels);
  run("eigenmaps 59412", noema::measure_eigenmaps);
  return good ? 0 : 1;
}
