// pipelines/resample_runs: the runs of a dataset on another grid.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/io/dataset.h"
#include "noema/preprocess/resample.h"

namespace noema {

struct ResampleRunsOptions {
  std::filesystem::path root;
  std::filesystem::path output;
  DatasetQuery query;
  /// The edge of the new voxels, along the axes of each run; or else:
  double voxel_mm = 0;
  /// an image whose grid the runs are taken to.
  std::filesystem::path grid_of;
  Interpolation interpolation = Interpolation::cubic;
  /// See `ResampleOptions::clip`.
  bool clip = false;
  /// The effective configuration, kept with the result.
  std::string configuration;
};

struct ResampledRun {
  std::string id;
  std::int64_t volumes = 0;
  Grid grid;
  /// Empty, or why it failed.
  std::string error;
};

/// Runs `noema preprocess --resample`. For each run, beside each other as fMRIPrep has them, so that other commands
/// take them with --derivatives: `…[_space-<label>][_res-<label>]_desc-preproc_bold.nii.gz` (float32) and .json, their
/// mean `…_boldref.nii.gz`, the run's brain mask (nearest neighbour) and its confounds, where it has them. The space
/// stays that of the run; res is the edge in mm ("2p5": 2.5), or the `res-` entity of the image's name.
///
/// What lies beyond the recorded volume is 0. A run that fails is said by the log, and the others go on. Memory: a run
/// before and after.
/// @throws as `index_dataset`; UsageError unless there is either an edge above 0 or an image; IoError; Cancelled
std::vector<ResampledRun> resample_dataset(const ResampleRunsOptions& options);

}  // namespace noema
