// io/events: what happened when during a run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace noema {

/// One row of an events file. Times are seconds on the clock of the run's first volume.
struct Event {
  double onset_s = 0;
  double duration_s = 0;
  std::string label;
  /// Amplitude for the GLM (column `modulation`), 1 when the file has none.
  double modulation = 1;

  double end_s() const { return onset_s + duration_s; }
};

struct EventsOptions {
  /// The column that holds the labels.
  std::string label_column = "trial_type";
};

/// Reads a BIDS events file: tab-separated (commas accepted), `onset` and `duration` required, `n/a` labels skipped.
///
/// The events come back sorted by onset, exact duplicates (label, onset, duration) merged into one (their modulations,
/// where the file has them, add up); rows left out, moved or merged are said as warnings with their counts. Without the
/// label column every event gets the label "dummy" and a warning is said, if it is the default column; a column asked
/// for by name must be there.
/// A folder is read as the EVs of a run of the HCP (see io/hcp).
/// @throws IoError, FormatError (missing columns, text where a number must be, negative duration, NaN; names the line).
std::vector<Event> read_events(const std::filesystem::path& path, const EventsOptions& options = {});

/// Writes onset, duration, trial_type (and modulation when one differs from 1).
void write_events(const std::filesystem::path& path, const std::vector<Event>& events);

}  // namespace noema
