// preprocess/standardize: brings series to a common scale.
#pragma once

#include "noema/io/series.h"

namespace noema {

/// Mean of each column.
Eigen::RowVectorXd column_means(const MatrixD& series);

/// Subtracts the mean of each column and divides by its standard deviation (n − `lost` in the denominator: 1 for that
/// of a sample, 0 for that of a population; a deviation below ε counts as 1), in place. One row stays as it is.
void zscore(MatrixD& series, int lost = 1);  // (T, F)

/// 100·(x − mean)/|mean| for each column, in place; 0 where |mean| < ε. One row stays as it is.
void percent_change(MatrixD& series);  // (T, F)

}  // namespace noema
