#include "noema/report/axes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace noema {

std::vector<double> nice_ticks(double low, double high, int target) {
  if (!std::isfinite(low) || !std::isfinite(high)) low = 0, high = 1;
  if (!(high > low)) low -= 0.5, high = low + 1;
  const double rough = (high - low) / std::max(1, target);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double share = rough / power;
  const double step = power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
  // A bound that is a tick but for rounding must not add a step.
  const double first = std::floor(low / step + 1e-9);
  const double last = std::ceil(high / step - 1e-9);
  std::vector<double> ticks;
  for (double t = first; t <= last; ++t) ticks.push_back(t == 0 ? 0.0 : t * step);
  return ticks;
}

std::string tick_label(double value, double step) {
  const double size = std::max(std::abs(value), std::abs(step));
  if (size >= 1e6 || (step > 0 && step < 1e-4)) return fmt::format("{:.2g}", value);
  return format_number(value, step > 0 ? std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6) : 0);
}

std::vector<double> Scale::operator()(const std::vector<double>& values) const {
  std::vector<double> out;
  out.reserve(values.size());
  for (const double value : values) out.push_back((*this)(value));
  return out;
}

void draw_x_axis(SvgWriter& svg, const Frame& frame, const Scale& x, const std::vector<double>& ticks,
                 std::string_view label) {
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 0;
  for (const double tick : ticks) {
    svg.line(x(tick), frame.top, x(tick), frame.bottom, "grid");
    svg.text(x(tick), frame.bottom + 16, tick_label(tick, step), "tick", "middle");
  }
  svg.line(frame.left, frame.bottom, frame.right, frame.bottom, "axis");
  if (!label.empty()) svg.text((frame.left + frame.right) / 2, frame.bottom + 35, label, "label", "middle");
}

void draw_y_axis(SvgWriter& svg, const Frame& frame, const Scale& y, const std::vector<double>& ticks,
                 std::string_view label) {
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 0;
  for (const double tick : ticks) {
    svg.line(frame.left, y(tick), frame.right, y(tick), "grid");
    svg.text(frame.left - 7, y(tick) + 4, tick_label(tick, step), "tick", "end");
  }
  if (!label.empty()) svg.text(14, (frame.top + frame.bottom) / 2, label, "label", "middle", -90);
}

void Range::add(double value) {
  if (!std::isfinite(value)) return;
  low = std::min(low, value);
  high = std::max(high, value);
}

void Range::add(const std::vector<double>& values) {
  for (const double value : values) add(value);
}

}  // namespace noema
