// connectomics/recursive_filter: recursive (IIR) filters with exact gradients, and parameters that cannot make them
// unstable.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "noema/preprocess/butterworth.h"

namespace noema {

/// y_t = x_t − Σ_k a_k·y_{t−k}, with y = 0 before the first frame: 1/A.
///
/// Gradient: exact to any order in x and a, by running the same recursion backward. Cost O(F·T·K); on the CPU, in
/// parallel over series (tensors of other devices travel there and back).
/// @param x (…, T); @param a (K): a_1 … a_K. @throws ShapeError
at::Tensor all_pole_filter(const at::Tensor& x, const at::Tensor& a);

/// Second-order sections one after another: y = Π B_s/A_s x, from rest, as scipy's `sosfilt`.
/// @param series   (…, T)
/// @param sections (S, 5): b0, b1, b2, a1, a2 of each
/// Gradient: exact to any order in both. @throws ShapeError
at::Tensor sos_filter(const at::Tensor& series, const at::Tensor& sections);

/// Forward and backward, without delay: the amplitude response is |H|². Ends are extended by point reflection and
/// states start at rest on the first value, as scipy's `sosfiltfilt`; the extension is that of scipy.
/// @throws ShapeError; DataError if the series is not longer than the extension
at::Tensor zero_phase_filter(const at::Tensor& series, const at::Tensor& sections);

/// (S, 5) of designed sections.
at::Tensor section_tensor(const std::vector<Biquad>& sections, const at::TensorOptions& options);

/// (K) or (…, K) a_1 … a_K of the denominator with these reflection coefficients (Levinson's step-up): all poles lie
/// inside the unit circle exactly if all are inside (−1, 1). Differentiable. @throws ShapeError
at::Tensor denominator_from_reflection(const at::Tensor& reflection);
/// The way back, without gradient. @throws NumericalError if a pole lies on or outside the unit circle
at::Tensor reflection_from_denominator(const at::Tensor& a);

/// (S, 5) from free numbers (S, 5): b0, b1, b2 as they are; the last two through tanh to reflection coefficients within
/// ±(1 − 1e-6). Stable for any values.
at::Tensor stable_sections(const at::Tensor& free);
/// Free numbers for these sections. @throws NumericalError if one is unstable or its reflection coefficients are not
/// within ±(1 − 1e-6): a pass band so narrow or low that it needs fewer frames in each second
at::Tensor free_sections(const at::Tensor& sections);

/// Complex (…, n): the response of the sections at n frequencies from 0 to Nyquist, both included. Differentiable.
at::Tensor section_response(const at::Tensor& sections, std::int64_t frequencies);

}  // namespace noema
