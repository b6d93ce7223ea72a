// Modularity of signed networks.
#include "noema/connectomics/modularity.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/where.h>
#include <fmt/format.h>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

struct Parts {
  at::Tensor matrix;  // (…, N, N): B
  at::Tensor total;   // (…, 1, 1): s
};

at::Tensor null_model(const at::Tensor& edges) {
  const at::Tensor total = edges.sum({-2, -1}, true), none = total == 0;
  return edges.sum(-1, true) * edges.sum(-2, true) / at::where(none, at::full_like(total, 1), total);
}

Parts parts_of(const at::Tensor& adjacency, const ModularityOptions& options) {
  require_square(adjacency, "network");
  if (options.negative == NegativeEdges::refused && adjacency.min().item<double>() < 0) {
    throw DataError(fmt::format("network: found a negative edge of {:.4g}, expected none; say what they mean",
                                adjacency.min().item<double>()));
  }
  const at::Tensor positive = adjacency.clamp_min(0), negative = (-adjacency).clamp_min(0);
  Parts result;
  if (options.negative == NegativeEdges::signed_) {
    result.matrix = adjacency - options.resolution * (null_model(positive) - null_model(negative));
    result.total = adjacency.abs().sum({-2, -1}, true);
  } else {
    result.matrix = positive - options.resolution * null_model(positive);
    result.total = positive.sum({-2, -1}, true);
  }
  if (!(result.total.min().item<double>() > 0)) throw DataError("network: found no edges, expected some");
  result.matrix = symmetrised(result.matrix);
  return result;
}

/// Σ_ij B_ij (C Cᵀ)_ij, (…).
at::Tensor within(const at::Tensor& matrix, const at::Tensor& memberships) {
  return (matrix.matmul(memberships) * memberships).sum({-2, -1});
}

void require_memberships(const at::Tensor& adjacency, const at::Tensor& memberships) {
  require_square(adjacency, "network");
  require_dimensions(memberships, "memberships", 2, "(…, N, K)");
  require_size(memberships, "memberships", -2, adjacency.size(-1));
}

}  // namespace

at::Tensor modularity_matrix(const at::Tensor& adjacency, const ModularityOptions& options) {
  const Parts parts = parts_of(adjacency, options);
  return parts.matrix / parts.total;
}

at::Tensor modularity(const at::Tensor& adjacency, const at::Tensor& memberships, const ModularityOptions& options) {
  require_memberships(adjacency, memberships);
  return within(modularity_matrix(adjacency, options), memberships);
}

at::Tensor modularity_loss(const at::Tensor& adjacency, const at::Tensor& memberships,
                           const ModularityOptions& options) {
  return -modularity(adjacency, memberships, options);
}

at::Tensor multilayer_modularity(const at::Tensor& layers, const at::Tensor& memberships, double coupling,
                                 const ModularityOptions& options) {
  require_memberships(layers, memberships);
  require_dimensions(layers, "layers", 3, "(…, L, N, N)");
  require_dimensions(memberships, "memberships", 3, "(…, L, N, K)");
  const std::int64_t count = layers.size(-3);
  require_size(memberships, "memberships", -3, count);
  if (!(coupling >= 0)) throw UsageError(fmt::format("coupling of layers: found {}, expected ≥ 0", coupling));
  const Parts parts = parts_of(layers, options);
  const at::Tensor ties =
      (memberships.narrow(-3, 0, count - 1) * memberships.narrow(-3, 1, count - 1)).sum({-3, -2, -1});
  const double tied = 2 * coupling * static_cast<double>(layers.size(-1) * (count - 1));
  return (within(parts.matrix, memberships).sum(-1) + 2 * coupling * ties) / (parts.total.sum({-3, -2, -1}) + tied);
}

}  // namespace noema
