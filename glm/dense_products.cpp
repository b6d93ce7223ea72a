#include "noema/glm/dense_products.h"

#include <algorithm>
#include <cstring>

#include "noema/preprocess/simd.h"

namespace noema {
namespace {

constexpr Eigen::Index kRows = 4;
constexpr Eigen::Index kLanes = 8;
constexpr Eigen::Index kVoxels = 2 * kLanes;  // of a tile: its sums stay in registers

using Wide = double __attribute__((vector_size(kLanes * sizeof(double))));

/// sums (4, 16) of weights (4, n), row by row, and data (n, 16) whose rows lie `stride` apart.
NOEMA_SIMD_CLONES
void multiply_tile(const double* weights, Eigen::Index n, const double* data, Eigen::Index stride, double* sums) {
  Wide sum[kRows][2] = {};
  for (Eigen::Index t = 0; t < n; ++t) {
    Wide low, high;
    std::memcpy(&low, data + t * stride, sizeof(Wide));
    std::memcpy(&high, data + t * stride + kLanes, sizeof(Wide));
    for (Eigen::Index r = 0; r < kRows; ++r) {
      const double weight = weights[r * n + t];
      sum[r][0] += weight * low;
      sum[r][1] += weight * high;
    }
  }
  std::memcpy(sums, sum, sizeof(sum));
}

}  // namespace

MatrixD dense_product(const MatrixD& weights, Eigen::Ref<const MatrixD, 0, Eigen::OuterStride<>> data) {
  const Eigen::Index n = weights.cols();
  MatrixD product(weights.rows(), data.cols());
  const Eigen::Index whole = weights.rows() / kRows * kRows;  // the rest is filled up with rows of 0
  MatrixD last = MatrixD::Zero(kRows, n);
  last.topRows(weights.rows() - whole) = weights.bottomRows(weights.rows() - whole);
  MatrixD tile = MatrixD::Zero(n, kVoxels), sums(kRows, kVoxels);
  for (Eigen::Index v = 0; v < data.cols(); v += kVoxels) {
    const Eigen::Index voxels = std::min(kVoxels, data.cols() - v);
    tile.leftCols(voxels) = data.middleCols(v, voxels);  // side by side, so that they stay in the nearest cache
    for (Eigen::Index r = 0; r < weights.rows(); r += kRows) {
      multiply_tile(r < whole ? weights.data() + r * n : last.data(), n, tile.data(), kVoxels, sums.data());
      const Eigen::Index rows = std::min(kRows, weights.rows() - r);
      product.block(r, v, rows, voxels) = sums.topLeftCorner(rows, voxels);
    }
  }
  return product;
}

}  // namespace noema
