// io/run_choice: of all image files of runs, the one for each run that a query asks for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "noema/io/bids_tree.h"

namespace noema {

/// An image file that may be taken for a run.
struct RunCandidate {
  BidsFile file;
  /// Where it was found.
  BidsTree* tree = nullptr;
  bool preprocessed = false;
  /// Of equal runs the lowest rank is taken: 0 in derivative folders that were asked for, 1 elsewhere.
  int rank = 1;

  const Entities& entities() const { return file.name.entities; }
  /// "MNI152NLin2009cAsym", "func" for preprocessed runs without a space entity, "raw".
  std::string space() const;
};

/// The candidates that a query's session, run, task and space leave, one for each run.
/// Grayordinates are taken where there are no volumes or their space is asked for, parcels of them where there is
/// nothing finer in the same space of the same rank or a better one.
///
/// @throws UsageError for labels that are not there (names the nearest), or if several tasks, spaces or forms (echoes,
///         resolutions, reconstructions …) of a run are left; lists them and names the option.
std::vector<RunCandidate> choose_runs(std::vector<RunCandidate> candidates, const DatasetQuery& query);

/// The labels of `known` that are asked for, all if none is. @throws UsageError naming the option, the nearest and all
/// labels
std::vector<std::string> known_labels(const std::vector<std::string>& wanted, const std::vector<std::string>& known,
                                      std::string_view key, std::string_view option);

}  // namespace noema
