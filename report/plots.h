// report/plots: curves, scores and histograms as SVG pictures for a page made by report/html.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "noema/report/svg.h"

namespace noema {

/// One line of a plot.
struct Curve {
  /// For the legend; curves without a name, or with the name of an earlier one, get no entry.
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
  /// A band from `low` to `high` (such as ± an interval); empty: none.
  std::vector<double> low = {};
  std::vector<double> high = {};
  /// 0 to 7; −1: by order of names.
  int color = -1;
  /// A faint line, for single folds behind their mean.
  bool faint = false;
  bool dashed = false;
};

struct CurvePlotOptions {
  std::string title;
  std::string description;
  std::string x_label;
  std::string y_label;
  /// A dashed horizontal line with a label, such as chance.
  double reference = kMissing;
  std::string reference_label;
  /// A dashed vertical line, such as a chosen delay.
  double mark_x = kMissing;
  std::string mark_label;
  double width = 500;
  double height = 300;
};

/// Lines with optional bands over common axes that cover all of them. Values that are not finite leave gaps; empty text
/// if there is no finite point.
std::string curve_plot(const std::vector<Curve>& curves, const CurvePlotOptions& options);

/// One row of a score plot.
struct ScoreRow {
  std::string name;
  double value = kMissing;
  /// Ends of the interval.
  double low = kMissing;
  double high = kMissing;
  /// Small dots: folds, classes or seeds.
  std::vector<double> dots = {};
  /// 0 to 7.
  int color = 0;
};

struct ScorePlotOptions {
  std::string title;
  std::string description;
  std::string x_label;
  /// A dashed line; not drawn when missing.
  double chance = kMissing;
  /// The axis covers at least this and all values.
  double low = 0;
  double high = 1;
  /// What a small dot is: "fold".
  std::string dot_name = "fold";
  double width = 980;
};

/// One row for each model: value with interval, small dots for its folds, the value in figures at the right.
std::string score_plot(const std::vector<ScoreRow>& rows, const ScorePlotOptions& options);

struct HistogramOptions {
  std::string title;
  std::string description;
  std::string x_label;
  double width = 380;
  double height = 230;
};

/// The values of a permutation null, with the observed value as a line. Empty text without finite values.
std::string null_histogram(const std::vector<double>& null, double observed, const HistogramOptions& options);

}  // namespace noema
