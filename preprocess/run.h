// preprocess/run: from the file of a run to a clean series.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "noema/io/dataset.h"
#include "noema/io/gifti.h"
#include "noema/io/series.h"
#include "noema/preprocess/clean.h"
#include "noema/preprocess/confounds.h"
#include "noema/preprocess/regions.h"

namespace noema {

struct PreprocessOptions {
  /// Gaussian smoothing; 0: none. Grayordinates are smoothed along `surfaces` and within each deep structure.
  double fwhm_mm = 0;
  /// Meshes of the cortex, one of each hemisphere; null: none. Only their fingerprint is part of the configuration.
  std::shared_ptr<const std::vector<SurfaceMesh>> surfaces;
  /// The fingerprint that `surfaces` must have where grayordinates are smoothed; empty: any.
  std::string surfaces_hash;
  /// What a region's value is, of parcels; the features must be such, unless it is the mean.
  RegionStatistic region_statistic = RegionStatistic::mean;
  /// Cleaning; `clean.tr_s` is the run's, whatever is given here.
  CleanOptions clean;
  /// See `confounds_strategy`.
  std::string confounds = "none";
  /// Else they are chosen and their volumes censored, but the series keeps what they explain, for a design to model.
  bool regress_confounds = true;
  /// Either of these censors volumes, whatever the strategy; the other then has no bound, unless the strategy has one.
  std::optional<double> fd_threshold_mm;
  std::optional<double> std_dvars_threshold;
  /// Stretches of fewer volumes between censored ones are censored too; without it as the strategy has it, else 5.
  std::optional<int> shortest_segment;
  /// Where censoring needs framewise displacement or standardised DVARS and the confounds file lacks it, compute it
  /// from the motion parameters or the voxels of the mask. Else that is an error.
  bool compute_missing = false;
  /// A run of another grid than the features' is resampled to it (cubic B-spline), before smoothing. No part of the
  /// configuration: a run that needs none is the same with it and without.
  bool resample = false;
  /// Volumes to cut off at the start.
  int drop_first = 0;

  /// @throws UsageError for values out of range or options that contradict
  void validate() const;
};

struct PreprocessedRun {
  Series series;
  /// Those of the strategy, for the volumes of the series.
  Confounds confounds;
  /// (T, Q), for the nuisance-only baseline: motion (where it is known), global signal of the raw run, position in the
  /// run.
  MatrixD nuisance;
  std::vector<std::string> nuisance_names;
  /// Mean over time of each voxel of the mask, before smoothing, for pictures; 0 where it is not finite.
  std::vector<float> mean;
  /// (F): 0 where a feature is constant or not finite; its series is 0.
  std::vector<std::uint8_t> usable;
  /// One sentence for each step that was done, in order.
  std::vector<std::string> notes;
};

/// Reads a run volume by volume, smooths, takes the features' values and cleans them.
///
/// Voxels of the mask that are constant or not finite in some volume are left out of parcels and maps, and said in one
/// warning with their count. Memory: a few volumes and the series (T, F). Where such voxels occur and features are not
/// voxels, the file is read twice. `series.start_s` is 0, or half a TR before the time that slices were shifted to
/// (`slice_time_s`), plus what was dropped.
/// @throws ShapeError for a mask of another grid (names both files), unless the run may be resampled; DataError for
/// more than a tenth of the mask constant
///         or not finite, a run shorter than the filter needs, all volumes censored, confounds that are missing or no
///         numbers; UsageError for a high-pass above Nyquist, a statistic of regions where there are none, or
///         grayordinates to be smoothed without meshes of their surfaces; what the readers throw; Cancelled. All but
///         the first of the data errors come before the values are read.
PreprocessedRun preprocess_run(const Run& run, const std::shared_ptr<const FeatureSpace>& features,
                               const PreprocessOptions& options);

}  // namespace noema
