// Communities of networks drawn from a stochastic block model: spectral clustering; moves of one node at a time that
// raise modularity from there on; and descent on the modularity loss from the same start.
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

/// From `start`, moves the node whose change of community raises modularity most, until none does (the refinement of
/// Newman 2006).
at::Tensor moved_communities(const at::Tensor& adjacency, const at::Tensor& start) {
  const at::Tensor b = noema::modularity_matrix(adjacency);
  at::Tensor members = at::one_hot(start, kCommunities).to(at::kDouble);
  for (;;) {
    // A node's own entry of B leaves with it, so it counts in neither community.
    const at::Tensor links = b.matmul(members) - b.diagonal().unsqueeze(1) * members;
    const at::Tensor gain = links - (links * members).sum(1, true);
    const auto best = gain.argmax().item<std::int64_t>();
    const std::int64_t node = best / kCommunities, community = best % kCommunities;
    if (gain[node][community].item<double>() < 1e-12) return members.argmax(1);
    members[node].zero_();
    members[node][community] = 1;
  }
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
  std::vector<noema::ComparisonRow> index, qualities;
  for (const char* method : {"spectral clustering", "spectral, then single moves", "modularity by descent"}) {
    index.push_back({method, {}});
    qualities.push_back({method, {}});
  }
  noema::ComparisonRow planted_q{"planted communities", {}};
  const auto quality = [](const at::Tensor& adjacency, const at::Tensor& labels) {
    return noema::modularity(adjacency, at::one_hot(labels, kCommunities).to(at::kDouble)).item<double>();
  };
  for (int seed = 0; seed < kNetworks; ++seed) {
    const at::Tensor adjacency = network(static_cast<std::uint64_t>(seed));
    const at::Tensor spectral = spectral_communities(adjacency);
    const std::vector<at::Tensor> found{spectral, moved_communities(adjacency, spectral),
                                        modular_communities(adjacency, spectral)};
    for (std::size_t i = 0; i < found.size(); ++i) {
      index[i].values.push_back(noema::adjusted_rand_index(found[i], planted()));
      qualities[i].values.push_back(quality(adjacency, found[i]));
    }
    planted_q.values.push_back(quality(adjacency, planted()));
  }
  qualities.push_back(planted_q);
  fmt::print("{} networks of {} communities of {} nodes; edges inside {:.3f}, outside {:.3f}\n", kNetworks,
             kCommunities, kMembers, kInside, kOutside);
  noema::print_comparison("adjusted Rand index with the planted communities", index);
  noema::print_comparison("modularity Q", qualities);
  fmt::print(
      "Moves of single nodes from the spectral start raise modularity as far: what recovers the communities is "
      "modularity, whichever way it is raised.\n");
  noema::write_figure(folder / "communities.svg",
                      {noema::comparison_plot("Communities of stochastic block models",
                                              "adjusted Rand index with the planted communities", index)});
}

}  // namespace

int main(int argc, char** argv) { return noema::run_example(argc, argv, compare); }
