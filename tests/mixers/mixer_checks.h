// tests/mixers/mixer_checks: what every mixer must hold to.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "noema/mixers/mixer.h"

namespace noema {

/// Standard normal numbers that depend on the purpose alone.
at::Tensor normal(at::IntArrayRef shape, const char* purpose, at::ScalarType type = at::kDouble);

at::Generator parameter_generator();

double largest_difference(const at::Tensor& a, const at::Tensor& b);

/// Expects `found` within `tolerance` of `expected`, (B, T, C) or (C, T) by rms, and that the check could fail: zeros
/// and the expected shifted by one in time (axis 1) are further away.
void expect_is(const at::Tensor& found, const at::Tensor& expected, double tolerance);

/// y[b, t, c] = Σ_i kernel[c, i]·u[b, t − i, c], as it is written, in float64.
at::Tensor direct_causal(const at::Tensor& u, const at::Tensor& kernel);

/// Compares gradients of `loss` with central differences in every entry of `x` (float64).
void expect_exact_gradient(at::Tensor x, const std::function<at::Tensor()>& loss, double tolerance = 1e-7);
/// In the input and all parameters of a mixer, which becomes one of float64, along random directions.
void expect_exact_gradients(Mixer& mixer, std::int64_t channels);

/// Changes of later volumes change nothing, in windows of odd numbers.
void expect_causal(const Mixer& mixer, std::int64_t channels);
/// What stands in padded volumes changes nothing, nor do volumes that are added.
void expect_padding_without_influence(const Mixer& mixer, std::int64_t channels);
/// A mixer with a dropout of ½ behind its last layer: with draws half of what it adds is zero and the rest twice as
/// large, other values with each draw; without draws nothing is random.
void expect_output_dropout(const Mixer& mixer, std::int64_t channels);
/// Random numbers of training; the same with each call.
Draws same_draws();

/// `advance` in one call, volume by volume and in uneven chunks gives what `forward` gives, to `tolerance` of the rms
/// of what the mixer adds. Also with one volume.
void expect_goes_on(const Mixer& mixer, std::int64_t channels, std::int64_t volumes, double tolerance);

}  // namespace noema
