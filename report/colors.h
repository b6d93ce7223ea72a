// report/colors: the colour scales of maps and matrices, legible with every common form of colour blindness.
#pragma once

#include <vector>

#include "noema/report/png.h"

namespace noema {

/// Blue over dark to yellow: `steps` colours for values below zero (from the most negative) and as many above.
std::vector<Color> diverging_colors(int steps_each_side);
/// Dark violet to light yellow, for values from zero up.
std::vector<Color> sequential_colors(int steps);
/// Black to white.
std::vector<Color> grey_levels(int steps);

}  // namespace noema
