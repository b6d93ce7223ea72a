// connectomics/parcel_quality: how well parcels fit the series inside them, and how well two parcellations agree.
#pragma once

#include <ATen/core/Tensor.h>

#include "noema/connectomics/parcels.h"
#include "noema/connectomics/spatial.h"

namespace noema {

/// `homogeneity` of second_moment.h for hard or sparse parcels: mean correlation of a parcel's pairs of series,
/// weighted by the product of their weights, (P). No pair is ever formed: O(N·T). A constant series correlates 0 with
/// all; NaN for a parcel with fewer than two series, so that it can be left out.
///
/// Gradient: exact in series and weights. @param series (V, T). @throws ShapeError
at::Tensor parcel_homogeneity(const at::Tensor& series, const SparseWeights& weights);

/// Share of the variance of a parcel's series (each of variance 1) that their mean explains: ‖Σ_v w_v·z_v‖² / (Σ_v
/// w_v)². (P), 1 for a parcel with one series, NaN for an empty one. Differentiable.
at::Tensor parcel_variance_explained(const at::Tensor& series, const at::Tensor& weights);
at::Tensor parcel_variance_explained(const at::Tensor& series, const SparseWeights& weights);

/// Mean of a parcel's values weighted by its number of series; parcels whose value is NaN are left out.
at::Tensor mean_over_series(const at::Tensor& values, const SparseWeights& parcels);

/// Silhouette of each labelled series with correlation distance 1 − r: (b − a)/max(a, b), a the mean distance within
/// its parcel, b the least mean distance to another; 0 alone in a parcel. (N) in the order of `parcels`' entries.
/// No gradient. Cost O(N·P·T). @throws ShapeError; DataError for fewer than two parcels
at::Tensor silhouette(const at::Tensor& series, const SparseWeights& parcels);

struct DcbcOptions {
  double bin_width = 1;
  double largest_distance = 35;
  Geometry geometry = Geometry::euclidean;
};
/// The distance-controlled boundary coefficient (Zhi et al. 2022, doi:10.1002/hbm.25878): within bins of distance, mean
/// correlation of pairs in one parcel minus that of pairs in two; bins weighted by n_w·n_b/(n_w + n_b). Bin i holds
/// distances in (i·width, (i + 1)·width].
struct Dcbc {
  double value = 0;
  at::Tensor within, between;              // (bins): mean correlations, NaN without pairs
  at::Tensor pairs_within, pairs_between;  // (bins)
};
/// No gradient; blocks of rows, memory O(V·block), cost O(V²·T).
/// @param series (V, T); @param coordinates (V, D). Series without a parcel are left out.
/// @throws ShapeError; UsageError; DataError if no bin has pairs of both kinds; Cancelled
Dcbc dcbc(const at::Tensor& series, const SparseWeights& parcels, const at::Tensor& coordinates,
          const DcbcOptions& options = {});

/// Agreement of two labellings (V) of the same points, corrected for chance (Hubert and Arabie 1985); 1 if equal up to
/// names. @throws ShapeError
double adjusted_rand_index(const at::Tensor& a, const at::Tensor& b);
/// (P): 2·Σ_v min(a, b) / Σ_v (a + b) of each pair of parcels, hard or soft: reliability over split halves. NaN where
/// both are empty. Differentiable. @param a, b (…, P, V) ≥ 0. @throws ShapeError
at::Tensor dice_overlap(const at::Tensor& a, const at::Tensor& b);

}  // namespace noema
