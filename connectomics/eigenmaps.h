// connectomics/eigenmaps: Laplacian eigenmaps and diffusion maps (gradients) of networks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace noema {

/// A symmetric network of N nodes by its rows: row i has the columns and weights from offsets[i] to offsets[i + 1].
struct SparseNetwork {
  std::vector<std::int64_t> offsets;  // (N + 1)
  std::vector<std::int32_t> columns;
  std::vector<double> weights;  // ≥ 0
};

struct Embedding {
  at::Tensor values;   // (…, k)
  at::Tensor vectors;  // (…, N, k); the entry of largest magnitude of each column is positive
};

/// Both take an affinity W ≥ 0, (…, N, N), read as (W + Wᵀ)/2 — or one sparse network — and leave the constant
/// component out. The dense forms are differentiable once by `safe_eigh`, so only through what does not depend on the
/// basis where eigenvalues repeat; O(N³). The sparse forms run on the CPU in float64 by implicitly restarted Lanczos
/// (Spectra) in O(edges + N k) memory and have no gradient.
/// @throws ShapeError; UsageError unless 1 ≤ components < N (sparse: < N − 1); DataError for negative or not finite
///   weights, an asymmetric sparse network, nodes without edges, or a network in more than one piece, with its number;
///   NumericalError if Lanczos does not converge.

/// The eigenvectors of the smallest eigenvalues above 0 of I − D^(−1/2) W D^(−1/2), divided by √degree, so that
/// L y = λ D y; columns of the normalised vectors have norm 1 before that division. Values ascend.
Embedding laplacian_eigenmaps(const at::Tensor& affinity, std::int64_t components);
Embedding laplacian_eigenmaps(const SparseNetwork& affinity, std::int64_t components);

struct DiffusionOptions {
  double alpha = 0.5;  ///< density normalisation: D^(−α) W D^(−α) first
  /// λ^time scales each component, a whole number where a λ is negative; 0: λ/(1 − λ), the sum over all times from 1.
  double time = 0;
};

/// Right eigenvectors of P = D⁻¹ W of the density-normalised W, each divided by the constant first one and scaled by
/// its value as `time` says; `values` are the scaled ones, descending. P is not symmetric: it is taken through D^(−1/2)
/// W D^(−1/2), similar to it, so the eigenpairs are P's own. brainspace's definition.
Embedding diffusion_map(const at::Tensor& affinity, std::int64_t components, const DiffusionOptions& options = {});
Embedding diffusion_map(const SparseNetwork& affinity, std::int64_t components, const DiffusionOptions& options = {});

}  // namespace noema
