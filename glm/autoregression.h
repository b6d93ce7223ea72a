// glm/autoregression: how each voxel's noise remembers the volumes before, from its residuals.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>

#include "noema/io/series.h"

namespace noema {

/// Weights ρ of the N values before that predict the next best, from autocovariances r_0 … r_N of one series: the
/// solution of the Yule–Walker equations toeplitz(r_0 … r_{N−1})·ρ = (r_1 … r_N) by Levinson's recursion.
///
/// Estimates over different counts need not belong to a stationary process; partial autocorrelations are held within
/// ±0.99, which keeps the process stationary and leaves the solution as it is otherwise. 0 where r_0 is 0.
Eigen::VectorXd levinson(std::span<const double> autocovariance);

/// ρ (order, B) of each column of residuals (n, B), whose rows were acquired at the volumes `kept` (ascending). The
/// column's mean is taken away; r_k is the mean over all pairs of rows that are k volumes apart, without which it
/// counts as 0. Cost: O(order·n·B).
MatrixD yule_walker(MatrixD residuals, std::span<const std::int64_t> kept, int order);

}  // namespace noema
