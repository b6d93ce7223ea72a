// connectomics/karcher_start: a point near the Karcher mean, found without eigensystems of the matrices.
#pragma once

#include <ATen/core/Tensor.h>

namespace noema {

/// A point whose residual is some 1e-4 of the logarithms where these are within ±3, for Newton's method to begin at.
///
/// Seen from the arithmetic mean, in float32, gradient steps from the geometric mean of the arithmetic and the harmonic
/// mean. Their logarithms are rational approximations in partial fractions, each a Cholesky factor and an inverse:
/// cheaper than eigensystems. The matrices are (N, P, P), the weights (N) of sum 1. Where that fails (matrices
/// too far apart for float32), the arithmetic mean.
at::Tensor karcher_start(const at::Tensor& matrices, const at::Tensor& weights);

}  // namespace noema
