// preprocess/standardize: brings series to a common scale.
#pragma once

#include "noema/io/series.h"

namespace noema {

/// Mean of each column.
Eigen::RowVectorXd column_means(const MatrixD& series);

/// Subtracts the mean of each column and divides by its standard deviation (n − 1 in the denominator; a deviation below
/// ε counts as 1), in place. One row stays as it is.
void zscore(MatrixD& series);  // (T, F)

/// 100·(x − mean)/|mean| for each column, in place; 0 where |mean| < ε. One row stays as it is.
void percent_change(MatrixD& series);  // (T, F)

}  // namespace noema
