// simulate/region_tasks: the sequence tasks on series of regions.
#pragma once

#include "noema/simulate/sequence_tasks.h"

namespace noema {

/// Volumes are two seconds apart. Lagged response: events three to six volumes apart, each seen as its code's pattern
/// times SPM's response (of peak 1). Copy: patterns of one volume each. Both in white noise.
///
/// @throws UsageError for tasks on tokens.
SequenceSet draw_region_sequences(const SequenceTaskOptions& options, bool training);

/// (K + 1, R), row by row: the pattern of each code, standard normal and the same in all sequences of a seed; the last
/// asks for copies.
std::vector<float> code_patterns(const SequenceTaskOptions& options);

/// SPM's response at multiples of two seconds from onset, of peak 1, for 32 seconds.
std::vector<float> event_response();

}  // namespace noema
