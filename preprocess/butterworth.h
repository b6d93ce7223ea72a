// preprocess/butterworth: zero-phase Butterworth filters of order 5.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "noema/io/series.h"

namespace noema {

/// One second-order section: y = b0·x + b1·x₋₁ + b2·x₋₂ − a1·y₋₁ − a2·y₋₂.
struct Biquad {
  double b0 = 1, b1 = 0, b2 = 0, a1 = 0, a2 = 0;
};

/// Which band passes: above `high_pass_hz`, below `low_pass_hz`, or between them.
struct PassBand {
  std::optional<double> high_pass_hz;
  std::optional<double> low_pass_hz;
};

/// @throws UsageError where a high-pass leaves nothing: at or above Nyquist (names the numbers)
void check_high_pass(double high_pass_hz, double tr_s);

/// @throws UsageError without a cut-off, for cut-offs that are not positive, a high-pass at or above Nyquist or at or
/// above
///         the low-pass, or a TR that is not positive (names the numbers)
void check_pass_band(const PassBand& band, double tr_s);

/// A low-, high- or band-pass of order 5, applied forward and backward, so without delay.
///
/// Designed by the bilinear transform. The ends are extended by point reflection (2·x₀ − x_k) over `padding()` samples
/// (18; band-pass 33), and the states start as if the first sample had lasted for ever: scipy's `sosfiltfilt`.
class Butterworth {
 public:
  /// A low-pass at or above Nyquist is lowered to just below it, with a warning.
  /// @throws UsageError as check_pass_band
  Butterworth(const PassBand& band, double tr_s);

  const std::vector<Biquad>& sections() const { return sections_; }
  /// Series must be longer than this.
  std::int64_t padding() const { return padding_; }
  /// Filters each column in place. Not finite values stay within their column. Cost: about 18 operations per section
  /// and value. @throws DataError if the series is not longer than `padding()`.
  void filter(MatrixD& series) const;  // (T, F)

 private:
  std::vector<Biquad> sections_;
  std::int64_t padding_ = 0;
};

}  // namespace noema
