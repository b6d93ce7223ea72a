// connectomics/qc_fc: how much of functional connectivity follows the quality of the data (head motion) over subjects.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace noema {

/// Correlations over subjects of each edge with each measure of quality: (Q, E).
///
/// Gradient: exact in both; an edge or measure that does not vary has correlation 0 and gradient 0.
/// @param connectivity (N, …): the features of each subject, flattened to (N, E); N ≥ 3
/// @param quality      (N) or (Q, N)
/// @param covariates   (K, N) or undefined: regressed out of both, with a constant (partial correlation)
/// @throws ShapeError; DataError for too few subjects
at::Tensor qc_fc(const at::Tensor& connectivity, const at::Tensor& quality, const at::Tensor& covariates = {});

/// The |r| that two-sided (or one-sided) significance at level alpha needs, N subjects, K covariates:
/// t / √(N − 2 − K + t²) with t the quantile 1 − alpha/tails of Student's t.
/// @throws UsageError
double correlation_tolerance(std::int64_t subjects, double alpha, int tails = 2, std::int64_t covariates = 0);

/// max(|r| − tolerance, 0): the QC-FC loss before its reduction.
at::Tensor beyond_tolerance(const at::Tensor& correlations, double tolerance);

/// The mean of `beyond_tolerance` squared when edges have nothing to do with the quality: 1/(N − 1) at tolerance 0,
/// whatever the distributions; else of normal values. @throws DataError for fewer than three subjects; UsageError
double chance_of_qc_fc(std::int64_t subjects, double tolerance = 0);

/// Two-sided p values of correlations over N subjects by Student's t with N − 2 − K degrees of freedom, in float64 on
/// the CPU, without gradient.
at::Tensor correlation_p_values(const at::Tensor& correlations, std::int64_t subjects, std::int64_t covariates = 0);
/// p values corrected for all edges of a row (last dimension): Benjamini and Hochberg's, in float64.
at::Tensor adjusted_p_values(const at::Tensor& p);

/// What is reported of QC-FC, one measure of quality.
struct QcFcSummary {
  double median_absolute = 0;
  /// Shares of edges with p < alpha, as they are and after correction.
  double significant = 0;
  double significant_corrected = 0;
  /// Spearman's correlation of QC-FC with the distance of an edge's regions; nothing without distances.
  std::optional<double> distance_dependence;
};
/// @param correlations (E); @param distance_mm (E) or undefined. @throws ShapeError, UsageError
QcFcSummary summarise_qc_fc(const at::Tensor& correlations, std::int64_t subjects, const at::Tensor& distance_mm = {},
                            double alpha = 0.05, std::int64_t covariates = 0);

/// Pearson's correlation of QC-FC (Q, E) with distances (E): (Q). Differentiable, 0 where one does not vary.
at::Tensor distance_dependence(const at::Tensor& correlations, const at::Tensor& distance_mm);

}  // namespace noema
