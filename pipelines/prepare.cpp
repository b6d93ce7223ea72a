#include "noema/pipelines/prepare.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <set>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/parallel.h"
#include "noema/io/atomic_file.h"
#include "noema/io/nifti.h"
#include "noema/pipelines/feature_choice.h"
#include "noema/pipelines/subject_queue.h"
#include "noema/pipelines/subject_series.h"
#include "noema/pipelines/surfaces.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

/// Files of subjects that cannot be read are left out; `unreadable` tells why.
void read_all_events(const std::vector<Run>& runs, SeriesJob& job) {
  if (!job.options->run_label.empty()) return;
  EventsOptions reading;
  reading.label_column = job.options->label_column;
  for (const Run& run : runs) {
    if (run.events.empty()) continue;
    try {
      job.events[run.id()] = read_events(run.events, reading);
    } catch (const Error& error) {
      job.unreadable.emplace(run.subject(), error);
    }
  }
}

void require_events(const SeriesJob& job) {
  if (job.unreadable.empty() || !job.events.empty()) return;
  throw DataError(fmt::format("no events file can be read; the first: {}", job.unreadable.begin()->second.what()));
}

struct Finished {
  SubjectOutcome outcome;
  SubjectSeries series;
};

bool is_inside(const fs::path& path, const fs::path& folder) {
  const fs::path relative =
      fs::absolute(path).lexically_normal().lexically_relative(fs::absolute(folder / "").lexically_normal());
  return !relative.empty() && *relative.begin() != "..";
}

void record_failure(const SeriesJob& job, const Error& error, SubjectOutcome& outcome) {
  outcome.kind = SubjectOutcome::Kind::failed;
  outcome.reason = error.what();
  log(LogLevel::error, error.what());
  write_crash_file(*job.options, outcome.subject, error);
}

Finished finish_subject(const SeriesJob& job, const std::string& subject, const std::vector<Run>& runs) {
  Finished finished;
  finished.outcome.subject = subject;
  try {
    finished.series =
        with_context(fmt::format("subject '{}'", subject), [&] { return subject_series(job, subject, runs); });
    finished.outcome.kind = finished.series.reused ? SubjectOutcome::Kind::reused : SubjectOutcome::Kind::computed;
    finished.outcome.reason = finished.series.reason;
    const fs::path old_crash = job.options->output / "logs" / fmt::format("crash-sub-{}.txt", subject);
    if (fs::exists(old_crash)) fs::remove(old_crash);
  } catch (const Cancelled&) {
    throw;
  } catch (const IoError& error) {
    // No fault of the subject: the others could not be kept either.
    if (is_inside(error.path(), series_path(job.options->output, subject).parent_path())) throw;
    record_failure(job, error, finished.outcome);
  } catch (const Error& error) {
    record_failure(job, error, finished.outcome);
  }
  return finished;
}

std::map<std::string, std::vector<Run>> by_subject(const std::vector<Run>& runs) {
  std::map<std::string, std::vector<Run>> subjects;
  for (const Run& run : runs) subjects[run.subject()].push_back(run);
  return subjects;
}

std::vector<Finished> finish_subjects(const SeriesJob& job, const std::vector<Run>& runs) {
  const auto subjects = by_subject(runs);
  std::vector<const std::pair<const std::string, std::vector<Run>>*> queue;
  for (const auto& subject : subjects) queue.push_back(&subject);
  std::vector<Finished> finished(queue.size());
  work_on_subjects(queue.size(), job.options->processes, "preprocessing subjects",
                   [&](std::size_t i) { finished[i] = finish_subject(job, queue[i]->first, queue[i]->second); });
  return finished;
}

/// Columns that are constant in any run carry nothing there, so they are left out of all runs.
std::vector<std::int64_t> varying_columns(const std::vector<StoredRun*>& runs, std::int64_t features) {
  std::vector<char> varies(static_cast<std::size_t>(features), 1);
  for (const StoredRun* run : runs) {
    const MatrixF& values = run->series.values;
    parallel_for(features, 512, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t f = begin; f < end; ++f) {
        if ((values.col(f).array() == values(0, f)).all()) varies[static_cast<std::size_t>(f)] = 0;
      }
    });
  }
  std::vector<std::int64_t> columns;
  for (std::int64_t f = 0; f < features; ++f) {
    if (varies[static_cast<std::size_t>(f)]) columns.push_back(f);
  }
  return columns;
}

FeatureSpace restricted(const FeatureSpace& features, const std::vector<std::int64_t>& columns) {
  FeatureSpace kept = features;
  if (features.kind == FeatureKind::voxels) {
    kept.mask.voxels.clear();
    for (const std::int64_t f : columns) kept.mask.voxels.push_back(features.mask.voxels[static_cast<std::size_t>(f)]);
    return kept;
  }
  std::vector<std::int32_t> new_index(static_cast<std::size_t>(features.count()), -1);
  kept.names.clear();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    new_index[static_cast<std::size_t>(columns[i])] = static_cast<std::int32_t>(i);
    kept.names.push_back(features.names[static_cast<std::size_t>(columns[i])]);
  }
  for (std::int32_t& parcel : kept.parcel_of_voxel)
    parcel = parcel < 0 ? -1 : new_index[static_cast<std::size_t>(parcel)];
  if (features.kind == FeatureKind::maps) kept.map_weights = MatrixF(features.map_weights(Eigen::all, columns));
  return kept;
}

/// With a trained model's features nothing may be left out: what is constant stays zero.
void leave_out_constant_features(std::vector<StoredRun*>& runs, bool may_leave_out, PreparedData& data) {
  const std::int64_t before = data.features->count();
  const std::vector<std::int64_t> columns = varying_columns(runs, before);
  const auto left_out = before - static_cast<std::int64_t>(columns.size());
  if (left_out == 0) return;
  if (!may_leave_out) {
    log_warning(fmt::format("{} of the model's {} features are constant in at least one run, where the model sees 0",
                            left_out, before));
    return;
  }
  if (columns.empty()) throw DataError("every feature is constant in some run: there is nothing to learn from");
  data.features = std::make_shared<const FeatureSpace>(restricted(*data.features, columns));
  for (StoredRun* run : runs) run->series.values = MatrixF(run->series.values(Eigen::all, columns));
  data.notes.push_back(
      fmt::format("{} of {} features left out because they are constant in at least one run.", left_out, before));
}

std::map<std::string, std::string> groups_of(const Run& run, const std::optional<Table>& participants) {
  std::map<std::string, std::string> groups;
  if (!participants || !participants->has("participant_id")) return groups;
  const auto& ids = participants->column("participant_id");
  for (std::size_t row = 0; row < ids.size(); ++row) {
    if (ids[row] != run.subject() && ids[row] != "sub-" + run.subject()) continue;
    for (std::size_t c = 0; c < participants->names.size(); ++c) {
      const std::string& value = participants->columns[c][row];
      if (participants->names[c] != "participant_id" && value != "n/a" && !value.empty())
        groups[participants->names[c]] = value;
    }
  }
  return groups;
}

LearningRun learning_run(const StoredRun& stored, const Run& run, const Dataset& dataset) {
  LearningRun learning;
  learning.id = stored.id;
  learning.subject = run.subject();
  learning.session = run.entity("ses");
  learning.run = run.entity("run");
  learning.groups = groups_of(run, dataset.participants);
  learning.events = stored.events;
  return learning;
}

/// Steps in the order of their first appearance, each once.
void add_notes(const std::vector<StoredRun*>& runs, std::vector<std::string>& notes) {
  for (const StoredRun* run : runs) {
    for (const std::string& note : run->notes) {
      if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
    }
  }
}

/// Nuisance names that all runs have, so that the baseline sees the same columns everywhere.
std::vector<std::string> common_nuisance(const std::vector<StoredRun*>& runs) {
  std::vector<std::string> names = runs.front()->nuisance_names;
  for (const StoredRun* run : runs) {
    std::erase_if(names, [&](const std::string& name) {
      return std::find(run->nuisance_names.begin(), run->nuisance_names.end(), name) == run->nuisance_names.end();
    });
  }
  return names;
}

Series nuisance_series_of(const StoredRun& run, const std::vector<std::string>& names,
                          const std::shared_ptr<const FeatureSpace>& features) {
  Series series;
  series.features = features;
  series.tr_s = run.series.tr_s;
  series.start_s = run.series.start_s;
  series.keep = run.series.keep;
  series.values.resize(run.nuisance.rows(), static_cast<Eigen::Index>(names.size()));
  for (std::size_t c = 0; c < names.size(); ++c) {
    const auto at =
        std::find(run.nuisance_names.begin(), run.nuisance_names.end(), names[c]) - run.nuisance_names.begin();
    series.values.col(static_cast<Eigen::Index>(c)) = run.nuisance.col(at).cast<float>();
  }
  return series;
}

/// Nuisance columns as "parcels" without voxels: what a series needs to say of its features.
std::shared_ptr<const FeatureSpace> nuisance_features(const std::vector<std::string>& names) {
  auto features = std::make_shared<FeatureSpace>();
  features->kind = FeatureKind::parcels;
  features->names = names;
  return features;
}

void gather(std::vector<Finished>& finished, const PrepareOptions& options, PreparedData& data) {
  const Dataset& dataset = data.dataset;
  std::vector<StoredRun*> stored;
  std::vector<double> mean(static_cast<std::size_t>(data.features->mask.size()), 0);
  int subjects = 0;
  const Mask mask = data.features->mask;
  for (Finished& subject : finished) {
    data.subjects.push_back(subject.outcome);
    data.inputs.insert(data.inputs.end(), subject.series.inputs.begin(), subject.series.inputs.end());
    if (subject.outcome.kind == SubjectOutcome::Kind::failed) continue;
    ++subjects;
    for (std::size_t v = 0; v < mean.size(); ++v) mean[v] += subject.series.mean[v];
    for (StoredRun& run : subject.series.runs) stored.push_back(&run);
  }
  if (stored.empty())
    throw DataError(
        fmt::format("none of {} subjects could be preprocessed; the messages above and the crash files in '{}' say why",
                    finished.size(), (options.output / "logs").string()));
  std::vector<float> values(mean.size());
  for (std::size_t v = 0; v < mean.size(); ++v) values[v] = static_cast<float>(mean[v] / subjects);
  data.mean = unmask(mask, values);
  add_notes(stored, data.notes);
  leave_out_constant_features(stored, !options.contract, data);
  data.nuisance_names = common_nuisance(stored);
  auto runs = std::make_shared<std::vector<LearningRun>>();
  auto nuisance = std::make_shared<std::vector<LearningRun>>();
  const auto nuisance_space = nuisance_features(data.nuisance_names);
  for (StoredRun* run : stored) {
    const auto file =
        std::find_if(dataset.runs.begin(), dataset.runs.end(), [&](const Run& r) { return r.id() == run->id; });
    data.files.push_back(*file);
    LearningRun learning = learning_run(*run, *file, dataset);
    learning.series = nuisance_series_of(*run, data.nuisance_names, nuisance_space);
    nuisance->push_back(learning);
    learning.series = std::move(run->series);
    learning.series.features = data.features;
    runs->push_back(std::move(learning));
  }
  data.runs = runs;
  data.nuisance = nuisance;
}

/// The runs as far as their names and events tell.
std::vector<LearningRun> runs_without_series(const SeriesJob& job) {
  std::vector<LearningRun> runs;
  for (const Run& run : job.dataset->runs) {
    LearningRun learning;
    learning.id = run.id();
    learning.subject = run.subject();
    learning.session = run.entity("ses");
    learning.run = run.entity("run");
    learning.groups = groups_of(run, job.dataset->participants);
    if (const auto events = job.events.find(learning.id); events != job.events.end()) learning.events = events->second;
    if (const std::string& source = job.options->run_label; !source.empty()) {
      learning.events = {{0, 0, run_level_label(run, job.dataset->participants, source)}};
    }
    runs.push_back(std::move(learning));
  }
  return runs;
}

/// What a trained model expects; subjects with a run that has not are left out.
void take_contract(const PrepareOptions& options, PreparedData& data, SeriesJob& job) {
  const InputContract& contract = *options.contract;
  check_surfaces(options, contract.features.mask.grid);
  for (const Run& run : data.dataset.runs) {
    try {
      require_contract(contract, run, options.allow_resample);
    } catch (const Error& error) {
      job.unreadable.emplace(run.subject(), error);
    }
  }
  data.features = std::shared_ptr<const FeatureSpace>(options.contract, &contract.features);
  data.preprocess = options.preprocess;
  data.preprocess.resample = options.allow_resample;
  data.high_pass = {options.preprocess.clean.high_pass_hz, "Preprocessing as the model was trained on."};
  data.notes = {fmt::format("{} features ({}) of the model's input contract.", data.features->count(),
                            feature_kind_name(data.features->kind)),
                data.high_pass.reason};
}

/// Features and filter by the data.
void choose_by_data(const PrepareOptions& options, const std::vector<Run>& runs, PreparedData& data, SeriesJob& job) {
  FeatureChoice choice = choose_features(runs, options);
  job.unreadable.merge(choice.unreadable);
  data.features = choice.features;
  data.notes = choice.notes;
  std::vector<std::vector<Event>> events;
  for (const auto& [run, of_run] : job.events) events.push_back(of_run);
  data.high_pass = resolve_high_pass(options, events);
  data.notes.push_back(data.high_pass.reason);
  data.preprocess = options.preprocess;
  data.preprocess.clean.high_pass_hz = data.high_pass.high_pass_hz;
  if (!data.high_pass.high_pass_hz && !data.preprocess.clean.low_pass_hz)
    data.preprocess.clean.filter = TemporalFilter::none;
}

SeriesJob make_job(const PrepareOptions& options, const RunCheck& check, PreparedData& data) {
  SeriesJob job{&options, {}, {}, &data.dataset};
  const Dataset for_features = dataset_for_features(options, data.dataset);
  read_all_events(for_features.runs, job);
  require_events(job);
  if (check) check(runs_without_series(job));
  if (options.contract) {
    take_contract(options, data, job);
  } else {
    choose_by_data(options, for_features.runs, data, job);
  }
  job.features = data.features;
  job.preprocess = data.preprocess;
  return job;
}

}  // namespace

Dataset dataset_for_features(const PrepareOptions& options, const Dataset& dataset) {
  if (options.level != AnalysisLevel::participant || options.query.participants.empty()) return dataset;
  DatasetQuery everybody = options.query;
  everybody.participants.clear();
  return index_dataset(options.root, everybody);
}

void say_outcomes(const std::vector<SubjectOutcome>& outcomes) {
  std::vector<std::string> reused;
  int failed = 0;
  for (const SubjectOutcome& outcome : outcomes) {
    if (outcome.kind == SubjectOutcome::Kind::reused) reused.push_back(outcome.subject);
    failed += outcome.kind == SubjectOutcome::Kind::failed ? 1 : 0;
  }
  if (!reused.empty()) {
    log_info(fmt::format("{} of {} subjects were finished before and are reused: {}", reused.size(), outcomes.size(),
                         fmt::join(reused, ", ")));
  }
  for (const SubjectOutcome& outcome : outcomes) {
    if (outcome.kind == SubjectOutcome::Kind::computed && !outcome.reason.empty() &&
        outcome.reason != "it is not there yet") {
      log_info(fmt::format("subject '{}' was computed again: {}", outcome.subject, outcome.reason));
    }
  }
  if (failed > 0)
    log_warning(fmt::format("{} of {} subjects failed; see the crash files in logs/", failed, outcomes.size()));
}

HighPassChoice resolve_high_pass(const PrepareOptions& options, const std::vector<std::vector<Event>>& events) {
  if (options.high_pass_hz.kind == AutoNumber::Kind::none) return {std::nullopt, "No high-pass filter, as asked for."};
  if (options.high_pass_hz.kind == AutoNumber::Kind::given) {
    return {options.high_pass_hz.value,
            fmt::format("High-pass at {:.4g} Hz, as asked for.", options.high_pass_hz.value)};
  }
  return choose_high_pass(events);
}

void write_crash_file(const PrepareOptions& options, const std::string& subject, const Error& error) {
  const fs::path folder = options.output / "logs";
  make_folder(folder);
  const Provenance provenance = make_provenance(options.seed, options.configuration);
  write_file(
      folder / fmt::format("crash-sub-{}.txt", subject),
      fmt::format(
          "subject: {}\ntime: {}\ncommand: {}\nversion: {} ({})\nerror: {}\nat: {}:{} in {}\n\nconfiguration:\n{}",
          subject, provenance.created, provenance.command_line, provenance.version, provenance.git_revision,
          error.what(), error.where().file_name(), error.where().line(), error.where().function_name(),
          options.configuration));
}

void require_contract(const InputContract& contract, const Run& run, bool allow_resample) {
  ImageHeader header = read_header(run.bold);
  header.space = run.entity("space");
  check_contract(contract, header, agreed_tr(run, header), allow_resample);
}

PreparedData prepare_dataset(const PrepareOptions& options, const RunCheck& check) {
  PreparedData data;
  data.dataset = index_dataset(options.root, options.query);
  const SeriesJob job = make_job(options, check, data);
  std::vector<Finished> finished = finish_subjects(job, data.dataset.runs);
  gather(finished, options, data);
  say_outcomes(data.subjects);
  return data;
}

std::vector<std::string> plan_preparation(const PrepareOptions& options, const RunCheck& check) {
  PreparedData data;
  data.dataset = index_dataset(options.root, options.query);
  const SeriesJob job = make_job(options, check, data);
  std::vector<std::string> lines = data.notes;
  for (const auto& [subject, runs] : by_subject(data.dataset.runs)) {
    const std::string reason = reason_to_compute(job, subject, runs);
    lines.push_back(fmt::format("sub-{}: {} runs, {}", subject, runs.size(),
                                reason.empty() ? "finished before, to be reused" : "to be computed: " + reason));
  }
  return lines;
}

}  // namespace noema
