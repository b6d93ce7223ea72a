#include "noema/learn/rena.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "noema/core/cancel.h"
#include "noema/core/error.h"

namespace noema {
namespace {

constexpr double kTie = 1e-7;               // relative: as near
constexpr double kSmallestDistance = 1e-7;  // of joined clusters, so that it can be divided by

/// Two clusters that touch; a < b.
struct Pair {
  std::int32_t a = 0, b = 0;
  double distance = 0;
};

/// The state after some rounds.
struct Graph {
  MatrixD values;  // (clusters, N)
  std::vector<Pair> pairs;
};

/// Places of the mask's voxels with x slowest, and for each voxel of the grid its rank among them or −1.
struct Order {
  std::vector<std::int32_t> voxel_of;  // rank to index in the mask
  std::vector<std::int32_t> rank_at;   // of each voxel of the grid
};

Order slow_x_order(const Mask& mask) {
  Order order;
  std::vector<std::int32_t> index_at(static_cast<std::size_t>(mask.grid.voxel_count()), -1);
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
    index_at[static_cast<std::size_t>(mask.voxels[v])] = static_cast<std::int32_t>(v);
  }
  order.rank_at.assign(index_at.size(), -1);
  for (std::int64_t i = 0; i < mask.grid.shape[0]; ++i) {
    for (std::int64_t j = 0; j < mask.grid.shape[1]; ++j) {
      for (std::int64_t k = 0; k < mask.grid.shape[2]; ++k) {
        const auto at = static_cast<std::size_t>(mask.grid.linear_index(i, j, k));
        if (index_at[at] < 0) continue;
        order.rank_at[at] = static_cast<std::int32_t>(order.voxel_of.size());
        order.voxel_of.push_back(index_at[at]);
      }
    }
  }
  return order;
}

double distance_of(const MatrixD& values, const Pair& pair) {
  return (values.row(pair.a) - values.row(pair.b)).squaredNorm();
}

Graph voxel_graph(const MatrixF& samples, const Mask& mask, const Order& order) {
  Graph graph;
  graph.values = samples.transpose().cast<double>()(order.voxel_of, Eigen::all);
  for (std::size_t rank = 0; rank < order.voxel_of.size(); ++rank) {
    const std::int64_t voxel = mask.voxels[static_cast<std::size_t>(order.voxel_of[rank])];
    const auto at = mask.grid.voxel_at(voxel);
    std::int64_t stride = 1;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      if (at[axis] + 1 < mask.grid.shape[axis]) {
        const std::int32_t next = order.rank_at[static_cast<std::size_t>(voxel + stride)];
        if (next >= 0) graph.pairs.push_back({static_cast<std::int32_t>(rank), next, 0});
      }
      stride *= mask.grid.shape[axis];
    }
  }
  for (Pair& pair : graph.pairs) pair.distance = distance_of(graph.values, pair);
  return graph;
}

/// Pairs of which one is the nearest neighbour of the other.
std::vector<Pair> nearest_pairs(const Graph& graph) {
  std::vector<double> least(static_cast<std::size_t>(graph.values.rows()), -1);
  for (const Pair& pair : graph.pairs) {
    for (const std::int32_t end : {pair.a, pair.b}) {
      double& of_end = least[static_cast<std::size_t>(end)];
      if (of_end < 0 || pair.distance < of_end) of_end = pair.distance;
    }
  }
  std::vector<Pair> nearest;
  for (const Pair& pair : graph.pairs) {
    const double bound = std::max(least[static_cast<std::size_t>(pair.a)], least[static_cast<std::size_t>(pair.b)]);
    if (pair.distance * (1 - kTie) <= bound) nearest.push_back(pair);
  }
  return nearest;
}

/// Those whose numbers lie furthest apart.
void keep_furthest(std::vector<Pair>& pairs, std::size_t most) {
  std::sort(pairs.begin(), pairs.end(), [](const Pair& x, const Pair& y) {
    return std::tuple(y.b - y.a, x.a, x.b) < std::tuple(x.b - x.a, y.a, y.b);
  });
  pairs.resize(std::min(pairs.size(), most));
}

/// The number of each node's component, by first node.
std::vector<std::int32_t> components_of(std::int64_t nodes, const std::vector<Pair>& pairs, std::int32_t& count) {
  std::vector<std::int32_t> parent(static_cast<std::size_t>(nodes));
  std::iota(parent.begin(), parent.end(), 0);
  const auto root_of = [&](std::int32_t node) {
    while (parent[static_cast<std::size_t>(node)] != node) {
      std::int32_t& up = parent[static_cast<std::size_t>(node)];
      up = parent[static_cast<std::size_t>(up)];
      node = up;
    }
    return node;
  };
  for (const Pair& pair : pairs) {
    const auto [low, high] = std::minmax({root_of(pair.a), root_of(pair.b)});
    parent[static_cast<std::size_t>(high)] = low;  // so that a root is its component's first node
  }
  std::vector<std::int32_t> number(parent.size(), -1);
  count = 0;
  for (std::int32_t node = 0; node < nodes; ++node) {
    const std::int32_t root = root_of(node);
    number[static_cast<std::size_t>(node)] = root == node ? count++ : number[static_cast<std::size_t>(root)];
  }
  return number;
}

Graph merged(const Graph& graph, const std::vector<std::int32_t>& number, std::int32_t count) {
  Graph result;
  result.values = MatrixD::Zero(count, graph.values.cols());
  Eigen::VectorXd parts = Eigen::VectorXd::Zero(count);
  for (std::size_t node = 0; node < number.size(); ++node) {
    result.values.row(number[node]) += graph.values.row(static_cast<Eigen::Index>(node));
    ++parts[number[node]];
  }
  result.values = parts.cwiseInverse().asDiagonal() * result.values;
  for (const Pair& pair : graph.pairs) {
    const auto [a, b] =
        std::minmax({number[static_cast<std::size_t>(pair.a)], number[static_cast<std::size_t>(pair.b)]});
    if (a != b) result.pairs.push_back({a, b, 0});
  }
  const auto key = [](const Pair& pair) { return std::pair(pair.a, pair.b); };
  std::sort(result.pairs.begin(), result.pairs.end(), [&](const Pair& x, const Pair& y) { return key(x) < key(y); });
  const auto end = std::unique(result.pairs.begin(), result.pairs.end(),
                               [&](const Pair& x, const Pair& y) { return key(x) == key(y); });
  result.pairs.erase(end, result.pairs.end());
  for (Pair& pair : result.pairs) pair.distance = std::max(kSmallestDistance, distance_of(result.values, pair));
  return result;
}

void check(const MatrixF& samples, const Mask& mask, const RenaOptions& options) {
  if (samples.cols() != mask.size() || samples.rows() < 1 || samples.cols() < 1) {
    throw ShapeError(
        fmt::format("clusters: found samples of {} × {}, expected the mask's {} voxels and at least one row",
                    samples.rows(), samples.cols(), mask.size()));
  }
  if (options.clusters < 1 || options.rounds < 1) {
    throw UsageError(
        fmt::format("found {} clusters in {} rounds, expected at least one of both", options.clusters, options.rounds));
  }
  if (!samples.allFinite()) throw DataError("the samples to find clusters by are not finite");
}

}  // namespace

VoxelClusters rena(const MatrixF& samples, const Mask& mask, const RenaOptions& options) {
  check(samples, mask, options);
  const Order order = slow_x_order(mask);
  Graph graph = voxel_graph(samples, mask, order);
  std::vector<std::int32_t> cluster_of(order.voxel_of.size());  // by rank
  std::iota(cluster_of.begin(), cluster_of.end(), 0);
  auto count = static_cast<std::int32_t>(cluster_of.size());
  for (int round = 0; round < options.rounds && count > options.clusters && !graph.pairs.empty(); ++round) {
    check_cancelled();
    std::vector<Pair> joined = nearest_pairs(graph);
    const std::int32_t most = count - options.clusters;
    if (static_cast<std::int64_t>(joined.size()) > most) keep_furthest(joined, static_cast<std::size_t>(most));
    const std::vector<std::int32_t> number = components_of(graph.values.rows(), joined, count);
    graph = merged(graph, number, count);
    for (std::int32_t& cluster : cluster_of) cluster = number[static_cast<std::size_t>(cluster)];
  }
  VoxelClusters clusters;
  clusters.count = count;
  clusters.of_voxel.resize(cluster_of.size());
  for (std::size_t rank = 0; rank < cluster_of.size(); ++rank) {
    clusters.of_voxel[static_cast<std::size_t>(order.voxel_of[rank])] = cluster_of[rank];
  }
  return clusters;
}

MatrixF cluster_means(const MatrixF& samples, const VoxelClusters& clusters) {
  if (samples.cols() != static_cast<Eigen::Index>(clusters.of_voxel.size())) {
    throw ShapeError(
        fmt::format("found {} voxels, expected the {} of the clusters", samples.cols(), clusters.of_voxel.size()));
  }
  Eigen::VectorXd sizes = Eigen::VectorXd::Zero(clusters.count);
  for (const std::int32_t cluster : clusters.of_voxel) ++sizes[cluster];
  MatrixD sums = MatrixD::Zero(samples.rows(), clusters.count);
  for (Eigen::Index n = 0; n < samples.rows(); ++n) {
    for (Eigen::Index v = 0; v < samples.cols(); ++v) {
      sums(n, clusters.of_voxel[static_cast<std::size_t>(v)]) += static_cast<double>(samples(n, v));
    }
  }
  return (sums * sizes.cwiseInverse().asDiagonal()).cast<float>();
}

}  // namespace noema
