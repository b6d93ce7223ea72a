// learn/hcp_windows: which volumes of task runs of the Human Connectome Project have which label.
#pragma once

#include <vector>

#include "noema/io/events.h"
#include "noema/io/series.h"

namespace noema {

/// The stretches of volumes that events label: each event those that begin from a TR after its onset to two TRs after
/// its end, both included (to a microsecond); where events meet in a volume, the later one has it.
///
/// Nothing else is allowed for the delay of the response. A stretch is an event from the begin of its first volume to
/// the end of its last, of amplitude 1; events that keep no volume give none.
///
/// Source: Thomas et al. (2023), "Evaluating deep transfer learning for whole-brain cognitive decoding",
/// arXiv:2111.01562, whose code takes for labels the ranks of the names that a run happens to hold; here labels are
/// names.
/// @param events  sorted by onset
/// @param series  of the run; its volumes begin at start_s + k·tr_s
std::vector<Event> hcp_windows(const std::vector<Event>& events, const Series& series);

}  // namespace noema
