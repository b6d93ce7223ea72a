// connectomics/null_models: maps, parcels and series that keep what a null hypothesis keeps and are random otherwise.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "noema/connectomics/spatial.h"

namespace noema {

/// (n, 3, 3) float64: rotations, uniformly random.
at::Tensor random_rotations(std::int64_t count, std::uint64_t seed);

/// Spin test (Alexander-Bloch et al. 2018): (n, V) int64 with `map[index[i]]` the i-th null of a map: each vertex gets
/// the value of the vertex that a rotation of the sphere brings nearest to it. Cost O(n·V²), in blocks.
/// @param sphere   (V, 3) about the origin
/// @param mirrored the rotations mirrored in x, for the right hemisphere of a pair with one seed
/// @throws ShapeError; UsageError for n < 1
at::Tensor spin_indices(const at::Tensor& sphere, std::int64_t count, std::uint64_t seed, bool mirrored = false);

/// Moran spectral randomisation (Wagner and Dray 2015), singleton procedure: (n, V) maps with the mean, variance and
/// Moran's I of `map` exactly. Cost one eigendecomposition, O(V³).
/// @param map (V); @param weights (V, V) symmetric ≥ 0, the closer the larger; its diagonal is not used
/// @throws ShapeError; UsageError
at::Tensor moran_surrogates(const at::Tensor& map, const at::Tensor& weights, std::int64_t count, std::uint64_t seed);
/// Moran's I of maps (…, V). @throws ShapeError
at::Tensor morans_i(const at::Tensor& maps, const at::Tensor& weights);

/// (V) int64: parcels 0 … P − 1 of the points nearest to P random points among them: contiguous, random, not empty.
/// @throws ShapeError; UsageError unless 1 ≤ P ≤ V
at::Tensor random_parcels(const at::Tensor& coordinates, std::int64_t parcels, std::uint64_t seed,
                          Geometry geometry = Geometry::euclidean);

/// (F, T) → (F, T): all series get the same random phases at each frequency (Prichard and Theiler 1994), so that means,
/// spectra, covariances and lagged covariances (round and round) stay exactly. @throws ShapeError
at::Tensor phase_surrogate(const at::Tensor& series, std::uint64_t seed);

/// (F, T) series of mean 0 with exactly this covariance (F, F) (unbiased), whose amplitudes over frequencies are those
/// asked for up to chance: each series starts with these amplitudes exactly and random phases, then all are mixed.
/// @param amplitudes (R) ≥ 0 of the real Fourier transform of T frames, R = ⌊T/2⌋ + 1; the first is not used
/// @throws ShapeError; UsageError unless T > F and amplitudes are ≥ 0; NumericalError for a covariance with eigenvalues
///   below 0, or fewer frequencies with amplitude than the series need
at::Tensor matched_surrogate(const at::Tensor& amplitudes, const at::Tensor& covariance, std::int64_t frames,
                             std::uint64_t seed);

/// (1 + number of |null| ≥ |observed|) / (1 + n) of nulls (n). @throws ShapeError without any
double surrogate_p_value(double observed, const at::Tensor& nulls);

}  // namespace noema
