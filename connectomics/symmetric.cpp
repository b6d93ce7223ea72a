// Symmetric packing by one gather each way.
#include "noema/connectomics/symmetric.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

/// 1 off the diagonal and 1/√2 on it, in the order of the packed upper triangle.
at::Tensor packed_scale(std::int64_t n, const at::TensorOptions& options) {
  std::vector<double> scale;
  for (std::int64_t i = 0; i < n; ++i) {
    scale.push_back(1 / std::numbers::sqrt2);
    scale.insert(scale.end(), static_cast<std::size_t>(n - 1 - i), 1.0);
  }
  return at::tensor(scale, at::kDouble).to(options);
}

}  // namespace

at::Tensor pack_symmetric(const at::Tensor& matrix, PackedDiagonal diagonal) {
  require_square(matrix, "matrix to pack");
  const std::int64_t n = matrix.size(-1);
  const bool dropped = diagonal == PackedDiagonal::dropped;
  if (dropped && n == 1) throw ShapeError("matrix to pack: found 1 × 1 with its diagonal dropped, expected N ≥ 2");
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = dropped ? i + 1 : i; j < n; ++j) places.push_back(i * n + j);
  }
  const at::Tensor index = at::tensor(places, at::kLong).to(matrix.device());
  const at::Tensor packed = symmetrised(matrix).flatten(-2).index_select(-1, index);
  return diagonal == PackedDiagonal::scaled ? packed * packed_scale(n, matrix.options()) : packed;
}

at::Tensor unpack_symmetric(const at::Tensor& vector, PackedDiagonal diagonal, double fill) {
  require_dimensions(vector, "packed matrix", 1, "(…, L)");
  const bool dropped = diagonal == PackedDiagonal::dropped;
  const std::int64_t length = vector.size(-1);
  const std::int64_t root = std::llround((std::sqrt(8.0 * static_cast<double>(length) + 1) - 1) / 2);
  const std::int64_t n = dropped ? root + 1 : root;
  if (length == 0 || root * (root + 1) / 2 != length) {
    throw ShapeError(fmt::format("packed matrix: found {} values, expected the length of a triangle: N(N{}1)/2", length,
                                 dropped ? "−" : "+"));
  }
  std::vector<std::int64_t> places(static_cast<std::size_t>(n * n), length);  // the filled diagonal comes last
  std::int64_t next = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = dropped ? i + 1 : i; j < n; ++j, ++next) {
      places[static_cast<std::size_t>(i * n + j)] = places[static_cast<std::size_t>(j * n + i)] = next;
    }
  }
  const at::Tensor index = at::tensor(places, at::kLong).to(vector.device());
  at::Tensor values = diagonal == PackedDiagonal::scaled ? vector / packed_scale(n, vector.options()) : vector;
  if (dropped) {
    std::vector<std::int64_t> shape = vector.sizes().vec();
    shape.back() = 1;
    values = at::cat({values, at::full(shape, fill, vector.options())}, -1);
  }
  return values.index_select(-1, index).unflatten(-1, {n, n});
}

}  // namespace noema
