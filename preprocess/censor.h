// preprocess/censor: which volumes head motion spoiled, and values to stand in for them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "noema/io/series.h"

namespace noema {

struct ScrubOptions {
  /// Volumes with more framewise displacement are censored.
  double fd_threshold_mm = 0.5;
  /// Volumes with more standardised DVARS are censored.
  double std_dvars_threshold = 1.5;
  /// Stretches of fewer volumes than this between censored ones (or beside the ends) are censored too; 0: none.
  int shortest_segment = 5;
};

/// 1 for the volumes to keep. Values that are not numbers do not exceed a threshold; an empty span is not judged.
/// @throws ShapeError if both are given with different lengths
std::vector<std::uint8_t> keep_mask(std::span<const double> framewise_displacement_mm,
                                    std::span<const double> std_dvars, const ScrubOptions& options = {});

/// Fills rows in between with the cubic spline (not-a-knot) through the kept rows: exact for cubic polynomials. With
/// three kept rows a parabola, with two a line. Rows before the first and after the last kept one are left alone.
class SplineFill {
 public:
  /// @throws DataError if no row is kept
  explicit SplineFill(std::span<const std::uint8_t> keep);

  /// First kept row, and one past the last.
  std::int64_t first() const { return kept_.front(); }
  std::int64_t end() const { return kept_.back() + 1; }
  /// Replaces the censored rows between `first()` and `end()`; the others are not read. Cost O(T·F).
  void fill(MatrixD& series) const;  // (T, F)

 private:
  void slopes(const MatrixD& series, MatrixD& slope) const;
  std::vector<std::int64_t> kept_;
  std::int64_t rows_ = 0;
  bool complete_ = true;
  // The tridiagonal system of the slopes, eliminated: lower factors, inverse diagonal, upper diagonal.
  std::vector<double> lower_, inverse_, upper_;
};

}  // namespace noema
