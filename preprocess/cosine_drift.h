// preprocess/cosine_drift: slow cosines, the regressors of a discrete-cosine high-pass.
#pragma once

#include <cstdint>

#include "noema/io/series.h"

namespace noema {

/// The cosines below `high_pass_hz` and a constant: columns √(2/n)·cos(π/n·(t+½)·k) for k = 1 … min(n−1, ⌊2·n·f·TR⌋),
/// the last column 1 (as SPM and nilearn have them). The number of cosines may be 0.
/// @throws UsageError for n < 1, TR not positive or a negative or not finite frequency
MatrixD cosine_drift(std::int64_t volumes, double tr_s, double high_pass_hz);  // (T, K+1)

}  // namespace noema
