// Low-rank templates; crosshair products by row and column sums.
#include "noema/connectomics/low_rank.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

void require_same_matrices(const at::Tensor& a, const at::Tensor& b) {
  require_dimensions(a, "matrices", 2, "(…, N, M)");
  require_dimensions(b, "matrices", 2, "(…, N, M)");
  require_size(b, "matrices", -1, a.size(-1));
  require_size(b, "matrices", -2, a.size(-2));
}

at::Tensor crosshair_sum(const at::Tensor& entries) { return entries.sum(-1, true) + entries.sum(-2, true) - entries; }

at::Tensor root_of(const at::Tensor& square) {
  const at::Tensor zero = square <= 0;
  return at::where(zero, at::zeros_like(square), at::where(zero, at::ones_like(square), square).sqrt());
}

/// Around every entry of one matrix and one template, or many that broadcast.
at::Tensor alike(const at::Tensor& a, const at::Tensor& b, CrosshairSimilarity similarity) {
  if (similarity == CrosshairSimilarity::minus_l1) return -crosshair_norm(a - b, 1);
  if (similarity == CrosshairSimilarity::minus_l2) return -crosshair_norm(a - b, 2);
  const at::Tensor product = crosshair_sum(a * b);
  if (similarity == CrosshairSimilarity::product) return product;
  const at::Tensor size = crosshair_norm(a) * crosshair_norm(b);
  return product / at::where(size == 0, at::ones_like(size), size);
}

at::Tensor masked(const at::Tensor& weights, const at::Tensor& mask) {
  require_dimensions(weights, "weights", 2, "(n, N)");
  if (!mask.defined()) return weights;
  if (mask.sizes() != weights.sizes()) {
    throw ShapeError(fmt::format("mask: found shape {}, expected {} as the weights", shape_text(mask.sizes()),
                                 shape_text(weights.sizes())));
  }
  return weights * mask.to(weights.options().requires_grad(false));
}

}  // namespace

at::Tensor expand_outer(const at::Tensor& left, const at::Tensor& right, const at::Tensor& coupling,
                        OuterSymmetry symmetry) {
  require_dimensions(left, "left factor", 2, "(…, N, r)");
  const at::Tensor& other = right.defined() ? right : left;
  require_dimensions(other, "right factor", 2, "(…, M, r)");
  require_size(other, "right factor", -1, left.size(-1));
  at::Tensor scaled_left = left;
  if (coupling.defined()) {
    require_dimensions(coupling, "coupling", 1, "(…, r)");
    require_size(coupling, "coupling", -1, left.size(-1));
    scaled_left = left * coupling.unsqueeze(-2);
  }
  const at::Tensor matrix = scaled_left.matmul(other.mT());
  if (symmetry == OuterSymmetry::none) return matrix;
  require_square(matrix, "product of the factors");
  return symmetry == OuterSymmetry::cross ? symmetrised(matrix) : (matrix - matrix.mT()) * 0.5;
}

at::Tensor crosshair_product(const at::Tensor& a, const at::Tensor& b) {
  require_same_matrices(a, b);
  return crosshair_sum(a * b);
}

at::Tensor crosshair_norm(const at::Tensor& a, int p) {
  require_dimensions(a, "matrices", 2, "(…, N, M)");
  if (p == 1) return crosshair_sum(a.abs());
  if (p == 2) return root_of(crosshair_sum(a * a));
  throw UsageError(fmt::format("crosshair norm: found p = {}, expected 1 or 2", p));
}

at::Tensor crosshair_similarity(const at::Tensor& x, const at::Tensor& templates, CrosshairSimilarity similarity) {
  require_dimensions(x, "matrices", 3, "(…, I, N, M)");
  require_dimensions(templates, "templates", 4, "(O, I, N, M)");
  require_same_matrices(x, templates);
  require_size(templates, "templates", 1, x.size(-3));
  std::vector<at::Tensor> outputs;
  for (const at::Tensor& one : templates.unbind(0)) {  // (I, N, M)
    outputs.push_back(alike(x, one, similarity).sum(-3));
  }
  return at::stack(outputs, -3);
}

at::Tensor recombine(const at::Tensor& matrices, const at::Tensor& mixing) {
  require_dimensions(matrices, "matrices", 3, "(…, I, N, M)");
  require_dimensions(mixing, "mixing weights", 2, "(…, O, I)");
  require_size(mixing, "mixing weights", -1, matrices.size(-3));
  const at::Tensor mixed = mixing.matmul(matrices.flatten(-2));
  return mixed.unflatten(-1, {matrices.size(-2), matrices.size(-1)});
}

at::Tensor attention_mixing(const at::Tensor& keys, const at::Tensor& queries) {
  require_dimensions(keys, "keys", 2, "(…, O, K)");
  require_dimensions(queries, "queries", 2, "(…, K, I)");
  require_size(queries, "queries", -2, keys.size(-1));
  return keys.matmul(queries).softmax(-1);
}

at::Tensor compress_matrix(const at::Tensor& matrices, const at::Tensor& weights, const at::Tensor& mask,
                           bool keep_spread) {
  require_square(matrices, "matrices");
  const at::Tensor used = masked(weights, mask);
  require_size(used, "weights", -1, matrices.size(-1));
  const at::Tensor compressed = used.matmul(matrices).matmul(used.mT());
  if (!keep_spread) return compressed;
  const auto variance = [](const at::Tensor& m) { return m.var(at::IntArrayRef{-2, -1}, 0, /*keepdim=*/true); };
  const at::Tensor before = variance(matrices), after = variance(compressed);
  const at::Tensor flat = after.detach() == 0;
  return compressed *
         at::where(flat, at::ones_like(after), root_of(before / at::where(flat, at::ones_like(after), after)));
}

at::Tensor expand_matrix(const at::Tensor& compressed, const at::Tensor& weights, const at::Tensor& mask) {
  require_square(compressed, "compressed matrices");
  const at::Tensor used = masked(weights, mask);
  require_size(used, "weights", -2, compressed.size(-1));
  return used.mT().matmul(compressed).matmul(used);
}

at::Tensor symmetric_template_start(std::int64_t outputs, std::int64_t inputs, std::int64_t size, std::int64_t rank,
                                    std::uint64_t seed) {
  if (outputs < 1 || inputs < 1 || size < 1 || rank < 1) {
    throw UsageError("templates: expected outputs, inputs, size and rank from 1 on");
  }
  const auto n = static_cast<double>(size);
  const double square = 1 / (static_cast<double>(inputs * rank) * (2 * n - 1) * (1 + 1 / n));
  return std::pow(square, 0.25) * normal_numbers({outputs, inputs, size, rank}, seed, "symmetric templates");
}

}  // namespace noema
