// connectomics/symmetric: symmetric matrices as vectors of their upper triangle, and back.
#pragma once

#include <ATen/core/Tensor.h>

namespace noema {

/// What becomes of the diagonal in the vector.
enum class PackedDiagonal {
  dropped,  ///< N(N−1)/2 values, in the order of scipy's squareform
  kept,     ///< N(N+1)/2 values
  scaled,   ///< N(N+1)/2 values, the diagonal divided by √2: twice the vector's squared norm is the matrix's
};

/// The upper triangle row by row: (…, N, N) to (…, L).
///
/// Reads (A + Aᵀ)/2, so the gradient is symmetric: half of the vector's gradient at each of both places. Linear, hence
/// differentiable as often as needed. O(N²).
/// @throws ShapeError unless the matrices are square and of floating point, or for dropped diagonals of N = 1.
at::Tensor pack_symmetric(const at::Tensor& matrix, PackedDiagonal diagonal = PackedDiagonal::dropped);

/// The inverse of `pack_symmetric`: (…, L) to (…, N, N); `fill` is the diagonal where it was dropped.
/// The gradient adds up both places. @throws ShapeError unless L is the length of a triangle.
at::Tensor unpack_symmetric(const at::Tensor& vector, PackedDiagonal diagonal = PackedDiagonal::dropped,
                            double fill = 0);

}  // namespace noema
