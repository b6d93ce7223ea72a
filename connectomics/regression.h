// connectomics/regression: series without what confounds, a mean and a trend explain.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace noema {

struct RegressionOptions {
  /// Whether a constant joins the confounds.
  bool intercept = true;
  /// Polynomials of time up to this degree join the confounds; 0: none.
  int trend_degree = 0;
  /// λ of the penalty λ·Σ B², on the confounds as they are given; constant and trend are not penalised.
  double ridge = 0;
};

struct Regression {
  at::Tensor residual;      // (…, F, T): series − fitted, also at frames of weight 0
  at::Tensor fitted;        // (…, F, T)
  at::Tensor coefficients;  // (…, F, K + constant + trends): confounds first, then constant, then trends
};

/// Weighted least squares of each series on the confounds: B = argmin Σ_t w_t (Y − B·X)² + λ Σ B².
///
/// Frames of weight 0 (censored) influence nothing, whatever they hold. Designs without full rank get the solution of
/// least norm (columns scaled to length 1), so that residuals are unique.
///
/// Gradient: exact to first order in series, confounds and weights (also at weights of 0), by the normal equations
/// rather than through a decomposition; in confounds and weights where the design has full rank. Second derivatives are
/// refused (NumericalError). Cost: a singular value decomposition of each design, O(T·K²), and O(F·T·K).
///
/// @param series    (…, F, T) float32 or float64
/// @param confounds (…, K, T), K ≥ 0, or undefined; leading dimensions broadcast
/// @param weights   (…, T) ≥ 0, or undefined: all 1
/// @throws ShapeError; UsageError; DataError if all weights of a series are 0 or one is negative or not finite
Regression regress(const at::Tensor& series, const at::Tensor& confounds, const at::Tensor& weights = {},
                   const RegressionOptions& options = {});

/// The residual of `regress`.
at::Tensor regress_out(const at::Tensor& series, const at::Tensor& confounds, const at::Tensor& weights = {},
                       const RegressionOptions& options = {});

/// (degree, T): Legendre polynomials of degree 1, 2, … over time from −1 to 1. @throws UsageError for T or degree < 1
at::Tensor trend_basis(std::int64_t degree, std::int64_t frames, const at::TensorOptions& options);

}  // namespace noema
