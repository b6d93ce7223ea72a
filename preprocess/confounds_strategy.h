// preprocess/confounds_strategy: which confounds to regress out and which volumes to censor, as options and as text.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

enum class IcaAroma {
  basic,  ///< the columns of the components that are head motion
  full,   ///< no columns: the image is one that ICA-AROMA cleaned (desc-smoothAROMAnonaggr)
};

/// A choice of confounds, as nilearn's `load_confounds` has it.
struct ConfoundsOptions {
  /// Six motion parameters.
  std::optional<ConfoundModel> motion;
  /// White matter and CSF means.
  std::optional<ConfoundModel> wm_csf;
  std::optional<ConfoundModel> global_signal;
  /// fMRIPrep's cosines; a run that is too short for any has none.
  bool high_pass = false;
  /// Needs `high_pass`: fMRIPrep computed the components from filtered data.
  std::optional<CompCor> compcor;
  /// Components of each mask, in the order of the file; all without.
  std::optional<int> n_compcor;
  std::optional<IcaAroma> ica_aroma;
  /// The components that tedana rejected, for the image that it combined (desc-optcom). From its own files.
  bool tedana = false;
  /// A threshold of infinity needs no column.
  std::optional<ScrubOptions> scrub;
  bool demean = true;
  /// So many confounds of the data themselves (`high_variance_confounds`, of the voxels of the mask).
  std::optional<int> high_variance;
  /// Columns by a formula (see `ConfoundFormula`), instead of all above but `scrub` and `demean`; empty: none.
  std::string formula;

  /// @throws UsageError for CompCor without high_pass, n_compcor < 1, or what is no formula
  void validate() const;
  /// Is there anything that only fMRIPrep's confounds file can give?
  bool needs_table() const;
};

/// The choices that have a name.
constexpr std::array<std::string_view, 6> kConfoundsStrategies{"none",      "motion",  "simple",
                                                               "scrubbing", "compcor", "ica_aroma"};

/// A choice from text: `PRESET`, `PRESET+PART,…`, `PART,…` or `formula: FORMULA`.
///
/// Presets: none; motion: 24 motion regressors; simple: these, means of white matter and CSF, and cosines; scrubbing:
/// simple with 8 tissue regressors, and censoring (0.5 mm, 1.5, stretches of 5); compcor: motion, cosines and all
/// combined anatomical components; ica_aroma: means of white matter and CSF, and cosines, for images that ICA-AROMA
/// cleaned. A single word that names a preset is one.
///
/// Parts: motion[=MODEL] (full), wm_csf[=MODEL] (basic), global_signal[=MODEL] (basic) with MODEL basic, power2,
/// derivatives or full; high_pass; compcor[=KIND[:N]] (anat_combined:all); ica_aroma[=basic|full] (full); tedana;
/// scrub[=SHORTEST] (5); demean=yes|no (yes); non_steady_state (always done); high-variance[:N] (5), which needs no
/// confounds file.
/// @throws UsageError for what is none of these (says what can be), a part twice, or as validate()
ConfoundsOptions confounds_strategy(std::string_view text);

/// @throws DataError if the options are for images that ICA-AROMA cleaned, or that tedana combined, and `bold` is none
/// by its name
void check_image_for(const std::filesystem::path& bold, const ConfoundsOptions& options);

}  // namespace noema
