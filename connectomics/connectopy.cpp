// Sums over edges by degrees and products.
#include "noema/connectomics/connectopy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <fmt/format.h>

#include "noema/connectomics/constraints.h"
#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

/// The weights of maps, checked with the rest.
at::Tensor checked(const at::Tensor& affinity, const at::Tensor& maps, const at::Tensor& weights) {
  require_square(affinity, "affinity");
  require_dimensions(maps, "maps", 2, "(…, N, K)");
  require_size(maps, "maps", -2, affinity.size(-1));
  if (!weights.defined()) return at::ones({maps.size(-1)}, maps.options().requires_grad(false));
  require_dimensions(weights, "weights of maps", 1, "(K)");
  require_size(weights, "weights of maps", -1, maps.size(-1));
  return weights;
}

}  // namespace

at::Tensor progressive_weights(std::int64_t maps, const at::TensorOptions& options) {
  if (maps < 1) throw UsageError(fmt::format("progressive weights: found {} maps, expected one or more", maps));
  return at::arange(maps, 0, -1, options);
}

at::Tensor connectopy_loss(const at::Tensor& affinity, const at::Tensor& maps, const at::Tensor& weights) {
  const at::Tensor theta = checked(affinity, maps, weights);
  // Differences do not notice an offset; without it squares keep their digits.
  const at::Tensor q = maps - maps.mean(-2, true);
  const at::Tensor degrees = (affinity.sum(-1) + affinity.sum(-2)).unsqueeze(-1);
  const at::Tensor apart = (degrees * q * q).sum(-2) - 2 * (q * affinity.matmul(q)).sum(-2);  // (…, K)
  return (theta * apart).sum(-1);
}

at::Tensor eigenmaps_loss(const at::Tensor& affinity, const at::Tensor& maps, const at::Tensor& weights) {
  const at::Tensor theta = checked(affinity, maps, weights);
  if (maps.size(-1) >= maps.size(-2)) {
    throw UsageError(
        fmt::format("eigenmaps loss: found {} maps of {} nodes, expected fewer", maps.size(-1), maps.size(-2)));
  }
  if (!(affinity >= 0).all().item<bool>()) {
    throw DataError("affinity: found weights that are negative or not a number, expected them ≥ 0");
  }
  const at::Tensor w = symmetrised(affinity);
  const at::Tensor root = w.sum(-1, true).sqrt();  // (…, N, 1)
  if (const auto alone = (root == 0).sum().item<std::int64_t>(); alone > 0) {
    throw DataError(fmt::format("affinity: found {} nodes without edges, expected none", alone));
  }
  const at::Tensor constant = root / root.norm(2, {-2}, true);
  const at::Tensor scaled = maps * root;
  const at::Tensor rest = scaled - constant * (constant * scaled).sum(-2, true);
  const double tiny = maps.scalar_type() == at::kFloat ? 1e-6 : 1e-13;
  if ((rest.norm(2, {-2}) <= tiny * scaled.norm(2, {-2})).any().item<bool>()) {
    throw NumericalError("eigenmaps loss: found a constant map, expected all to differ over nodes");
  }
  const at::Tensor u = orthogonal_constraint()->apply(rest);
  const at::Tensor kept = (u * (w.matmul(u / root) / root)).sum(-2);  // u_kᵀ D^(−1/2) W D^(−1/2) u_k
  return (theta * (1 - kept)).sum(-1);
}

}  // namespace noema
