// learn/leakage: whether test data can have been seen in training, judged before any training.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "noema/learn/samples.h"

namespace noema {

struct LeakageViolation {
  std::string rule;  ///< "subject", "family", "run", "block", "volume", "gap", "duplicate", …
  std::string fold;
  std::string text;
};

struct LeakageReport {
  /// What the split was judged by: its unit; of a given split the largest unit that no fold divides.
  std::string unit;
  /// One sentence for each rule that was checked.
  std::vector<std::string> checks;
  /// Facts that are no violation but belong in a report, such as sites on both sides of a split by subject.
  std::vector<std::string> notes;
  std::vector<LeakageViolation> violations;
  /// Set by `require_no_leakage` when violations were accepted.
  bool allowed = false;
};

/// The samples that a fold works with, and the delay they were made with (0 with `DelayKind::hrf`, where the windows of
/// the samples themselves say how long a block is seen).
struct SampledFold {
  std::vector<Sample> samples;
  double delay_s = 0;
};

/// Checks every fold of the split at its declared unit.
///
/// - subject (also groups "family", "site" and "subject"): no subject on both sides, and no family where families are
///   known. Sites on both sides are a violation only if sites are what is left out, else a note.
/// - any group: no value of it, and no run, on both sides.
/// - run: no run on both sides.
/// - block, occurrence, sample: within a run no block, and no volume of a sample, on both sides; and between a training
///   and a test block at least `delay_s` (onset of the later minus end of the earlier), so that the window of the
///   earlier block has closed when the later stimulus begins; and no volume sampled from the earlier block centred
///   after that onset. The blood response to a long block outlasts this gap by some seconds; what remains is small and
///   carries the label of the neighbour, so it flatters only where neighbours share a label. Leaving out runs or
///   subjects is free of it.
/// - always: no two runs with equal values, under whatever names, on both sides; and where labels never change within
///   subjects, sessions or runs (`unit_of_labels`), none of these on both sides: to recognise it is to know the label.
///
/// @param samples_of gives the samples of a fold; called only for splits that divide runs.
LeakageReport check_leakage(const Split& split, const std::vector<LearningRun>& runs, const std::vector<Block>& blocks,
                            const std::function<SampledFold(int fold)>& samples_of);

/// Throws a DataError with the first violations and how to allow them; with `allow`, says a warning and records it
/// instead.
void require_no_leakage(LeakageReport& report, bool allow = false);

}  // namespace noema
