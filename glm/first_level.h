// glm/first_level: from the runs of one subject to a map for each contrast.
#pragma once

#include <string>
#include <vector>

#include "noema/glm/fixed_effects.h"

namespace noema {

/// One run: its series (not standardised; censored volumes marked in `keep`) and what happened in it.
struct RunData {
  /// For messages, such as "sub-01 run-02".
  std::string name;
  const Series* series = nullptr;
  std::vector<Event> events;
  /// Columns (T, R) to explain away, such as motion, and their names; may be empty.
  MatrixD confounds;
  std::vector<std::string> confound_names;
};

/// A named question, such as {"faces", "face - (house + scene)/2"}; with a ';' it is F: {"any", "face; house"}.
struct ContrastRequest {
  std::string name;
  std::string formula;
};

struct FirstLevelOptions {
  /// How designs are made; the regressors of each run are its confounds.
  DesignOptions design;
  NoiseModel noise = NoiseModel::ar1;
  RunWeights run_weights = RunWeights::equal;
  /// Where in the repetition time volumes are taken to be acquired: 0 begin, 0.5 middle.
  double slice_time_reference = 0;
  /// Effects in percent of each voxel's mean over the run's kept volumes.
  bool percent = true;
};

struct ContrastResult {
  ContrastRequest request;
  ContrastMaps maps;
  /// Indices of the runs that could answer.
  std::vector<std::size_t> runs;
};

struct FirstLevelResult {
  std::vector<DesignMatrix> designs;  // of each run
  std::vector<ContrastResult> contrasts;
  /// Voxels left at 0 because their series is constant in some run, or its mean is 0 and percent were asked for.
  std::int64_t empty_voxels = 0;
};

/// Fits each run and combines each contrast over the runs by fixed effects.
///
/// Formulas may name the columns of any run. A run whose design lacks a column of a contrast, or cannot estimate it, is
/// left out of that contrast with a warning. Percent are of the voxel's own mean whatever its size (nilearn takes means
/// below 1 as 1); voxels with a mean of 0 (below 1e-4 of their noise) have no percent and are left at 0, with a
/// warning. Peak memory beyond the series: coefficients of one run, (P, V) doubles, and the maps of each contrast and
/// run.
/// @throws UsageError without runs or contrasts and for formulas that name no column of any run; ShapeError when runs
///   differ in voxels; DataError when no run can answer a contrast; and what `make_design` and `fit_glm` throw, with
///   the name of the run in front.
FirstLevelResult first_level(const std::vector<RunData>& runs, const std::vector<ContrastRequest>& contrasts,
                             const FirstLevelOptions& options = {});

}  // namespace noema
