// connectomics/connectivity: the usual measures of functional connectivity, of one run and of many.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

#include "noema/connectomics/spd_means.h"

namespace noema {

enum class ConnectivityKind {
  correlation,          ///< of the series standardised to a variance (n − 1) of 1
  covariance,           ///< of the series as they are
  partial_correlation,  ///< correlation of two regions given all others
  precision,            ///< the inverse of the covariance
  tangent,              ///< log(R^(−1/2) Σ R^(−1/2)): the covariance as seen from the mean R of all
};

/// "correlation", "covariance", "partial-correlation", "precision", "tangent". @throws UsageError for another name
ConnectivityKind connectivity_kind(std::string_view name);
std::string to_string(ConnectivityKind kind);
std::vector<std::string> connectivity_kind_names();

enum class CovarianceEstimator {
  empirical,    ///< Xc·Xcᵀ/T
  ledoit_wolf,  ///< shrunk as `ledoit_wolf` says
  oracle,       ///< shrunk as `oracle_shrinkage` says
};

/// "empirical", "ledoit-wolf", "oas". @throws UsageError for another name
CovarianceEstimator covariance_estimator(std::string_view name);
std::string to_string(CovarianceEstimator estimator);

/// (C, T) to (C, C). Differentiable. @throws ShapeError; DataError for fewer than two frames
at::Tensor estimate_covariance(const at::Tensor& series, CovarianceEstimator estimator);

/// The matrix of one run, (C, T) to (C, C), as nilearn's ConnectivityMeasure makes it; of `tangent` the covariance.
///
/// Differentiable. @throws ShapeError; DataError for fewer than two frames, and without shrinkage for not more frames
/// than regions where an inverse or a logarithm is needed, with both numbers.
at::Tensor run_connectivity(const at::Tensor& series, ConnectivityKind kind, CovarianceEstimator estimator);

struct ConnectivityOptions {
  ConnectivityKind kind = ConnectivityKind::correlation;
  CovarianceEstimator estimator = CovarianceEstimator::ledoit_wolf;
  /// Of `tangent`: which mean is the reference, weighted as the group is.
  SpdMean reference = SpdMean::karcher;
  /// The Karcher mean by nilearn's stopping rule.
  bool published = false;
};

struct GroupConnectivity {
  at::Tensor matrices;  // (N, C, C)
  /// (C, C): of `tangent` the reference, else the weighted mean.
  at::Tensor group;
};

/// The matrices of many runs and of the group. The series are (C, T_n): frames that were censored are not among them.
/// @param weights (N) of runs in the group's matrix, or undefined: equal
/// @throws ShapeError; DataError as above, or for `tangent` of a single run; NumericalError for what is not positive
///   definite
GroupConnectivity measure_connectivity(const std::vector<at::Tensor>& series, const at::Tensor& weights,
                                       const ConnectivityOptions& options);

}  // namespace noema
