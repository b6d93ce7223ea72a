#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/report/axes.h"
#include "noema/report/plots.h"

namespace noema {
namespace {

constexpr double kLegendRow = 18;
constexpr double kKeyWidth = 24;

struct LegendEntry {
  std::string name;
  int color = 0;
  bool dashed = false;
  bool faint = false;
  double x = 0;
  double row = 0;
};

/// Colours by order of names.
std::vector<int> colors_of(const std::vector<Curve>& curves) {
  std::vector<std::string> names;
  std::vector<int> colors;
  for (const Curve& curve : curves) {
    auto found = std::find(names.begin(), names.end(), curve.name);
    if (found == names.end()) found = names.insert(names.end(), curve.name);
    colors.push_back(curve.color >= 0 ? curve.color % 8 : static_cast<int>(found - names.begin()) % 8);
  }
  return colors;
}

std::vector<LegendEntry> legend_of(const std::vector<Curve>& curves, const std::vector<int>& colors, double left,
                                   double right) {
  std::vector<LegendEntry> entries;
  double x = left, row = 0;
  for (std::size_t c = 0; c < curves.size(); ++c) {
    const std::string name = shorten_text(curves[c].name, 11.5, right - left - kKeyWidth);
    const bool known = std::any_of(entries.begin(), entries.end(), [&](const auto& e) { return e.name == name; });
    if (name.empty() || known) continue;
    const double width = kKeyWidth + text_width(name, 11.5) + 14;
    if (x > left && x + width - 14 > right) x = left, row += 1;
    entries.push_back({name, colors[c], curves[c].dashed, curves[c].faint, x, row});
    x += width;
  }
  return entries;
}

std::string line_style(const Curve& curve, int color) {
  return fmt::format("line c{}{}{}", color, curve.faint ? " faint" : "", curve.dashed ? " dashed" : "");
}

void draw_marks(SvgWriter& svg, const Frame& frame, const Scale& x, const Scale& y, const CurvePlotOptions& options) {
  if (std::isfinite(options.reference)) {
    svg.line(frame.left, y(options.reference), frame.right, y(options.reference), "reference");
    svg.text(frame.right - 4, y(options.reference) - 5, options.reference_label, "note", "end");
  }
  if (std::isfinite(options.mark_x)) {
    const bool right_half = x(options.mark_x) > (frame.left + frame.right) / 2;
    svg.line(x(options.mark_x), frame.top, x(options.mark_x), frame.bottom, "reference");
    svg.text(x(options.mark_x) + (right_half ? -6 : 6), frame.bottom - 8, options.mark_label, "note",
             right_half ? "end" : "start");
  }
}

}  // namespace

std::string curve_plot(const std::vector<Curve>& curves, const CurvePlotOptions& options) {
  Range x_range, y_range;
  for (const Curve& curve : curves) {
    x_range.add(curve.x);
    y_range.add(curve.y);
    y_range.add(curve.low);
    y_range.add(curve.high);
  }
  if (x_range.empty() || y_range.empty()) return {};
  x_range.add(options.mark_x);
  y_range.add(options.reference);
  const std::vector<double> x_ticks = nice_ticks(x_range.low, x_range.high, 6);
  const std::vector<double> y_ticks = nice_ticks(y_range.low, y_range.high, 5);

  double label_width = 0;
  for (const double tick : y_ticks)
    label_width = std::max(label_width, text_width(tick_label(tick, y_ticks[1] - y_ticks[0]), 11));
  const std::vector<int> colors = colors_of(curves);
  Frame frame{label_width + 36, 12, options.width - 16, 0};
  const std::vector<LegendEntry> legend = legend_of(curves, colors, frame.left, frame.right);
  const double legend_height = legend.empty() ? 0 : (legend.back().row + 1) * kLegendRow + 8;
  frame.top += legend_height;
  frame.bottom = options.height + legend_height - 46;

  SvgWriter svg(options.width, options.height + legend_height, options.title, options.description);
  const Scale x{x_range.low, x_range.high > x_range.low ? x_range.high : x_range.low + 1, frame.left, frame.right};
  const Scale y{y_ticks.front(), y_ticks.back(), frame.bottom, frame.top};
  std::vector<double> inner_ticks;
  for (const double tick : x_ticks)
    if (tick >= x.low - 1e-9 * (x.high - x.low) && tick <= x.high + 1e-9 * (x.high - x.low))
      inner_ticks.push_back(tick);
  draw_y_axis(svg, frame, y, y_ticks, options.y_label);
  draw_x_axis(svg, frame, x, inner_ticks, options.x_label);
  for (std::size_t c = 0; c < curves.size(); ++c)
    svg.band(x(curves[c].x), y(curves[c].low), y(curves[c].high), fmt::format("band c{}", colors[c]));
  for (const bool faint : {true, false})
    for (std::size_t c = 0; c < curves.size(); ++c)
      if (curves[c].faint == faint) svg.path(x(curves[c].x), y(curves[c].y), line_style(curves[c], colors[c]));
  draw_marks(svg, frame, x, y, options);
  for (const LegendEntry& entry : legend) {
    const double row_y = 10 + entry.row * kLegendRow;
    svg.line(entry.x, row_y, entry.x + kKeyWidth - 6, row_y,
             fmt::format("line key c{}{}{}", entry.color, entry.dashed ? " dashed" : "", entry.faint ? " faint" : ""));
    svg.text(entry.x + kKeyWidth, row_y + 4, entry.name, "legend");
  }
  return svg.finish();
}

}  // namespace noema
