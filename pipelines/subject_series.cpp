#include "noema/pipelines/subject_series.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/atomic_file.h"
#include "noema/io/cifti.h"
#include "noema/io/nifti.h"
#include "noema/io/tedana.h"
#include "noema/learn/labels.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/preprocess_config.h"
#include "noema/pipelines/reuse_record.h"

namespace noema {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

fs::path mean_path(const SeriesJob& job, const std::string& subject) {
  return job.options->output / subject_mean_file(subject, job.features->mask.grid);
}

/// A file, or those of a folder (the EVs of the HCP); none of an empty path.
std::vector<fs::path> files_of(const fs::path& path) {
  if (path.empty()) return {};
  if (!fs::is_directory(path)) return {path};
  std::set<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file()) files.insert(entry.path());
  }
  return {files.begin(), files.end()};
}

/// Everything but the inputs that decides what the series are.
std::string configuration_of(const SeriesJob& job) {
  return preprocess_to_toml(job.preprocess) +
         fmt::format("label_column = \"{}\"\nrun_label = \"{}\"\n", job.options->label_column, job.options->run_label);
}

/// What sidecars and tables say of a run, as far as the series depend on it.
json facts_of(const SeriesJob& job, const std::vector<Run>& runs) {
  json facts = json::array();
  const std::string& source = job.options->run_label;
  for (const Run& run : runs) {
    facts.push_back({{"run", run.id()},
                     {"tr_s", run.tr_s},
                     {"slice_time_s", run.slice_time_s ? json(*run.slice_time_s) : json()},
                     {"label", source.empty() ? "" : run_level_label(run, job.dataset->participants, source)}});
  }
  return facts;
}

std::string record_of(const SeriesJob& job, const std::vector<Run>& runs, const std::vector<InputRecord>& inputs) {
  return reuse_record({configuration_of(job), job.features.get(), facts_of(job, runs).dump(), inputs});
}

std::vector<Event> events_of(const SeriesJob& job, const Run& run, const Series& series) {
  if (!job.options->run_label.empty()) {
    return {whole_run_event(series, run_level_label(run, job.dataset->participants, job.options->run_label))};
  }
  const auto found = job.events.find(run.id());
  return found == job.events.end() ? std::vector<Event>{} : found->second;
}

void add_confounds(const Confounds& confounds, StoredRun& run) {
  MatrixD all(run.nuisance.rows(), run.nuisance.cols() + confounds.values.cols());
  all.leftCols(run.nuisance.cols()) = run.nuisance;
  if (confounds.values.cols() > 0) all.rightCols(confounds.values.cols()) = confounds.values;
  run.nuisance = std::move(all);
  for (const std::string& name : confounds.names) run.nuisance_names.push_back(std::string(kConfoundPrefix) + name);
}

SubjectSeries compute(const SeriesJob& job, const std::vector<Run>& runs) {
  SubjectSeries result;
  result.mean.assign(static_cast<std::size_t>(job.features->mask.size()), 0);
  for (const Run& run : runs) {
    PreprocessedRun done = preprocess_run(run, job.features, job.preprocess);
    StoredRun stored;
    stored.id = run.id();
    stored.entities = run.entities;
    stored.events = events_of(job, run, done.series);
    stored.series = std::move(done.series);
    stored.nuisance = std::move(done.nuisance);
    stored.nuisance_names = std::move(done.nuisance_names);
    if (!job.preprocess.regress_confounds) add_confounds(done.confounds, stored);
    stored.notes = std::move(done.notes);
    for (std::size_t v = 0; v < result.mean.size(); ++v)
      result.mean[v] += done.mean[v] / static_cast<float>(runs.size());
    result.runs.push_back(std::move(stored));
  }
  return result;
}

void keep(const SeriesJob& job, const std::string& subject, const SubjectSeries& series, const std::string& record) {
  const fs::path path = series_path(job.options->output, subject);
  make_folder(path.parent_path());
  // The store last: once it is there, the subject is finished.
  write_image(mean_path(job, subject), unmask(job.features->mask, series.mean));
  SampleStoreWriter writer(path, *job.features, record);
  for (const StoredRun& run : series.runs) writer.add_run(run);
  writer.commit();
}

/// Nothing, and the reason, where the kept files turn out to be damaged.
std::optional<SubjectSeries> read_back(const SeriesJob& job, const std::string& subject, std::string& reason) try {
  SubjectSeries result;
  const SampleStore store = SampleStore::open(series_path(job.options->output, subject));
  for (std::size_t i = 0; i < store.runs().size(); ++i) {
    result.runs.push_back(store.read_run(static_cast<std::int64_t>(i)));
    result.runs.back().series.features = job.features;
  }
  const Image mean = read_image(mean_path(job, subject));
  for (const std::int64_t voxel : job.features->mask.voxels)
    result.mean.push_back(mean.values.at(static_cast<std::size_t>(voxel)));
  result.reused = true;
  return result;
} catch (const Cancelled&) {
  throw;
} catch (const Error& error) {
  reason = fmt::format("it cannot be read ({})", error.what());
  return std::nullopt;
}

std::string reason_to_compute(const SeriesJob& job, const std::string& subject, const std::string& wanted) {
  const fs::path path = series_path(job.options->output, subject);
  if (!fs::exists(path) || !fs::exists(mean_path(job, subject))) return "it is not there yet";
  try {
    return reason_against(SampleStore::open(path).provenance(), wanted);
  } catch (const Error& error) {
    return fmt::format("it cannot be read ({})", error.what());
  }
}

}  // namespace

std::vector<InputRecord> record_inputs(const std::vector<Run>& runs) {
  std::vector<InputRecord> records;
  for (const Run& run : runs) {
    for (const fs::path& path : {run.bold, run.confounds, run.events}) {
      for (const fs::path& file : files_of(path)) records.push_back(record_input(file));
    }
    // What decides which columns are CompCor's.
    const fs::path sidecar = fs::path(run.confounds).replace_extension(".json");
    if (!run.confounds.empty() && fs::exists(sidecar)) records.push_back(record_input(sidecar));
    if (const auto tedana = tedana_files_beside(run.bold)) {
      for (const fs::path& path : {tedana->mixing, tedana->metrics}) records.push_back(record_input(path));
    }
  }
  return records;
}

fs::path series_path(const fs::path& output, const std::string& subject) {
  return output / ("sub-" + subject) / "func" / fmt::format("sub-{}_desc-series_bold.h5", subject);
}

SubjectSeries subject_series(const SeriesJob& job, const std::string& subject, const std::vector<Run>& runs) {
  if (const auto why = job.unreadable.find(subject); why != job.unreadable.end()) throw why->second;
  const std::vector<InputRecord> inputs = record_inputs(runs);
  const std::string record = record_of(job, runs, inputs);
  std::string reason = reason_to_compute(job, subject, record);
  std::optional<SubjectSeries> result;
  if (reason.empty()) result = read_back(job, subject, reason);
  if (!result) {
    const bool was_there = fs::exists(series_path(job.options->output, subject));
    result = compute(job, runs);
    keep(job, subject, *result, record);
    if (was_there) result->reason = reason;
  }
  result->inputs = inputs;
  return std::move(*result);
}

std::string reason_to_compute(const SeriesJob& job, const std::string& subject, const std::vector<Run>& runs) {
  if (const auto why = job.unreadable.find(subject); why != job.unreadable.end()) return why->second.what();
  return reason_to_compute(job, subject, record_of(job, runs, record_inputs(runs)));
}

}  // namespace noema
