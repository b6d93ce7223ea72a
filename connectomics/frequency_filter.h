// connectomics/frequency_filter: filters as responses over frequencies, which may be learned.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "noema/preprocess/butterworth.h"

namespace noema {

/// What stands beyond the ends of a series.
enum class EdgePadding {
  none,   ///< the series itself, round and round: circular convolution
  zeros,  ///< zeros
  odd,    ///< its point reflection about the end value, 2·x₀ − x_k
  even,   ///< its mirror image
};

/// Frequencies of the response for series of T frames with `padding` frames at both ends: (T + 2·padding)/2 + 1, from 0
/// to Nyquist.
std::int64_t response_size(std::int64_t frames, std::int64_t padding = 0);

/// Multiplies the spectrum of each series by a response, once: an amplitude of 0.5 halves, and a real response does not
/// shift.
///
/// Gradient: exact to any order in series and response. Cost O(N·F·T log T).
/// @param series   (…, F, T) float32 or float64
/// @param response (R) for one filter, result (…, F, T); or (N, R) for N filters, result (…, N, F, T). Real or complex
///                 of the same precision; R = response_size(T, padding).
/// @param padding  frames added at both ends before, and cut off after; less than T for reflections
/// @throws ShapeError; UsageError for padding that does not fit
at::Tensor frequency_filter(const at::Tensor& series, const at::Tensor& response, EdgePadding edges = EdgePadding::none,
                            std::int64_t padding = 0);

/// The frequencies of a response in Hz: (R), from 0 to 1 / (2·tr). @throws UsageError for tr_s ≤ 0 or R < 2
at::Tensor response_frequencies(std::int64_t size, double tr_s, const at::TensorOptions& options);
/// 1 inside the band, its ends included, else 0. @throws UsageError as check_pass_band
at::Tensor ideal_response(const PassBand& band, double tr_s, std::int64_t size, const at::TensorOptions& options);
/// The amplitude |H| of the order-5 Butterworth filter of `preprocess` run once over the series; run forward and
/// backward it is |H|². @throws UsageError as check_pass_band
at::Tensor butterworth_response(const PassBand& band, double tr_s, std::int64_t size, const at::TensorOptions& options);

/// A response whose value at some frequencies is held: those in Hz go to the nearest bin. Gradients pass elsewhere.
struct Clamp {
  double frequency_hz = 0;
  double value = 0;
};
/// @throws UsageError for a frequency below 0 or above Nyquist
at::Tensor clamp_response(const at::Tensor& response, std::span<const Clamp> clamps, double tr_s);

/// x + i·(its Hilbert transform), complex (…, T), as scipy's `hilbert`. Differentiable. @throws ShapeError
at::Tensor analytic_signal(const at::Tensor& series);
/// |analytic signal|. Gradient 0 where it is 0.
at::Tensor envelope(const at::Tensor& series);
/// Phases without jumps of more than half a period, as numpy's `unwrap`. Gradient: the identity.
at::Tensor unwrap(const at::Tensor& phase, double period);

}  // namespace noema
