// pipelines/to_surface: the volumes of runs, sampled at the vertices of cortex meshes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "noema/io/dataset.h"
#include "noema/preprocess/surface.h"

namespace noema {

struct ToSurfaceOptions {
  std::filesystem::path root;
  std::filesystem::path output;
  DatasetQuery query;
  /// Meshes of the left and the right cortex, in the space of the runs.
  std::vector<std::filesystem::path> surfaces;
  /// Of the same hemispheres, vertex by vertex across the grey matter; needed for sampling by depth.
  std::vector<std::filesystem::path> inner_surfaces;
  /// Without it by depth where there are inner surfaces, else along lines.
  std::optional<SurfaceSampling> kind;
  double radius_mm = 3;
  std::optional<int> samples;
  std::vector<double> depths;
  /// Samples outside of it are left out; empty: none are.
  std::filesystem::path mask;
  /// Smoothing along the surface afterwards; 0: none.
  double fwhm_mm = 0;
  /// The effective configuration, kept with the result.
  std::string configuration;
};

struct SampledRun {
  std::string id;
  std::int64_t volumes = 0;
  std::int64_t vertices = 0;
  /// Vertices that have no value in some volume.
  std::int64_t empty = 0;
  /// Empty, or why it failed.
  std::string error;
};

/// Runs `noema preprocess --to-surface`. For each run, as fMRIPrep names them:
/// - `…_hemi-<L|R>_space-<label>[_den-<label>]_bold.func.gii`: a data array for each volume;
/// - `…_space-<label>[_den-<label>]_bold.dtseries.nii` and .json: both hemispheres in one CIFTI file, which other
///   commands take with --derivatives. It lists the vertices that have a value in at least one of the runs, the same in
///   all of them.
///
/// The labels are those of the first mesh's name (`space-` or `tpl-`, `den-`), else "surface". Vertices that lack a
/// value in some volume of a run are NaN throughout it. A run that fails is said by the log, and the others go on.
/// Memory: about six times one run's vertices in float32.
/// @throws as `index_dataset`; UsageError for options that do not fit; IoError; Cancelled
std::vector<SampledRun> sample_dataset(const ToSurfaceOptions& options);

}  // namespace noema
