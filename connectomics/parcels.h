// connectomics/parcels: series of parcels from series of voxels or vertices, by hard, soft, sparse or projected maps.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace noema {

/// What becomes of Y = W·X.
enum class ParcelScale {
  sum,            ///< Y
  mean,           ///< Y_p / Σ_v W_pv: weighted means
  absolute_mean,  ///< Y_p / Σ_v |W_pv|: for weights of both signs
  zscore,         ///< (Y − its mean over time) / standard deviation (n); 0 for a constant series
  percent,        ///< 100·(Y / its mean over time − 1)
};

/// A matrix (P, V) of few entries, as lists: entry i is weight[i] at (parcel[i], voxel[i]).
struct SparseWeights {
  at::Tensor parcel;  // (N) int64
  at::Tensor voxel;   // (N) int64
  at::Tensor weight;  // (N) float32 or float64; may need gradients
  std::int64_t parcels = 0;
  std::int64_t voxels = 0;
};

/// Weights (P, V) of hard parcels. `labels` (V) are any whole numbers, in any order and with any gaps; parcel p is the
/// p-th smallest label other than `background`, given in `ids`.
struct LabelledParcels {
  SparseWeights weights;
  std::vector<std::int64_t> ids;
};
/// @param voxel_weights (V) or undefined: all 1. Gives the dtype of the weights, else float64.
/// @throws ShapeError; DataError without any label but the background
LabelledParcels parcels_of_labels(const at::Tensor& labels, std::int64_t background = 0,
                                  const at::Tensor& voxel_weights = {});

/// Series of parcels from (…, V, T): (…, P, T).
///
/// Gradient: exact in series and weights. A parcel without weights (means) and a constant series (zscore) give zeros;
/// the gradient in the weights of an empty parcel is that of the plain sum, so that it can come to life.
/// @param weights (P, V), or (…, P, V) that broadcasts
/// @throws ShapeError; NumericalError if weights of a mean cancel to zero (use absolute_mean), or a percentage refers
///         to a mean of zero
at::Tensor extract_parcels(const at::Tensor& series, const at::Tensor& weights, ParcelScale scale = ParcelScale::mean);
/// With N entries instead of P·V: cost O(N·T) and O(P·T) memory beside the series, forward and backward.
/// Differentiable twice.
at::Tensor extract_parcels(const at::Tensor& series, const SparseWeights& weights,
                           ParcelScale scale = ParcelScale::mean);

/// The Y (…, P, T) for which Wᵀ·Y comes nearest to the series (…, V, T): least squares on overlapping maps, as
/// nilearn's NiftiMapsMasker. Maps that depend on one another get the solution of least norm.
///
/// Gradient: exact in the series; in the weights where they have full rank.
/// @throws ShapeError
at::Tensor project_on_maps(const at::Tensor& series, const at::Tensor& weights);

/// The way back: Wᵀ·Y, (…, P, T) → (…, V, T). @throws ShapeError
at::Tensor spread_parcels(const at::Tensor& values, const at::Tensor& weights);

/// 1 where `soft` is largest along `axis` (the first of equals), 0 elsewhere. No gradient.
at::Tensor hard_assignment(const at::Tensor& soft, std::int64_t axis);
/// Values of `hard_assignment`, gradient as if they were those of `soft` (Bengio et al. 2013, arXiv:1308.3432).
at::Tensor straight_through(const at::Tensor& soft, std::int64_t axis);

}  // namespace noema
