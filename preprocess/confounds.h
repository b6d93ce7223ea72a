// preprocess/confounds: which of fMRIPrep's confounds to regress out, and which volumes to censor.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/confounds.h"
#include "noema/preprocess/censor.h"

namespace noema {

/// Which expansions of a confound are taken: its columns end in "", "_derivative1", "_power2", "_derivative1_power2".
enum class ConfoundModel {
  basic,        ///< the value
  power2,       ///< and its square
  derivatives,  ///< and its difference from volume to volume
  full,         ///< and the squares of both
};

enum class CompCor {
  anat_combined,   ///< of white matter and CSF together
  anat_separated,  ///< of white matter and of CSF
  temporal,
  temporal_anat_combined,
  temporal_anat_separated,
};

/// A choice of confounds, as nilearn's `load_confounds` has it.
struct ConfoundsOptions {
  /// Six motion parameters.
  std::optional<ConfoundModel> motion;
  /// White matter and CSF means.
  std::optional<ConfoundModel> wm_csf;
  std::optional<ConfoundModel> global_signal;
  /// fMRIPrep's cosines.
  bool high_pass = false;
  /// Needs `high_pass`: fMRIPrep computed the components from filtered data.
  std::optional<CompCor> compcor;
  /// Components of each mask, in the order of the file; all without.
  std::optional<int> n_compcor;
  /// A threshold of infinity needs no column.
  std::optional<ScrubOptions> scrub;
  bool demean = true;

  /// @throws UsageError for CompCor without high_pass, or n_compcor < 1
  void validate() const;
};

/// The names that `confounds_strategy` knows.
constexpr std::array<std::string_view, 5> kConfoundsStrategies{"none", "motion", "simple", "scrubbing", "compcor"};

/// A choice by name. none: no regressors; motion: 24 motion regressors; simple: these, means of white matter and CSF,
/// and cosines; scrubbing: simple with 8 tissue regressors, and censoring (0.5 mm, 1.5, stretches of 5); compcor:
/// motion, cosines and all combined anatomical components. @throws UsageError for another name
ConfoundsOptions confounds_strategy(std::string_view name);

struct Confounds {
  MatrixD values;  // (T, C)
  /// Sorted; one for each column.
  std::vector<std::string> names;
  /// (T): 0 for volumes that are censored.
  std::vector<std::uint8_t> keep;
};

/// Takes the columns of a strategy from a run's table.
///
/// Volumes marked `non_steady_state` are always censored. A value missing in the first volume (derivatives) becomes
/// that of the second; with `demean` the mean over the kept volumes is subtracted.
/// @throws DataError for columns that are missing (names the file, the columns and the strategies that it can serve),
/// values
///         that are missing elsewhere in kept volumes, or if all volumes are censored; UsageError as validate()
Confounds select_confounds(const ConfoundTable& table, const ConfoundsOptions& options);

/// The strategies by name whose columns the table has.
std::vector<std::string> servable_strategies(const ConfoundTable& table);

}  // namespace noema
