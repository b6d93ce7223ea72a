// Filters by the real Fourier transform.
#include "noema/connectomics/frequency_filter.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/fft_fft.h>
#include <ATen/ops/fft_ifft.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/remainder.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <cmath>

#include "noema/connectomics/recursive_filter.h"
#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

at::Tensor with_edges(const at::Tensor& x, EdgePadding edges, std::int64_t padding) {
  if (padding == 0) return x;
  const std::int64_t frames = x.size(-1);
  if (edges == EdgePadding::zeros) return at::constant_pad_nd(x, {padding, padding});
  at::Tensor head = x.slice(-1, 1, padding + 1).flip(-1);
  at::Tensor tail = x.slice(-1, frames - 1 - padding, frames - 1).flip(-1);
  if (edges == EdgePadding::odd) {
    head = 2 * x.slice(-1, 0, 1) - head;
    tail = 2 * x.slice(-1, frames - 1) - tail;
  }
  return at::cat({head, x, tail}, -1);
}

void require_edges(EdgePadding edges, std::int64_t padding, std::int64_t frames) {
  const bool reflects = edges == EdgePadding::odd || edges == EdgePadding::even;
  if (padding < 0 || (edges == EdgePadding::none && padding != 0) || (reflects && padding >= frames)) {
    throw UsageError(fmt::format(
        "frequency filter: found padding {} for {} frames, expected 0 without edges and less than the frames for "
        "reflections",
        padding, frames));
  }
}

}  // namespace

std::int64_t response_size(std::int64_t frames, std::int64_t padding) { return (frames + 2 * padding) / 2 + 1; }

at::Tensor frequency_filter(const at::Tensor& series, const at::Tensor& response, EdgePadding edges,
                            std::int64_t padding) {
  require_dimensions(series, "series", 2, "(…, F, T)");
  const std::int64_t frames = series.size(-1);
  if (frames == 0) throw ShapeError("series: found no frames, expected (…, F, T) with T ≥ 1");
  require_edges(edges, padding, frames);
  if (!response.defined() || response.dim() < 1 || response.dim() > 2) {
    throw ShapeError(fmt::format("response: found {}, expected (R) or (N, R)",
                                 response.defined() ? shape_text(response.sizes()) : "no tensor"));
  }
  require_size(response, "response", -1, response_size(frames, padding));
  const at::Tensor spectrum = at::fft_rfft(with_edges(series, edges, padding));
  const at::Tensor filtered =
      response.dim() == 1 ? spectrum * response : spectrum.unsqueeze(-3) * response.unsqueeze(-2);
  return at::fft_irfft(filtered, frames + 2 * padding).slice(-1, padding, padding + frames);
}

at::Tensor response_frequencies(std::int64_t size, double tr_s, const at::TensorOptions& options) {
  if (!(tr_s > 0) || size < 2) {
    throw UsageError(
        fmt::format("response: found TR {} s and {} frequencies, expected a TR above 0 and two or more", tr_s, size));
  }
  return at::linspace(0, 0.5 / tr_s, size, options);
}

at::Tensor ideal_response(const PassBand& band, double tr_s, std::int64_t size, const at::TensorOptions& options) {
  check_pass_band(band, tr_s);
  const at::Tensor frequency = response_frequencies(size, tr_s, options.dtype(at::kDouble));
  at::Tensor inside = at::ones_like(frequency, at::kBool);
  const double rounding = 1e-12 / tr_s;
  if (band.high_pass_hz) inside = inside.logical_and(frequency >= *band.high_pass_hz - rounding);
  if (band.low_pass_hz) inside = inside.logical_and(frequency <= *band.low_pass_hz + rounding);
  return inside.to(options);
}

at::Tensor butterworth_response(const PassBand& band, double tr_s, std::int64_t size,
                                const at::TensorOptions& options) {
  const Butterworth filter(band, tr_s);
  const at::Tensor sections = section_tensor(filter.sections(), options.dtype(at::kDouble));
  return section_response(sections, size).abs().to(options);
}

at::Tensor clamp_response(const at::Tensor& response, std::span<const Clamp> clamps, double tr_s) {
  at::Tensor held = response.clone();
  const auto last = static_cast<double>(response.size(-1) - 1);
  for (const Clamp& clamp : clamps) {
    const double share = clamp.frequency_hz * 2 * tr_s;  // of Nyquist
    if (!(share >= 0 && share <= 1 + 1e-12)) {
      throw UsageError(fmt::format("clamp: found {} Hz, expected 0 to Nyquist, {} Hz", clamp.frequency_hz, 0.5 / tr_s));
    }
    held.select(-1, static_cast<std::int64_t>(std::lround(share * last))).fill_(clamp.value);
  }
  return held;
}

at::Tensor analytic_signal(const at::Tensor& series) {
  require_dimensions(series, "series", 1, "(…, T)");
  const std::int64_t frames = series.size(-1);
  if (frames == 0) throw ShapeError("series: found no frames, expected (…, T) with T ≥ 1");
  at::Tensor gain = at::zeros({frames}, series.options().requires_grad(false));
  gain.slice(0, 0, 1).fill_(1);
  gain.slice(0, 1, (frames + 1) / 2).fill_(2);
  if (frames % 2 == 0) gain.slice(0, frames / 2, frames / 2 + 1).fill_(1);
  return at::fft_ifft(at::fft_fft(series) * gain);
}

at::Tensor envelope(const at::Tensor& series) { return analytic_signal(series).abs(); }

at::Tensor unwrap(const at::Tensor& phase, double period) {
  require_dimensions(phase, "phase", 1, "(…, T)");
  if (!(period > 0)) throw UsageError(fmt::format("unwrap: found period {}, expected one above 0", period));
  const at::Tensor step = phase.detach().diff(1, -1);
  const at::Tensor half = at::full_like(step, period / 2);
  at::Tensor wrapped = at::remainder(step + half, period) - half;
  wrapped = at::where((wrapped == -half).logical_and(step > 0), half, wrapped);
  const at::Tensor jump = at::where(step.abs() < half, at::zeros_like(step), wrapped - step);
  return phase + at::constant_pad_nd(jump.cumsum(-1), {1, 0});
}

}  // namespace noema
