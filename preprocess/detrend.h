// preprocess/detrend: removes mean and linear trend.
#pragma once

#include "noema/io/series.h"

namespace noema {

/// Removes mean and least-squares line from each column, in place; one row stays as it is.
void detrend(MatrixD& series);  // (T, F)

}  // namespace noema
