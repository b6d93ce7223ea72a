// report/connectome_plots: connectivity matrices as heat maps, and as networks inside the outline of a brain.
#pragma once

#include <Eigen/Core>
#include <array>
#include <string>
#include <vector>

#include "noema/io/image.h"

namespace noema {

/// A connectivity matrix and its regions.
struct ConnectomeFigure {
  /// "correlation, mean of 20 runs"
  std::string title;
  std::vector<std::string> names;
  Eigen::MatrixXd values;  // (R, R)
  /// In RAS mm; NaN where a region has no place.
  std::vector<std::array<double, 3>> ras_mm;
};

/// Colours diverge from zero and end at the 99.5th percentile of |value| off the diagonal, which is grey. Up to 60
/// regions carry their names. @throws ShapeError unless the matrix has one row and column for each name, at least one
std::string connectivity_plot(const ConnectomeFigure& figure);

struct GlassBrainOptions {
  /// How many edges are drawn, those of largest |value|.
  int edges = 120;
  double width = 1000;
};

/// The strongest edges and their regions from above, from the right and from behind, inside the outline of the
/// voxels that have a value in `brain` (null: no outline). A region's dot grows with the sum of |value| of its edges.
/// Empty text if no two regions have a place. @throws ShapeError as above, or without one place for each region
std::string glass_brain(const ConnectomeFigure& figure, const Image* brain, const GlassBrainOptions& options = {});

}  // namespace noema
