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
  MatrixD four = MatrixD::Zero(kRows, n);
  MatrixD tile = MatrixD::Zero(n, kVoxels), sums(kRows, kVoxels);
  for (Eigen::Index r = 0; r < weights.rows(); r += kRows) {
    const Eigen::Index rows = std::min(kRows, weights.rows() - r);
    four.topRows(rows) = weights.middleRows(r, rows);
    for (Eigen::Index v = 0; v < data.cols(); v += kVoxels) {
      const Eigen::Index voxels = std::min(kVoxels, data.cols() - v);
      if (voxels == kVoxels) {
        multiply_tile(four.data(), n, data.data() + v, data.outerStride(), sums.data());
      } else {
        tile.leftCols(voxels) = data.middleCols(v, voxels);
        multiply_tile(four.data(), n, tile.data(), kVoxels, sums.data());
      }
      product.block(r, v, rows, voxels) = sums.topLeftCorner(rows, voxels);
    }
  }
  return product;
}

}  // namespace noema
