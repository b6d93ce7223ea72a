// simulate/design: what is shown when, and how the blood responds to it.
#pragma once

#include <cstdint>
#include <vector>

#include "noema/glm/hrf.h"
#include "noema/io/events.h"
#include "noema/io/series.h"
#include "noema/simulate/options.h"

namespace noema {

struct SimulatedDesign {
  std::vector<Event> events;
  std::int64_t volumes = 0;
};

/// The events of one run. Blocks: rounds in which each state comes once, in random order. Events: random order and
/// exponentially distributed gaps, and 16 s at both ends.
SimulatedDesign draw_design(const SimulationOptions& options, int subject, int run);

/// The response of one subject: SPM's, with its own delay and width (both at least a third of SPM's).
HrfShape draw_hrf(const SimulationOptions& options, int subject);

/// (T, K): the response to each state in the middle of each volume, exact for boxcars: the difference of the cumulated
/// response (of unit sum over 32 s) at onset and end. A state that lasts reaches 1.
MatrixD state_responses(const SimulatedDesign& design, const SimulationOptions& options, const HrfShape& shape);

}  // namespace noema
