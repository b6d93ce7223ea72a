// learn/screening: which features to keep, judged on training rows alone.
#pragma once

#include <Eigen/Core>
#include <span>
#include <vector>

#include "noema/io/series.h"

namespace noema {

enum class Screening {
  none,   ///< all features
  anova,  ///< largest F of a one-way analysis of variance over the labels
  task,   ///< largest |t| of the rows against zero: whatever the label, away from the mean of the run
};

/// (F): the F of a one-way analysis of variance of each column over the labels; −1 for constant columns.
///
/// A label without rows does not count. Infinite where labels explain everything. Cost: one pass over the rows, on all
/// threads.
/// @throws ShapeError unless there is a label for each row; UsageError for a label out of [0, classes).
///         DataError for fewer than two labels, no more rows than labels, or values that are not finite.
Eigen::VectorXd anova_f(const MatrixF& rows, std::span<const int> labels, int classes);

/// (F): |mean| / (standard deviation / √M) of each column; −1 for constant columns. It says how far the brain is from
/// its mean of the run during any event, so it asks for series centred within runs that also hold rest.
/// @throws DataError for fewer than two rows, or values that are not finite.
Eigen::VectorXd task_response(const MatrixF& rows);

/// The indices of the `count` largest scores, ascending; of equal scores those that come first.
std::vector<int> largest(const Eigen::VectorXd& scores, std::int64_t count);

/// Sum and sum of squared deviations from the mean of each column.
struct ColumnMoments {
  Eigen::VectorXd mean;     // (F)
  Eigen::VectorXd squares;  // (F)
};
/// @throws DataError without rows, or for values that are not finite (says how many columns hold them).
ColumnMoments column_moments(const MatrixF& rows);

}  // namespace noema
