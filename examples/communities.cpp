// Communities of networks drawn from a stochastic block model, near the limit of what can be detected: spectral
// clustering, and descent on the modularity loss that starts from it.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/where.h>
#include <fmt/format.h>

#include <cmath>

#include "comparison.h"
#include "noema/connectomics/divergence.h"
#include "noema/connectomics/eigenmaps.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/k_means.h"
#include "noema/connectomics/losses.h"
#include "noema/connectomics/modularity.h"
#include "noema/connectomics/parcel_quality.h"
#include "noema/learn/adamw.h"
#include "noema/learn/torch_settings.h"

namespace {

constexpr std::int64_t kCommunities = 12, kMembers = 30, kNodes = kCommunities * kMembers;
constexpr double kInside = 0.41, kOutside = 0.1;  // probabilities of an edge
constexpr int kNetworks = 8;

at::Tensor planted() { return (at::arange(kNodes) / kMembers).floor().to(at::kLong); }

at::Tensor network(std::uint64_t seed) {
  const at::Tensor own = planted();
  const at::Tensor same = own.unsqueeze(0) == own.unsqueeze(1);
  const at::Tensor drawn = noema::uniform_numbers({kNodes, kNodes}, seed, "edges");
  const at::Tensor edges = (drawn < at::where(same, kInside, kOutside)).to(at::kDouble).triu(1);
  return edges + edges.t();
}

/// Of the normalised Laplacian (Shi and Malik 2000): k-means in the space of its first components.
at::Tensor spectral_communities(const at::Tensor& adjacency) {
  const at::Tensor points = noema::laplacian_eigenmaps(adjacency, kCommunities - 1).vectors;
  return noema::k_means(points, {.clusters = kCommunities, .starts = 20}).labels;
}

/// Soft memberships that minimise −Q − τ·(mean entropy), τ falling until they are hard.
at::Tensor modular_communities(const at::Tensor& adjacency, const at::Tensor& start) {
  const int steps = 200;
  at::Tensor free = (1.5 * at::one_hot(start, kCommunities).to(at::kDouble)).set_requires_grad(true);
  noema::AdamW optimiser({{.name = "memberships", .tensor = free}}, 0);
  // 1/K is the share of a community, and with it the scale on which Q changes with the memberships.
  const double scale = 1.0 / static_cast<double>(kCommunities);
  for (int step = 0; step < steps; ++step) {
    const at::Tensor memberships = at::softmax(free, 1);
    const double temperature = 0.25 * scale * std::pow(0.2, static_cast<double>(step) / steps);
    const at::Tensor loss =
        noema::modularity_loss(adjacency, memberships) - temperature * noema::entropy_of_logits(free).mean();
    optimiser.clear_gradients();
    loss.backward();
    optimiser.step(0.1);
  }
  return free.detach().argmax(1);
}

void compare(const std::filesystem::path& folder) {
  const noema::OneTorchThread one;  // the arrays are small
  noema::ComparisonRow spectral{"spectral clustering", {}}, modular{"modularity by descent", {}};
  noema::ComparisonRow spectral_q{"spectral clustering", {}}, modular_q{"modularity by descent", {}},
      planted_q{"planted communities", {}};
  const auto quality = [](const at::Tensor& adjacency, const at::Tensor& labels) {
    return noema::modularity(adjacency, at::one_hot(labels, kCommunities).to(at::kDouble)).item<double>();
  };
  for (int seed = 0; seed < kNetworks; ++seed) {
    const at::Tensor adjacency = network(static_cast<std::uint64_t>(seed));
    const at::Tensor first = spectral_communities(adjacency), second = modular_communities(adjacency, first);
    spectral.values.push_back(noema::adjusted_rand_index(first, planted()));
    modular.values.push_back(noema::adjusted_rand_index(second, planted()));
    spectral_q.values.push_back(quality(adjacency, first));
    modular_q.values.push_back(quality(adjacency, second));
    planted_q.values.push_back(quality(adjacency, planted()));
  }
  fmt::print("{} networks of {} communities of {} nodes; edges inside {:.3f}, outside {:.3f}\n", kNetworks,
             kCommunities, kMembers, kInside, kOutside);
  noema::print_comparison("adjusted Rand index with the planted communities", {spectral, modular});
  noema::print_comparison("modularity Q", {spectral_q, modular_q, planted_q});
  noema::write_figure(
      folder / "communities.svg",
      {noema::comparison_plot("Communities of stochastic block models",
                              "adjusted Rand index with the planted communities", {spectral, modular})});
}

}  // namespace

int main(int argc, char** argv) { return noema::run_example(argc, argv, compare); }
