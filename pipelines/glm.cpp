#include "noema/pipelines/glm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/memory.h"
#include "noema/io/atomic_file.h"
#include "noema/io/brain_models.h"
#include "noema/io/nifti.h"
#include "noema/io/orientation.h"
#include "noema/pipelines/feature_choice.h"
#include "noema/pipelines/glm_contrasts.h"
#include "noema/pipelines/glm_maps.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/prepare.h"
#include "noema/pipelines/results_page.h"
#include "noema/pipelines/stopwatch.h"
#include "noema/pipelines/subject_series.h"
#include "noema/pipelines/surfaces.h"
#include "noema/preprocess/butterworth.h"

namespace noema {
namespace {

/// Of subjects, and why.
using Failures = std::map<std::string, Error>;

/// One list a run; of files that cannot be read none, and the reason.
std::vector<std::vector<Event>> events_of(const GlmOptions& options, const std::vector<Run>& runs,
                                          Failures& unreadable) {
  EventsOptions reading;
  reading.label_column = options.prepare.label_column;
  LabelRule rule;
  rule.rename = options.rename;
  std::vector<std::vector<Event>> events;
  for (const Run& run : runs) {
    LearningRun named;
    named.id = run.id();
    try {
      named.events = read_events(run.events, reading);
    } catch (const Error& error) {
      unreadable.emplace(run.subject(), error);
    }
    events.push_back(selected_events(named, rule));
  }
  return events;
}

/// Those of the conditions that the model names.
void keep_conditions(const std::vector<std::string>& patterns, std::vector<std::vector<Event>>& events) {
  if (patterns.empty()) return;
  for (std::vector<Event>& of_run : events) {
    std::erase_if(of_run, [&](const Event& event) { return !fits_any(event.label, patterns); });
  }
}

/// Leaves out the subjects with a file that could not be read.
void drop_unreadable(const Failures& unreadable, GlmJob& job) {
  for (const auto& [subject, error] : unreadable) {
    const auto known = std::find_if(job.runs.begin(), job.runs.end(),
                                    [&, &name = subject](const Run& run) { return run.subject() == name; });
    if (known == job.runs.end()) continue;
    job.on_failure(subject, error);
    for (std::size_t r = job.runs.size(); r-- > 0;) {
      if (job.runs[r].subject() != subject) continue;
      job.runs.erase(job.runs.begin() + static_cast<std::ptrdiff_t>(r));
      job.events.erase(job.events.begin() + static_cast<std::ptrdiff_t>(r));
    }
  }
  if (job.runs.empty()) throw DataError("no subject is left whose files can be read; see the crash files in logs/");
}

std::vector<std::string> conditions_of(const std::vector<std::vector<Event>>& runs) {
  std::set<std::string> names;
  for (const std::vector<Event>& events : runs) {
    for (const Event& event : events) names.insert(event.label);
  }
  return {names.begin(), names.end()};
}

PeakRecord peak_at(const GlmMap& map, std::size_t v, const Mask& mask, const ImageHeader& like) {
  const auto voxel = mask.grid.voxel_at(mask.voxels[v]);
  PeakRecord peak{map.t[v], map.z[v], disk_voxel(mask.grid, like.disk_orientation, voxel), {}};
  const Eigen::Vector4d place(static_cast<double>(voxel[0]), static_cast<double>(voxel[1]),
                              static_cast<double>(voxel[2]), 1);
  const Eigen::Vector3d ras = mask.grid.grayordinates != nullptr
                                  ? place_mm(*mask.grid.grayordinates, voxel[0])
                                  : Eigen::Vector3d((mask.grid.ras_from_voxel * place).head<3>());
  peak.ras_mm = {ras[0], ras[1], ras[2]};
  return peak;
}

/// The formula of a map of the group: the contrast's, and where the group has a model that of its contrast.
std::string formula_of(const GlmMap& map, const GlmJob& job) {
  for (const ContrastRequest& contrast : job.contrasts) {
    if (map.contrast == contrast.name) return contrast.formula;
    for (const ContrastRequest& group : job.group.contrasts) {
      if (map.contrast == group_map_name(contrast.name, group.name)) return contrast.formula + " | " + group.formula;
    }
    const std::string beginning = group_map_name(contrast.name, "");
    if (map.contrast.starts_with(beginning)) return contrast.formula + " | " + map.contrast.substr(beginning.size());
  }
  return "";
}

std::vector<ContrastRecord> describe(const GlmMaps& maps, const GlmJob& job, const ImageHeader& like) {
  const Mask& mask = job.voxels->mask;
  std::vector<ContrastRecord> records;
  for (const GlmMap& map : maps.group) {
    const auto [low, high] = std::minmax_element(map.t.begin(), map.t.end());
    ContrastRecord record{map.contrast, formula_of(map, job), map.is_f() ? "F" : "t", maps.subjects, map.df};
    record.voxels = mask.size();
    record.max = peak_at(map, static_cast<std::size_t>(high - map.t.begin()), mask, like);
    record.min = peak_at(map, static_cast<std::size_t>(low - map.t.begin()), mask, like);
    record.voxels_above = std::count_if(map.z.begin(), map.z.end(),
                                        [&](double z) { return (map.is_f() ? z : std::abs(z)) > kZThreshold; });
    records.push_back(std::move(record));
  }
  return records;
}

std::vector<SubjectRow> subject_rows(const std::vector<Run>& runs, const GlmMaps& maps) {
  std::map<std::string, SubjectRow> rows;
  for (const Run& run : runs) {
    if (!maps.of_subject.contains(run.subject())) continue;
    SubjectRow& row = rows[run.subject()];
    row.subject = run.subject();
    ++row.runs;
    row.volumes += read_header(run.bold).volumes;
  }
  std::vector<SubjectRow> list;
  for (const auto& [subject, row] : rows) list.push_back(row);
  return list;
}

/// The columns of a group model that is not the mean, whose rows and what was asked of it.
void write_group_model(const std::filesystem::path& folder, const GlmJob& job, const GlmMaps& maps, Results& results) {
  if (maps.group_design.names.empty()) return;
  const std::string design = "maps/group_design.tsv", model = "maps/group_model.json";
  write_design(folder / design, maps.group_design);
  nlohmann::json contrasts = nlohmann::json::array();
  for (const ContrastRequest& contrast : job.group.contrasts) {
    contrasts.push_back({{"name", contrast.name}, {"formula", contrast.formula}});
  }
  const nlohmann::json facts{
      {"formula", job.group.formula},    {"design", design}, {"columns", maps.group_design.names},
      {"subjects", maps.group_subjects}, {"noise", "ols"},   {"contrasts", contrasts}};
  write_file(folder / model, facts.dump(2) + "\n");
  results.files.push_back(design);
  results.files.push_back(model);
  results.designs.push_back({"group", design});
}

/// A run of a subject that did not fail.
const Run& fitted_run(const GlmJob& job, const GlmMaps& maps) {
  return *std::find_if(job.runs.begin(), job.runs.end(),
                       [&](const Run& run) { return maps.of_subject.contains(run.subject()); });
}

/// Names become file names, so two that differ in signs alone would overwrite one another.
void check_group_names(const GlmMaps& maps) {
  std::vector<ContrastRequest> names;
  for (const GlmMap& map : maps.group) names.push_back({map.contrast, ""});
  check_contrast_names(names);
}

void write_maps(const std::filesystem::path& folder, const GlmJob& job, const GlmMaps& maps, Results& results) {
  const Run& shown = fitted_run(job, maps);
  const ImageHeader like = read_header(shown.bold);
  check_group_names(maps);
  results.files = maps.files;
  for (const std::string& file : write_glm_maps(folder, maps, *job.voxels, like)) results.files.push_back(file);
  for (const auto& [subject, mean] : maps.mean) {
    results.mean_images.push_back(subject_mean_file(subject, job.voxels->mask.grid));
  }
  results.designs.push_back({shown.id(), fmt::format("sub-{}/func/{}_design.tsv", shown.subject(), shown.id())});
  write_group_model(folder, job, maps, results);
  results.contrasts = describe(maps, job, like);
  for (const GlmMap& map : maps.group)
    results.maps.push_back({glm_map_file(map.contrast, "z", job.voxels->mask.grid), "GLM z", "GLM", map.contrast, "z"});
}

std::string sentence_of(const PreprocessOptions& preprocess) {
  std::string text = preprocess.fwhm_mm > 0
                         ? fmt::format("Images smoothed with a Gaussian of {:g} mm.", preprocess.fwhm_mm)
                         : "Images not smoothed.";
  if (preprocess.confounds != "none")
    text += fmt::format(" Confounds of the strategy '{}' are columns of the design.", preprocess.confounds);
  if (preprocess.drop_first > 0)
    text += fmt::format(" The first {} volumes of each run left out.", preprocess.drop_first);
  if (preprocess.fd_threshold_mm)
    text += fmt::format(" Volumes with a framewise displacement above {:g} mm left out.", *preprocess.fd_threshold_mm);
  if (preprocess.std_dvars_threshold)
    text += fmt::format(" Volumes with a standardised DVARS above {:g} left out.", *preprocess.std_dvars_threshold);
  return text;
}

/// Before any run is read, where sidecars say the repetition time.
void check_high_pass_of(const std::vector<Run>& runs, const HighPassChoice& choice) {
  if (!choice.high_pass_hz) return;
  for (const Run& run : runs) {
    if (run.tr_s > 0) with_context(run.id(), [&] { check_high_pass(*choice.high_pass_hz, run.tr_s); });
  }
}

GlmJob make_job(const GlmOptions& options, const Dataset& dataset, Results& results) {
  GlmJob job;
  job.runs = dataset.runs;
  Failures unreadable;
  job.events = events_of(options, dataset.runs, unreadable);
  const Dataset everybody = dataset_for_features(options.prepare, dataset);
  std::vector<std::vector<Event>> all_events = events_of(options, everybody.runs, unreadable);
  const std::vector<std::string> conditions = conditions_of(all_events);
  if (conditions.empty() && !unreadable.empty()) {
    throw DataError(fmt::format("no events file can be read; the first: {}", unreadable.begin()->second.what()));
  }
  if (conditions.empty()) throw DataError("no run has an event with a label; see --label-column and --labels");
  check_conditions(options, conditions);
  for (auto* events : {&job.events, &all_events}) keep_conditions(options.conditions, *events);
  job.contrasts = glm_contrasts(options, conditions_of(all_events));
  PrepareOptions choosing = options.prepare;
  choosing.features = "voxels";
  FeatureChoice choice = choose_features(everybody.runs, choosing);
  unreadable.merge(choice.unreadable);
  const HighPassChoice high_pass = resolve_high_pass(options.prepare, all_events);
  check_high_pass_of(everybody.runs, high_pass);
  job.voxels = choice.features;
  if (options.inference.permutations > 0 && job.voxels->mask.grid.grayordinates != nullptr) {
    throw UsageError("--permutations is for voxels, and these runs are grayordinates; leave it out");
  }
  if (options.save_residuals && job.voxels->mask.grid.grayordinates != nullptr) {
    throw UsageError("--save-residuals writes NIfTI images, and these runs are grayordinates; leave it out");
  }
  job.preprocess = options.prepare.preprocess;
  job.high_pass_hz = high_pass.high_pass_hz;
  job.no_drift = options.no_drift;
  job.drift_order = options.drift_order;
  job.scaling = options.scaling;
  job.confound_columns = options.confound_columns;
  job.hrf = options.hrf;
  job.fir_delays = options.fir_delays;
  job.noise = options.noise;
  job.run_weights = options.run_weights;
  job.by_session = options.by_session;
  job.output = options.prepare.output;
  job.save_residuals = options.save_residuals;
  job.processes = options.prepare.processes;
  if (options.prepare.level != AnalysisLevel::participant) job.group = options.group;
  job.group.participants = dataset.participants;
  job.slice_time_reference = options.slice_time_reference;
  results.method.preprocessing = choice.notes;
  results.method.preprocessing.push_back(sentence_of(options.prepare.preprocess));
  if (!options.no_drift) results.method.preprocessing.push_back(high_pass.reason);
  job.on_failure = [&options, &results](const std::string& subject, const Error& error) {
    log(LogLevel::error, error.what());
    write_crash_file(options.prepare, subject, error);
    results.failed_subjects.push_back(subject);
  };
  drop_unreadable(unreadable, job);
  return job;
}

}  // namespace

Results run_glm(const GlmOptions& options) {
  if (options.prepare.level == AnalysisLevel::participant && options.inference.permutations > 0) {
    throw UsageError("--permutations tests the group, and level participant tests none; leave one of them out");
  }
  const WarningCollector warnings;
  Stopwatch watch;
  const std::filesystem::path& folder = options.prepare.output;
  const Dataset dataset = index_dataset(options.prepare.root, options.prepare.query);
  Results results;
  results.command = "glm";
  results.dataset = dataset.name;
  results.title = fmt::format("General linear model of {}", dataset.name);
  results.chance = std::nan("");
  results.task = dataset.runs.front().entity("task");
  results.space = dataset.runs.front().entity("space");
  open_output_folder(folder, "glm", options.prepare.configuration);
  const GlmJob job = watch.time("mask and design", [&] { return make_job(options, dataset, results); });
  results.surfaces = keep_meshes(folder, read_meshes(options.prepare.surfaces, job.voxels->mask.grid));
  GlmMaps maps = watch.time("GLM", [&] { return fit_glm_maps(job); });
  const bool several = maps.subjects > 1;
  if (several && options.prepare.level == AnalysisLevel::participant) maps.group.clear();
  watch.time("maps", [&] { write_maps(folder, job, maps, results); });
  watch.time("inference", [&] {
    const GroupInference inference =
        write_group_inference(folder, maps, *job.voxels, read_header(fitted_run(job, maps).bold), options.inference);
    results.files.insert(results.files.end(), inference.files.begin(), inference.files.end());
    maps.notes.insert(maps.notes.end(), inference.notes.begin(), inference.notes.end());
  });
  for (const auto& [subject, of_subject] : maps.of_subject) results.subjects.push_back(subject);
  results.subject_rows = subject_rows(job.runs, maps);
  results.method.glm = maps.notes;
  results.method.glm.push_back(
      fmt::format("Volumes are taken to be acquired at {:g} of the repetition time, where no sidecar gives StartTime.",
                  options.slice_time_reference));
  Provenance provenance = make_provenance(options.prepare.seed, options.prepare.configuration);
  provenance.inputs = record_inputs(job.runs);
  results.seconds = watch.seconds();
  results.peak_memory_mb = peak_memory_mb();
  for (const auto& entry : warnings.entries()) results.warnings[entry.message] = entry.count;
  results.files.emplace_back("report.html");
  write_results(folder, results, provenance);
  write_report(folder);
  return results;
}

}  // namespace noema
