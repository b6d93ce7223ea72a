#include "noema/preprocess/butterworth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/preprocess/simd.h"

namespace noema {
namespace {

using Complex = std::complex<double>;

constexpr int kOrder = 5;
// The digital filter has sampling rate 2, so that frequencies are fractions of Nyquist; s = 4·(z−1)/(z+1).
constexpr double kBilinear = 4;

double warped(double fraction_of_nyquist) { return kBilinear * std::tan(std::numbers::pi * fraction_of_nyquist / 2); }

Complex to_digital(Complex pole) { return (kBilinear + pole) / (kBilinear - pole); }

/// Poles of the analogue low-pass with cut-off 1, without the complex conjugates: the real one first.
std::vector<Complex> prototype_poles() {
  std::vector<Complex> poles;
  for (int m = 0; m < kOrder; m += 2) poles.push_back(-std::polar(1.0, std::numbers::pi * m / (2 * kOrder)));
  return poles;
}

/// A section with pole z and its conjugate and zeros at `zero_1`, `zero_2` (each 1 or −1), with gain 1 at `reference`.
Biquad pair_section(Complex z, double zero_1, double zero_2, Complex reference) {
  const Complex numerator = (reference - zero_1) * (reference - zero_2);
  const Complex denominator = (reference - z) * (reference - std::conj(z));
  const double gain = std::abs(denominator) / std::abs(numerator);
  return {gain, -gain * (zero_1 + zero_2), gain * zero_1 * zero_2, -2 * z.real(), std::norm(z)};
}

Biquad single_section(double z, double zero, double reference) {
  const double gain = std::abs(reference - z) / std::abs(reference - zero);
  return {gain, -gain * zero, 0, -z, 0};
}

std::vector<Biquad> one_sided(double cutoff, bool high_pass) {
  const double zero = high_pass ? 1 : -1;
  const double reference = -zero;
  std::vector<Biquad> sections;
  for (const Complex& pole : prototype_poles()) {
    const Complex z = to_digital(high_pass ? cutoff / pole : cutoff * pole);
    sections.push_back(sections.empty() ? single_section(z.real(), zero, reference)
                                        : pair_section(z, zero, zero, reference));
  }
  return sections;
}

std::vector<Biquad> two_sided(double low, double high) {
  const double centre = std::sqrt(low * high);
  const Complex reference = to_digital(Complex(0, centre));
  std::vector<Biquad> sections;
  for (const Complex& pole : prototype_poles()) {
    const Complex half = pole * (high - low) / 2.0;
    const Complex root = std::sqrt(half * half - centre * centre);
    if (!sections.empty()) {
      sections.push_back(pair_section(to_digital(half + root), 1, -1, reference));
      sections.push_back(pair_section(to_digital(half - root), 1, -1, reference));
    } else if (root.imag() != 0) {
      sections.push_back(pair_section(to_digital(half + root), 1, -1, reference));
    } else {  // a wide band: the real pole of the prototype becomes two real poles
      const double a = to_digital(half + root).real();
      const double b = to_digital(half - root).real();
      const double gain = std::abs((reference - a) * (reference - b)) / std::abs(reference * reference - 1.0);
      sections.push_back({gain, 0, -gain, -(a + b), a * b});
    }
  }
  return sections;
}

// Columns are filtered side by side: one row of a panel holds one sample of each.
constexpr int kLanes = 32;
constexpr int kWide = 8;
constexpr int kParts = kLanes / kWide;
using Wide = double __attribute__((vector_size(kWide * sizeof(double)), may_alias));

struct alignas(64) PanelRow {
  double value[kLanes];
};

/// Filters `rows` rows, from the first one in steps of `step` (1 or −1). `steady` scales the first sample to the
/// section's states.
NOEMA_SIMD_CLONES
void run_section(PanelRow* first, std::int64_t rows, std::int64_t step, const Biquad& section,
                 const double (&steady)[2], const PanelRow& first_sample) {
  Wide s1[kParts], s2[kParts];
  const Wide* sample = reinterpret_cast<const Wide*>(first_sample.value);
  for (int p = 0; p < kParts; ++p) {
    s1[p] = steady[0] * sample[p];
    s2[p] = steady[1] * sample[p];
  }
  const double b0 = section.b0, b1 = section.b1, b2 = section.b2, a1 = section.a1, a2 = section.a2;
  PanelRow* row = first;
  for (std::int64_t t = 0; t < rows; ++t, row += step) {
    Wide* values = reinterpret_cast<Wide*>(row->value);
    for (int p = 0; p < kParts; ++p) {
      const Wide x = values[p];
      const Wide y = b0 * x + s1[p];
      s1[p] = b1 * x - a1 * y + s2[p];
      s2[p] = b2 * x - a2 * y;
      values[p] = y;
    }
  }
}

void run_cascade(PanelRow* first, std::int64_t rows, std::int64_t step, const std::vector<Biquad>& sections) {
  const PanelRow first_sample = *first;
  double level = 1;  // of a lasting input of 1 after the sections so far
  for (const Biquad& section : sections) {
    const double gain = (section.b0 + section.b1 + section.b2) / (1 + section.a1 + section.a2);
    const double s2 = section.b2 - section.a2 * gain;
    const double s1 = section.b1 - section.a1 * gain + s2;
    run_section(first, rows, step, section, {level * s1, level * s2}, first_sample);
    level *= gain;
  }
}

}  // namespace

void check_high_pass(double high_pass_hz, double tr_s) {
  const double nyquist_hz = 0.5 / tr_s;
  if (high_pass_hz < nyquist_hz) return;
  throw UsageError(
      fmt::format("a high-pass of {} Hz leaves nothing: with a TR of {} s no frequency reaches {} Hz; give a lower one",
                  high_pass_hz, tr_s, nyquist_hz));
}

void check_pass_band(const PassBand& band, double tr_s) {
  if (!(tr_s > 0) || !std::isfinite(tr_s)) {
    throw UsageError(fmt::format("Butterworth filter: found a TR of {} s, expected a positive one", tr_s));
  }
  if (!band.high_pass_hz && !band.low_pass_hz) {
    throw UsageError("Butterworth filter without a cut-off: give a high-pass or a low-pass frequency");
  }
  for (const std::optional<double>& cutoff_hz : {band.high_pass_hz, band.low_pass_hz}) {
    if (cutoff_hz && !(*cutoff_hz > 0 && std::isfinite(*cutoff_hz))) {
      throw UsageError(
          fmt::format("Butterworth filter: found a cut-off of {} Hz, expected a positive one", *cutoff_hz));
    }
  }
  if (band.high_pass_hz) check_high_pass(*band.high_pass_hz, tr_s);
  if (band.high_pass_hz && band.low_pass_hz && *band.high_pass_hz >= *band.low_pass_hz) {
    throw UsageError(fmt::format("the high-pass ({} Hz) must lie below the low-pass ({} Hz)", *band.high_pass_hz,
                                 *band.low_pass_hz));
  }
}

Butterworth::Butterworth(const PassBand& band, double tr_s) {
  check_pass_band(band, tr_s);
  const double nyquist_hz = 0.5 / tr_s;
  const auto cutoff = [&](double hz) {
    if (hz < nyquist_hz) return warped(hz / nyquist_hz);
    log_warning(
        fmt::format("the low-pass of {} Hz is not below {} Hz, the highest frequency at a TR of {} s; it was "
                    "lowered to that",
                    hz, nyquist_hz, tr_s));
    return warped(1 - 10 * static_cast<double>(std::numeric_limits<float>::epsilon()));
  };
  if (band.high_pass_hz && band.low_pass_hz) {
    sections_ = two_sided(cutoff(*band.high_pass_hz), cutoff(*band.low_pass_hz));
  } else {
    sections_ =
        one_sided(cutoff(band.high_pass_hz ? *band.high_pass_hz : *band.low_pass_hz), band.high_pass_hz.has_value());
  }
  const auto first_order = std::count_if(sections_.begin(), sections_.end(), [](const Biquad& s) { return s.b2 == 0; });
  padding_ = 3 * (2 * static_cast<std::int64_t>(sections_.size()) + 1 - first_order);
}

void Butterworth::filter(MatrixD& series) const {
  const std::int64_t rows = series.rows();
  if (rows <= padding_) {
    throw DataError(
        fmt::format("{} volumes are too few for this Butterworth filter, which needs at least {}; use the "
                    "cosine filter or none",
                    rows, padding_ + 1));
  }
  const std::int64_t pad = padding_;
  const std::int64_t extended = rows + 2 * pad;
  std::vector<PanelRow> panel(static_cast<std::size_t>(extended));
  for (Eigen::Index begin = 0; begin < series.cols(); begin += kLanes) {
    const Eigen::Index lanes = std::min<Eigen::Index>(kLanes, series.cols() - begin);
    const auto source = [&](std::int64_t t) { return series.data() + t * series.cols() + begin; };
    for (std::int64_t t = 0; t < extended; ++t) {
      double* to = panel[static_cast<std::size_t>(t)].value;
      const std::int64_t at = t - pad;
      const bool before = at < 0;
      if (!before && at < rows) {
        std::copy_n(source(at), lanes, to);
      } else {
        const double* edge = source(before ? 0 : rows - 1);
        const double* mirrored = source(before ? -at : 2 * (rows - 1) - at);
        for (Eigen::Index l = 0; l < lanes; ++l) to[l] = 2 * edge[l] - mirrored[l];
      }
    }
    run_cascade(panel.data(), extended, 1, sections_);
    run_cascade(panel.data() + extended - 1, extended, -1, sections_);
    for (std::int64_t t = 0; t < rows; ++t) {
      std::copy_n(panel[static_cast<std::size_t>(t + pad)].value, lanes, series.data() + t * series.cols() + begin);
    }
  }
}

}  // namespace noema
