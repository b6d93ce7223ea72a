// preprocess/high_pass_choice: whether a design can bear a high-pass filter.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "noema/io/events.h"

namespace noema {

struct HighPassChoice {
  /// Without: detrending alone.
  std::optional<double> high_pass_hz;
  /// One sentence with the numbers that decided.
  std::string reason;
};

/// A high-pass with this period where it leaves the design alone: the period is at least twice the longest interval
/// between successive occurrences of one condition within a run; else none.
///
/// An occurrence is a series of events of one label with pauses of at most 2 s, so that the trials of a block count
/// once. A condition that occurs once in a run has no shorter period than the run: no high-pass then.
/// @param runs  The events of each run, of the conditions that matter. @throws UsageError for a period that is not
/// positive
HighPassChoice choose_high_pass(const std::vector<std::vector<Event>>& runs, double period_s = 128);

}  // namespace noema
