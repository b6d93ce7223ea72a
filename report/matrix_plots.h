// report/matrix_plots: confusion and design matrices as SVG pictures.
#pragma once

#include <Eigen/Core>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// Counts, truth by prediction, coloured by the share of their row. Wide enough cells show count and percentage.
/// @throws ShapeError unless `counts` is (K, K) with K ≥ 1 labels.
std::string confusion_plot(const Eigen::MatrixXi& counts, const std::vector<std::string>& labels,
                           std::string_view title);

/// Scans by columns, each column divided by its largest absolute value; grey 0.5 is zero. Not finite: as zero.
/// @throws ShapeError unless there is one name for each column and at least one row and column.
std::string design_plot(const Eigen::MatrixXd& design, const std::vector<std::string>& names, std::string_view title);

}  // namespace noema
