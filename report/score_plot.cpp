#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "noema/report/axes.h"
#include "noema/report/plots.h"

namespace noema {
namespace {

constexpr double kRow = 40;

std::string describe_row(const ScoreRow& row) {
  std::string text = row.name + ": " + format_number(row.value);
  if (std::isfinite(row.low) && std::isfinite(row.high))
    text += fmt::format(" [{}, {}]", format_number(row.low), format_number(row.high));
  return text;
}

/// Small dots below the row's line; equal values spread downwards so that none hides another.
void draw_dots(SvgWriter& svg, const ScoreRow& row, const Scale& x, double y, const std::string& dot_name) {
  std::map<long, int> taken;
  for (std::size_t d = 0; d < row.dots.size(); ++d) {
    if (!std::isfinite(row.dots[d])) continue;
    const int level = taken[std::lround(x(row.dots[d]) / 5)]++;
    svg.circle(x(row.dots[d]), y + 9 + 3.5 * std::min(level, 4), 2.6, fmt::format("dot small c{}", row.color),
               fmt::format("{} {}: {}", dot_name, d + 1, format_number(row.dots[d])));
  }
}

}  // namespace

std::string score_plot(const std::vector<ScoreRow>& rows, const ScorePlotOptions& options) {
  Range range;
  double name_width = 0;
  for (const ScoreRow& row : rows) {
    for (const double value : {row.value, row.low, row.high}) range.add(value);
    range.add(row.dots);
    name_width = std::max(name_width, text_width(row.name, 12));
  }
  if (range.empty()) return {};
  for (const double value : {options.low, options.high, options.chance}) range.add(value);
  const std::vector<double> ticks = nice_ticks(range.low, range.high, 5);

  name_width = std::min(name_width, options.width * 0.36);
  const bool has_chance = std::isfinite(options.chance);
  const double top = has_chance ? 24 : 10;
  const Frame frame{name_width + 14, top, options.width - 64, top + kRow * static_cast<double>(rows.size())};
  SvgWriter svg(options.width, frame.bottom + 46, options.title, options.description);
  const Scale x{ticks.front(), ticks.back(), frame.left, frame.right};
  draw_x_axis(svg, frame, x, ticks, options.x_label);
  if (has_chance) {
    svg.line(x(options.chance), frame.top - 6, x(options.chance), frame.bottom, "reference");
    svg.text(x(options.chance), frame.top - 10, "chance " + format_number(options.chance), "note",
             x(options.chance) - frame.left < 40 ? "start" : "middle");
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const ScoreRow& row = rows[r];
    const double y = frame.top + kRow * (static_cast<double>(r) + 0.5) - (row.dots.empty() ? 0 : 5);
    svg.text(frame.left - 10, y + 4, shorten_text(row.name, 12, name_width), "label", "end");
    draw_dots(svg, row, x, y, options.dot_name);
    if (std::isfinite(row.low) && std::isfinite(row.high))
      svg.line(x(row.low), y, x(row.high), y, fmt::format("whisker c{}", row.color));
    if (std::isfinite(row.value))
      svg.circle(x(row.value), y, 5.5, fmt::format("dot c{}", row.color), describe_row(row));
    svg.text(frame.right + 12, y + 4, format_number(row.value), "value");
  }
  return svg.finish();
}

std::string null_histogram(const std::vector<double>& null, double observed, const HistogramOptions& options) {
  std::vector<double> values;
  std::copy_if(null.begin(), null.end(), std::back_inserter(values), [](double v) { return std::isfinite(v); });
  if (values.empty()) return {};
  Range range;
  range.add(values);
  const int bins_wanted = std::clamp(static_cast<int>(std::sqrt(static_cast<double>(values.size()))), 5, 20);
  const std::vector<double> edges = nice_ticks(range.low, range.high, bins_wanted);
  std::vector<int> counts(edges.size() - 1, 0);
  for (const double value : values) {
    const auto after = std::upper_bound(edges.begin(), edges.end(), value);
    const auto bin =
        std::clamp<std::ptrdiff_t>(after - edges.begin() - 1, 0, static_cast<std::ptrdiff_t>(counts.size()) - 1);
    ++counts[static_cast<std::size_t>(bin)];
  }

  range.add(edges.front());
  range.add(edges.back());
  range.add(observed);
  const std::vector<double> x_ticks = nice_ticks(range.low, range.high, 5);
  const std::vector<double> y_ticks = nice_ticks(0, *std::max_element(counts.begin(), counts.end()), 4);
  const Frame frame{54, 26, options.width - 20, options.height - 46};
  SvgWriter svg(options.width, options.height, options.title, options.description);
  const Scale x{x_ticks.front(), x_ticks.back(), frame.left, frame.right};
  const Scale y{0, y_ticks.back(), frame.bottom, frame.top};
  draw_y_axis(svg, frame, y, y_ticks, "permutations");
  draw_x_axis(svg, frame, x, x_ticks, options.x_label);
  for (std::size_t b = 0; b < counts.size(); ++b)
    svg.rectangle(x(edges[b]) + 0.5, y(counts[b]), x(edges[b + 1]) - x(edges[b]) - 1, frame.bottom - y(counts[b]),
                  "bar", 1, fmt::format("{} to {}: {}", edges[b], edges[b + 1], counts[b]));
  if (std::isfinite(observed)) {
    const std::string_view anchor = x(observed) > frame.right - 60  ? "end"
                                    : x(observed) < frame.left + 60 ? "start"
                                                                    : "middle";
    svg.line(x(observed), frame.top - 4, x(observed), frame.bottom, "observed");
    svg.text(x(observed), frame.top - 10, "observed " + format_number(observed), "note strong", anchor);
  }
  return svg.finish();
}

}  // namespace noema
