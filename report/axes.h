// report/axes: scales, ticks, and the frame of a plot.
#pragma once

#include <string>
#include <vector>

#include "noema/report/svg.h"

namespace noema {

/// Round numbers (1, 2 or 5 times a power of ten apart) from at or below `low` to at or above `high`, about `target`
/// steps. Bounds that are equal or not finite: an interval of unit width around them.
std::vector<double> nice_ticks(double low, double high, int target = 5);
/// The tick with as many decimals as its distance to the next one needs.
std::string tick_label(double value, double step);

/// Maps data linearly to the picture.
struct Scale {
  double low = 0;
  double high = 1;
  double from = 0;
  double to = 1;

  double operator()(double value) const { return from + (value - low) / (high - low) * (to - from); }
  std::vector<double> operator()(const std::vector<double>& values) const;
};

/// The plotting area: x to the right, y up.
struct Frame {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
};

/// Draws grid lines, tick labels and axis titles, and returns nothing but ink: x ticks below, y ticks on the left.
void draw_x_axis(SvgWriter& svg, const Frame& frame, const Scale& x, const std::vector<double>& ticks,
                 std::string_view label);
void draw_y_axis(SvgWriter& svg, const Frame& frame, const Scale& y, const std::vector<double>& ticks,
                 std::string_view label);

/// Smallest and largest finite value seen so far.
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value);
  void add(const std::vector<double>& values);
  bool empty() const { return low > high; }
};

}  // namespace noema
