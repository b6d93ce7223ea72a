// io/confounds: what preprocessing measured of a run besides its images.
#pragma once

#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/series.h"

namespace noema {

/// What the sidecar says of a CompCor component.
struct CompCorComponent {
  /// Where it was computed: "combined", "CSF", "WM" …; empty where the sidecar does not say.
  std::string mask;
  /// "aCompCor" or "tCompCor".
  std::string method;
  /// The share of the variance that it and those before it explain; NaN where the sidecar does not say.
  double cumulative_variance = std::numeric_limits<double>::quiet_NaN();
  /// Is it among those that explain enough variance to be offered?
  bool retained = true;
};

/// All columns of a confounds file.
struct ConfoundTable {
  std::filesystem::path path;
  /// In the order of the file.
  std::vector<std::string> names;
  /// (T, columns); NaN where the file says n/a, as for the derivatives of the first volume.
  MatrixD values;
  /// By column name; empty without a sidecar.
  std::map<std::string, CompCorComponent> compcor;

  bool has(std::string_view name) const;
  /// The place of a column. @throws DataError naming the file and the nearest column.
  Eigen::Index index(std::string_view name) const;
};

/// Reads the confounds of a run (HCP's `Movement_Regressors.txt`, or fMRIPrep's `desc-confounds_timeseries.tsv`) and
/// the JSON file beside it, if there is one.
/// @throws IoError; FormatError for a file without a header or rows, or text where a number must be (names the line),
/// or
///         a broken sidecar.
ConfoundTable read_confounds(const std::filesystem::path& path);

/// Framewise displacement in mm (Power et al. 2012): the sum of the absolute differences from volume to volume of the
/// six motion parameters, rotations as arcs on a sphere.
/// @param parameters  (T, 6): translations in mm, rotations in radians.
/// @return (T): NaN for the first volume, which has no difference. @throws ShapeError unless there are six columns
std::vector<double> framewise_displacement(const MatrixD& parameters, double radius_mm = 50);

}  // namespace noema
