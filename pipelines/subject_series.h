// pipelines/subject_series: the preprocessed runs of one subject, made or taken from an earlier call.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/provenance.h"
#include "noema/io/image.h"
#include "noema/io/sample_store.h"
#include "noema/pipelines/options.h"

namespace noema {

/// Where confounds are not regressed out, they join the nuisance series of a run with this before their names.
inline constexpr std::string_view kConfoundPrefix = "confound:";

struct SubjectSeries {
  std::vector<StoredRun> runs;
  /// The mean over runs of the mean volumes, at the mask's voxels.
  std::vector<float> mean;
  std::vector<InputRecord> inputs;
  bool reused = false;
  /// Why an earlier result was not taken; empty where there was none.
  std::string reason;
};

/// What one subject's result depends on besides its input files.
struct SeriesJob {
  const PrepareOptions* options = nullptr;
  /// With filter and cut-off as chosen for the dataset.
  PreprocessOptions preprocess;
  std::shared_ptr<const FeatureSpace> features;
  /// Labels that hold for whole runs come from here.
  const Dataset* dataset = nullptr;
  /// Of runs that have events, by `Run::id`.
  std::map<std::string, std::vector<Event>> events = {};
  /// Subjects with a file that could not be read while features and events were gathered, and why.
  std::map<std::string, Error> unreadable = {};
};

/// <output>/sub-<label>/func/sub-<label>_desc-series_bold.h5, and the mean volume beside it.
std::filesystem::path series_path(const std::filesystem::path& output, const std::string& subject);

/// Images, confounds and events of the runs. @throws IoError
std::vector<InputRecord> record_inputs(const std::vector<Run>& runs);

/// Preprocesses the runs of one subject and keeps them, all or nothing; or reads them back when configuration,
/// features, inputs (size, time, hash), timing and version agree with what the kept file says of itself.
/// @throws as `preprocess_run`; what `job.unreadable` holds; IoError; Cancelled
SubjectSeries subject_series(const SeriesJob& job, const std::string& subject, const std::vector<Run>& runs);

/// Would `subject_series` reuse? Empty if so, else the reason.
std::string reason_to_compute(const SeriesJob& job, const std::string& subject, const std::vector<Run>& runs);

}  // namespace noema
