// preprocess/confounds: the columns of a run's table that a strategy regresses out, and the volumes that it censors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "noema/io/confounds.h"
#include "noema/preprocess/confounds_strategy.h"

namespace noema {

/// What censoring is judged by, as fMRIPrep calls it.
inline constexpr const char* kDisplacementColumn = "framewise_displacement";
inline constexpr const char* kDvarsColumn = "std_dvars";

struct Confounds {
  MatrixD values;  // (T, C)
  /// One for each column: sorted, or in the order of the formula.
  std::vector<std::string> names;
  /// (T): 0 for volumes that are censored.
  std::vector<std::uint8_t> keep;
};

/// Takes the columns of a strategy from a run's table.
///
/// Volumes marked `non_steady_state` are always censored. A value missing in the first volume (derivatives) becomes
/// that of the second; of a formula's differences of order n as many more volumes. What is missing at a censored volume
/// is the mean over the kept ones. With `demean` that mean is subtracted. A file without cosines gives none, with a
/// warning.
/// @throws DataError for columns that are missing (names the file, the columns and the strategies that it can serve),
/// values that are missing elsewhere in kept volumes, or if all volumes are censored; UsageError as validate()
Confounds select_confounds(const ConfoundTable& table, const ConfoundsOptions& options);

/// The strategies by name whose columns the table has.
std::vector<std::string> servable_strategies(const ConfoundTable& table);

}  // namespace noema
