// pipelines/realign: motion correction of the runs of a dataset, and their way to a template.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/io/dataset.h"

namespace noema {

struct RealignOptions {
  std::filesystem::path root;
  std::filesystem::path output;
  /// Runs as they were recorded, unless a space is asked for.
  DatasetQuery query;
  /// An image of one volume; empty: runs stay on their own grid.
  std::filesystem::path template_image;
  /// The effective configuration, kept with the result.
  std::string configuration;
};

struct RealignedRun {
  std::string id;
  std::int64_t volumes = 0;
  /// Over the volumes; NaN for a run of one.
  double mean_displacement_mm = 0;
  double largest_displacement_mm = 0;
  /// Empty, or why it failed.
  std::string error;
};

/// Runs `noema preprocess --realign`. For each run, beside each other as fMRIPrep has them, so that other commands take
/// them with --derivatives:
/// - `…[_space-<label>]_desc-preproc_bold.nii.gz` (float32) and .json: the volumes where the head lies still, in one
///   interpolation (cubic B-spline) from the recorded ones, on the run's grid or the template's;
/// - `…[_space-<label>]_boldref.nii.gz`: their mean;
/// - `…_desc-confounds_timeseries.tsv`: trans_x, trans_y, trans_z (mm), rot_x, rot_y, rot_z (radians, about the centre
///   of the grid; see RigidMotion) and framewise_displacement (mm);
/// - `…_desc-motion_xfm.txt`: for each volume the transform that was used; with a template also
///   `…_from-<label>_to-boldref_xfm.txt`, the affine registration. A line is a transform: the twelve numbers of its
///   first three rows, row by row; it takes points of the result to points of the recorded volume (of the template to
///   points of the mean image), RAS mm. Lines that begin with # are remarks.
///
/// The label of the space is the template's `tpl-` or `space-` entity, else "template". A run that fails is said by the
/// log, and the others go on. Memory: two copies of a run.
/// @throws as `index_dataset`; ShapeError for a template of several volumes; IoError; Cancelled
std::vector<RealignedRun> realign_dataset(const RealignOptions& options);

}  // namespace noema
