// connectomics/entropy_cascade: the plan by which soft parcels are trained into hard ones.
#pragma once

#include <cstdint>
#include <vector>

#include "noema/connectomics/losses.h"

namespace noema {

struct EntropyCascadeOptions {
  /// Weight of the entropy at first and again before it climbs, and in between, where parcels find their place.
  double first = 0.1, least = 1e-4;
  /// Then it climbs by `rise` from `rise` to `largest`, a whole number of times.
  double rise = 0.5, largest = 3.5;
  /// Steps of a transition; 0: at once.
  double width = 0;
};

struct EntropyCascade {
  /// Of the entropy of each voxel's weights over parcels.
  Schedule entropy;
  /// From here on weights are averaged (`AveragedWeights`), at 0.32 of all steps;
  std::int64_t average_from = 0;
  /// and copied back at these steps: 0.41, 0.51, … 0.91 of all.
  std::vector<std::int64_t> copy_back;
};

/// The published plan for any number of steps: plateaus of equal length (first, least, first, rise, 2·rise, … largest),
/// averaging and copies as for 5,000 steps (1,600; 2,050, 2,550, … 4,550).
/// @throws UsageError unless there are as many steps as plateaus or more, and weights are positive and rise to largest
EntropyCascade entropy_cascade(std::int64_t steps, const EntropyCascadeOptions& options = {});

}  // namespace noema
