#include "noema/report/colors.h"

#include <algorithm>
#include <cmath>

namespace noema {
namespace {

using Stops = std::vector<std::array<double, 3>>;

std::vector<Color> interpolate(const Stops& stops, int steps) {
  std::vector<Color> colors;
  for (int s = 0; s < steps; ++s) {
    const double at = steps == 1 ? 1.0 : static_cast<double>(s) / (steps - 1);
    const double place = at * static_cast<double>(stops.size() - 1);
    const std::size_t from = std::min(static_cast<std::size_t>(place), stops.size() - 2);
    const double share = place - static_cast<double>(from);
    Color color{0, 0, 0, 255};
    for (std::size_t c = 0; c < 3; ++c)
      color[c] = static_cast<std::uint8_t>(std::lround(stops[from][c] * (1 - share) + stops[from + 1][c] * share));
    colors.push_back(color);
  }
  return colors;
}

}  // namespace

std::vector<Color> diverging_colors(int steps_each_side) {
  static const Stops kBelow{{205, 246, 255}, {92, 190, 240}, {36, 116, 206}, {24, 52, 138}};
  static const Stops kAbove{{128, 22, 28}, {214, 66, 34}, {248, 152, 40}, {255, 240, 168}};
  std::vector<Color> colors = interpolate(kBelow, steps_each_side);
  const std::vector<Color> above = interpolate(kAbove, steps_each_side);
  colors.insert(colors.end(), above.begin(), above.end());
  return colors;
}

std::vector<Color> sequential_colors(int steps) {
  return interpolate({{72, 20, 120}, {150, 40, 130}, {222, 78, 100}, {252, 150, 90}, {252, 240, 180}}, steps);
}

std::vector<Color> grey_levels(int steps) { return interpolate({{0, 0, 0}, {255, 255, 255}}, steps); }

}  // namespace noema
