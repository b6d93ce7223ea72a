// io/dataset: which runs a BIDS dataset and its derivatives hold, and which files belong to each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "noema/io/image.h"
#include "noema/io/table.h"

namespace noema {

/// BIDS entities of a file name, such as {"sub": "01", "task": "rest"}.
using Entities = std::map<std::string, std::string>;

/// One functional run and the files around it. Paths that do not exist in the dataset are empty.
struct Run {
  Entities entities;
  std::filesystem::path bold;
  std::filesystem::path mask;
  std::filesystem::path confounds;
  std::filesystem::path events;
  /// From the sidecars (inheritance principle), else 0.
  double tr_s = 0;
  /// Sidecar `StartTime`: the time within the volume to which slices were shifted (0: to its begin).
  std::optional<double> slice_time_s;

  const std::string& subject() const { return entities.at("sub"); }
  std::string entity(const std::string& key) const;
  /// "sub-01_ses-02_task-rest_run-01": the entities that tell runs apart, in BIDS order.
  std::string id() const;
};

struct DatasetQuery {
  /// Labels with or without "sub-"; empty: all.
  std::vector<std::string> participants;
  std::string task;
  /// A space label, "func" for preprocessed runs without one, or "raw".
  std::string space;
  std::string session;
  std::string run;
  /// Further derivative folders, inside or outside the dataset; `<root>/derivatives` and its folders are found by
  /// themselves.
  std::vector<std::filesystem::path> derivatives;
  /// A BIDS filter file (JSON) whose "bold" object gives entities to match.
  std::filesystem::path filter_file;
  /// Does the caller need events? Then a run without them is an error.
  bool needs_events = true;
};

struct Dataset {
  std::filesystem::path root;
  std::string name;
  /// Sorted by subject, session, task, run.
  std::vector<Run> runs;
  /// participants.tsv when there is one.
  std::optional<Table> participants;

  /// Labels in order, without "sub-".
  std::vector<std::string> subjects() const;
};

/// Finds the runs of a BIDS dataset, or of folders of the HCP (see io/hcp).
///
/// Preprocessed runs (fMRIPrep's `desc-preproc_bold`) of the derivatives win over raw ones of the same entities, those
/// of folders asked for over those found; events come from the raw tree (or from beside the run), masks and confounds
/// from beside the preprocessed run. Grayordinates (`.dtseries.nii` of fMRIPrep) are runs like volumes; where a run is
/// there in both, its volumes are taken unless the query names the space of the grayordinates. No image is opened. When
/// what is asked for leaves several tasks or spaces, or several forms of one run (echoes, resolutions …), that is an
/// error that lists them.
/// @throws IoError, FormatError (JSON, tables), UsageError (several tasks, spaces or forms; an unknown participant,
/// task,
///         session, run or space, with the nearest and all), DataError (no runs, no events; with the file looked for
///         and what to do).
Dataset index_dataset(const std::filesystem::path& root, const DatasetQuery& query);

/// A run by its image file alone: entities by its name (none unless it begins with "sub-"), timing by the sidecar of
/// the same name, the confounds of fMRIPrep beside it. @throws IoError, FormatError, DataError for a bad sidecar
Run run_of_file(const std::filesystem::path& bold);

/// The TR to use for a run whose header was read: the sidecars' TR, else (with a warning) the header's. A warning says
/// when they differ by more than 1 ms. @throws DataError if neither gives one
double agreed_tr(const Run& run, const ImageHeader& header);

/// Splits "sub-01_task-x_bold.nii.gz" into entities, suffix ("bold") and extension (".nii.gz").
struct BidsName {
  Entities entities;
  std::string suffix;
  std::string extension;
};
BidsName parse_bids_name(const std::filesystem::path& path);

/// The inverse: entities in BIDS order, then the suffix and extension.
std::string bids_name(const Entities& entities, const std::string& suffix, const std::string& extension);

}  // namespace noema
