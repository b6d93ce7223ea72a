// connectomics/initialisers: starting values of parameters, the same for a seed on every machine.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

namespace noema {

/// Standard normal or uniform [0, 1) numbers as float64, of the random stream (seed, purpose).
at::Tensor normal_numbers(at::IntArrayRef shape, std::uint64_t seed, std::string_view purpose);
at::Tensor uniform_numbers(at::IntArrayRef shape, std::uint64_t seed, std::string_view purpose);

/// (P, V): each column drawn from Dirichlet(concentration·1): near 1/P for large concentrations. @throws UsageError
at::Tensor dirichlet_columns(std::int64_t parcels, std::int64_t voxels, double concentration, std::uint64_t seed);

/// (K, T): the cosines DCT-II of order 1 … K over time, of length 1. Together with a constant they span slow drifts.
/// @throws UsageError unless 1 ≤ K < T
at::Tensor cosine_basis(std::int64_t count, std::int64_t frames, const at::TensorOptions& options);

/// Along one axis of `size`: exp(−|i − centre| / width), of sum 1. @throws UsageError
at::Tensor laplace_profile(std::int64_t size, double centre, double width, const at::TensorOptions& options);

/// Zeros of this shape with `height` at one place; add noise of `normal_numbers` where wanted. @throws UsageError
/// unless the place is inside
at::Tensor impulse(at::IntArrayRef shape, at::IntArrayRef place, const at::TensorOptions& options, double height = 1);

/// (…, rows, columns) constant along diagonals: entry (i, j) is column[i − j] where i ≥ j, else row[j − i]; `fill`
/// beyond the ends of first column (…, C) and first row (…, R), whose first entry is not read: scipy's toeplitz where
/// both are as long as the matrix. Differentiable. @throws ShapeError unless both have an entry and the same batch;
/// UsageError
at::Tensor toeplitz(const at::Tensor& column, const at::Tensor& row, std::int64_t rows, std::int64_t columns,
                    double fill = 0);

/// (…, N, N) normal matrices made symmetric, (Z + Zᵀ)/√2 with variance `variance` off the diagonal: noise on tangent
/// vectors. @throws UsageError
at::Tensor symmetric_noise(at::IntArrayRef batch, std::int64_t size, double variance, std::uint64_t seed);

}  // namespace noema
