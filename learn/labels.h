// learn/labels: from the events of runs to a label table, blocks and samples, by a declared rule.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/dataset.h"
#include "noema/learn/samples.h"

namespace noema {

/// What happens where events of different labels overlap by more than the rounding of files (2 ms).
enum class OverlapPolicy {
  error,  ///< refuse, naming the run, the times and both labels
  later,  ///< the later event takes the time; the earlier one keeps what is left
  drop,   ///< both are left out
};

/// What one sample is.
enum class SampleUnit {
  volumes,  ///< each volume of a block
  blocks,   ///< all volumes of a block
  trials,   ///< a window of `trial_s` for each event
  runs,     ///< all volumes of a run whose label holds for the whole run
};

/// How volumes are shifted against events, for the delay of the blood response.
enum class DelayKind {
  automatic,  ///< estimated on the training data of each fold (`learn/delay.h`)
  fixed,      ///< `delay_s`
  hrf,        ///< volumes chosen and weighted by the response that the SPM kernel predicts for the block
  none,       ///< volumes are no series in time but estimates of events, each at its event's onset
};

/// Which volumes an event labels.
enum class EventWindows {
  blocks,  ///< those of its block's or its own window, by the delay, `discard_s` and `extend_s` (or `trial_s`)
  hcp,     ///< one by one by a fixed rule of whole repetition times (`learn/hcp_windows.h`)
};

/// How events become labelled volumes. Which column of the events file holds the label is said when the file is read.
struct LabelRule {
  /// Old label to new label; several old ones may share a new one. An event renamed to "n/a" is left out.
  std::map<std::string, std::string> rename;
  /// Labels to keep, after renaming; empty: all.
  std::vector<std::string> conditions;
  /// Largest gap between events of one block; without it max(TR, 2 s).
  std::optional<double> block_gap_s;
  OverlapPolicy overlap = OverlapPolicy::error;
  /// With `hcp` the delay is fixed at 0, nothing else may be asked for, and overlaps are settled by its rule.
  EventWindows windows = EventWindows::blocks;
  DelayKind delay = DelayKind::automatic;
  /// Used when `delay` is `fixed`.
  double delay_s = 0;
  /// Left out at the start of each block (units volumes and blocks).
  double discard_s = 0;
  /// Added after the end of each block, at most up to the window of the next block (units volumes and blocks).
  double extend_s = 0;
  /// Length of the window of each event (unit trials, which needs it).
  double trial_s = 0;

  /// @throws UsageError for negative or non-finite times, or times beside `EventWindows::hcp`.
  void validate() const;
};

/// Reads a table with the columns `from` and `to` for `LabelRule::rename`.
/// @throws IoError, FormatError; DataError if a name is renamed to two different ones.
std::map<std::string, std::string> read_label_map(const std::filesystem::path& path);

/// The label of a whole run: the value of a BIDS entity of its name (such as "ses" or "task") or, when the run has no
/// such entity, of its subject's cell in that column of participants.tsv.
/// @throws UsageError if neither exists (lists what there is); DataError if the subject has no row or no value.
std::string run_level_label(const Run& run, const std::optional<Table>& participants, std::string_view source);

/// One event that covers the series from begin to end, for a label that holds for the whole run.
Event whole_run_event(const Series& series, std::string label);

/// The run's events after renaming and keeping, sorted by onset. @throws DataError for times that are not finite.
std::vector<Event> selected_events(const LearningRun& run, const LabelRule& rule);

/// The labels of all runs after renaming and keeping.
///
/// Says a warning for names in `rename` that no event has. @throws UsageError if a condition does not exist (lists what
/// there is); DataError if fewer than two labels are left.
LabelTable make_label_table(const std::vector<LearningRun>& runs, const LabelRule& rule);

/// The blocks of all runs, by run and onset: maximal series of same-label events, uninterrupted by other labels, with
/// gaps of at most `rule.block_gap_s`.
///
/// Events outside their run are left out with a counted warning, overlaps are resolved by `rule.overlap`. With
/// `EventWindows::hcp` the stretches of volumes that the events label stand for the events, and blocks are series of
/// stretches without a volume between.
/// @throws DataError if more than half of a run's events lie outside it, if labels overlap (policy `error`), or if no
///          run has an event; UsageError for an invalid rule.
std::vector<Block> find_blocks(const std::vector<LearningRun>& runs, const LabelTable& labels, const LabelRule& rule);

/// The samples of all blocks, by block and time.
///
/// With delay d, a block gives the volumes whose centre lies in [onset + d + discard, end + d + extend), cut where the
/// next block of the run begins (its onset + d). With `DelayKind::hrf`, `delay_s` is not used: the window reaches over
/// the times at which the predicted response (SPM kernel convolved with the block) is at least half of its maximum, and
/// weights are proportional to that response. Unit trials: [onset + d, onset + d + trial) for each event (hrf: d = 0
/// and weights from the event's own predicted response). Unit runs: all volumes of the run, without delay. Censored
/// volumes are left out; weights are equal but for hrf. What keeps no volume is left out with a counted warning.
///
/// @throws UsageError (unit trials without `trial_s`); ShapeError (a keep mask of another length than the series);
///          DataError (no sample left; unit runs with a run of several blocks).
std::vector<Sample> make_samples(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks,
                                 SampleUnit unit, const LabelRule& rule, double delay_s);

/// The default unit: blocks where every training fold has at least five of each label, else volumes.
SampleUnit choose_unit(const Split& split, const std::vector<Block>& blocks, const LabelTable& labels);

}  // namespace noema
