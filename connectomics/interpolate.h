// connectomics/interpolate: values for censored frames, and cleaning in the order that lets none of their noise back
// in.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "noema/connectomics/regression.h"
#include "noema/preprocess/butterworth.h"

namespace noema {

enum class FillMethod {
  linear,    ///< straight lines between kept frames
  cubic,     ///< the cubic spline (not-a-knot) through the kept frames
  harmonic,  ///< one least-squares fit of constant, trend and all harmonics up to a frequency
  hybrid,    ///< harmonic inside long gaps, then straight lines over the frames near kept ones (Power et al. 2014)
};

struct FillOptions {
  FillMethod method = FillMethod::linear;
  /// harmonic: the highest frequency that is fitted, in cycles per frame (at most 0.5). It must be lower than the share
  /// of kept frames can carry, about half of it.
  double highest_frequency = 0.1;
  /// harmonic: frequencies are multiples of 1 / (oversampling·T), so that they need not fit into the series.
  int oversampling = 2;
  /// harmonic: ridge on the harmonics, in units of their squared length: the noise that is expected.
  double ridge = 1e-6;
  /// harmonic: how many times stronger than in a kept frame noise may be in a filled one, from 1 on. Frames for which
  /// the fit would exceed it (in long gaps) have the least ridge that keeps it, and so tend to the line. Infinity: no
  /// bound; then series without noise are restored best, and noise can come out a hundred times stronger.
  double largest_gain = 4;
  /// hybrid: frames at most so far from a kept one are filled by lines.
  int linear_within = 3;

  /// @throws UsageError
  void validate() const;
};

/// (T, T) float64: M·x holds x at kept frames and the filled values at the others, whose columns are zero. What every
/// method makes of a series is linear in its kept frames. Before the first and after the last kept frame all hold the
/// nearest kept value. The norm of a row is how many times stronger white noise of the kept frames is in that frame.
/// @param keep (T) bool. @throws ShapeError; UsageError; DataError if all frames are censored
at::Tensor fill_matrix(const at::Tensor& keep, const FillOptions& options = {});

/// Series (…, T) with censored frames filled. These are never read and may hold NaN. Each series is filled by itself:
/// neither the scale nor the content of another matters.
///
/// Gradient: exact to any order in the series, zero at censored frames. Cost O(F·T·censored) and, harmonic, one
/// decomposition for each mask.
/// @param keep (T), or (B, T) with a series (B, …, T)
/// @throws as fill_matrix
at::Tensor fill_censored(const at::Tensor& series, const at::Tensor& keep, const FillOptions& options = {});

struct CensoredCleaning {
  FillOptions fill{FillMethod::cubic};
  /// Without a cut-off: no filter.
  PassBand band;
  double tr_s = 0;
  /// Removes constant and line before the filter.
  bool detrend = true;
  double ridge = 0;
};

/// Cleans (B, F, T) or (F, T) in the order of `noema::clean`. With a filter, censored frames of series and confounds
/// are filled; both are detrended and filtered alike, seeing no frame before the first or after the last kept one;
/// without one, the kept frames are detrended one after another. Then the confounds so treated, less their means, are
/// regressed out over the kept frames alone. So no noise comes back through the filter, and the result does not
/// correlate with the filtered confounds. Censored frames of the result hold lines between their kept neighbours.
///
/// Gradient: exact to first order in series and confounds.
/// @param confounds (…, K, T) or undefined; @param keep (T) or (B, T) bool, or undefined: all are kept
/// @throws ShapeError, UsageError; DataError for too few kept frames
at::Tensor clean_censored(const at::Tensor& series, const at::Tensor& confounds, const at::Tensor& keep,
                          const CensoredCleaning& options = {});

}  // namespace noema
