#include "noema/pipelines/glm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/memory.h"
#include "noema/io/nifti.h"
#include "noema/io/orientation.h"
#include "noema/pipelines/feature_choice.h"
#include "noema/pipelines/glm_maps.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/prepare.h"
#include "noema/pipelines/results_page.h"
#include "noema/pipelines/stopwatch.h"
#include "noema/pipelines/subject_series.h"

namespace noema {
namespace {

std::vector<std::vector<Event>> events_of(const GlmOptions& options, const std::vector<Run>& runs) {
  EventsOptions reading;
  reading.label_column = options.prepare.label_column;
  LabelRule rule;
  rule.rename = options.rename;
  std::vector<std::vector<Event>> events;
  for (const Run& run : runs) {
    LearningRun named;
    named.id = run.id();
    named.events = read_events(run.events, reading);
    events.push_back(selected_events(named, rule));
  }
  return events;
}

std::vector<std::string> conditions_of(const std::vector<std::vector<Event>>& runs) {
  std::set<std::string> names;
  for (const std::vector<Event>& events : runs) {
    for (const Event& event : events) names.insert(event.label);
  }
  return {names.begin(), names.end()};
}

std::string quoted(const std::string& condition) {
  return condition.find('\'') == std::string::npos ? "'" + condition + "'" : "\"" + condition + "\"";
}

std::vector<ContrastRequest> default_contrasts(const std::vector<std::string>& conditions) {
  if (conditions.size() == 1) return {{conditions[0], quoted(conditions[0])}};
  std::vector<ContrastRequest> requests;
  std::string sum;
  for (const std::string& condition : conditions) {
    std::string formula = quoted(condition), others;
    for (const std::string& other : conditions) {
      if (other != condition) others += (others.empty() ? "" : " + ") + quoted(other);
    }
    formula += conditions.size() == 2 ? " - " + others : fmt::format(" - ({})/{}", others, conditions.size() - 1);
    requests.push_back({condition, formula});
    sum += (sum.empty() ? "" : " + ") + quoted(condition);
  }
  const bool is_taken = std::find(conditions.begin(), conditions.end(), "all") != conditions.end();
  requests.push_back({is_taken ? "sum of conditions" : "all", sum});
  return requests;
}

/// Names become file names, so two that differ in signs alone would overwrite one another.
void check_contrasts(const std::vector<ContrastRequest>& contrasts) {
  std::map<std::string, std::string> seen;
  for (const ContrastRequest& contrast : contrasts) {
    const auto [found, is_new] = seen.emplace(bids_label(contrast.name), contrast.name);
    if (!is_new) {
      throw UsageError(fmt::format("the contrasts '{}' and '{}' would both be written as contrast-{}; rename one",
                                   found->second, contrast.name, found->first));
    }
  }
}

/// A formula that no design could answer is refused before any image is read. (With confounds it may name those.)
void check_formulas(const std::vector<ContrastRequest>& contrasts, const std::vector<std::string>& conditions,
                    HrfModel hrf) {
  std::vector<std::string> columns = conditions;
  columns.emplace_back("constant");
  if (hrf_model_name(hrf).find("derivative") != std::string_view::npos) {
    for (const std::string& condition : conditions) {
      columns.push_back(condition + "_derivative");
      columns.push_back(condition + "_dispersion");
    }
  }
  for (const ContrastRequest& contrast : contrasts) {
    with_context(fmt::format("contrast '{}'", contrast.name), [&] { parse_contrast(contrast.formula, columns); });
  }
}

PeakRecord peak_at(const GlmMap& map, std::size_t v, const Mask& mask, const ImageHeader& like) {
  const auto voxel = mask.grid.voxel_at(mask.voxels[v]);
  PeakRecord peak{map.t[v], map.z[v], disk_voxel(mask.grid, like.disk_orientation, voxel), {}};
  const Eigen::Vector4d place(static_cast<double>(voxel[0]), static_cast<double>(voxel[1]),
                              static_cast<double>(voxel[2]), 1);
  const Eigen::Vector4d ras = mask.grid.ras_from_voxel * place;
  peak.ras_mm = {ras[0], ras[1], ras[2]};
  return peak;
}

std::vector<ContrastRecord> describe(const GlmMaps& maps, const std::vector<ContrastRequest>& contrasts,
                                     const Mask& mask, const ImageHeader& like) {
  std::vector<ContrastRecord> records;
  for (const GlmMap& map : maps.group) {
    const auto request = std::find_if(contrasts.begin(), contrasts.end(),
                                      [&](const ContrastRequest& r) { return r.name == map.contrast; });
    const auto [low, high] = std::minmax_element(map.t.begin(), map.t.end());
    ContrastRecord record{map.contrast, request->formula, maps.subjects, map.df, {}, {}, mask.size(), 0};
    record.max = peak_at(map, static_cast<std::size_t>(high - map.t.begin()), mask, like);
    record.min = peak_at(map, static_cast<std::size_t>(low - map.t.begin()), mask, like);
    record.voxels_above = std::count_if(map.z.begin(), map.z.end(), [](double z) { return std::abs(z) > kZThreshold; });
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

void write_means(const std::filesystem::path& folder, const GlmMaps& maps, const FeatureSpace& voxels,
                 const ImageHeader& like, Results& results) {
  for (const auto& [subject, mean] : maps.mean) {
    results.mean_images.push_back(write_map(
        folder, fmt::format("sub-{0}/func/sub-{0}_desc-mean_boldref.nii.gz", subject), voxels, mean, like, "mean"));
    results.files.push_back(results.mean_images.back());
  }
}

void write_maps(const std::filesystem::path& folder, const GlmJob& job, const GlmMaps& maps, Results& results) {
  const ImageHeader like = read_header(job.runs.front().bold);
  for (const std::string& file : write_glm_maps(folder, maps, *job.voxels, like)) results.files.push_back(file);
  write_means(folder, maps, *job.voxels, like, results);
  results.designs.push_back(write_design(folder, maps));
  results.files.push_back(results.designs.back().file);
  results.contrasts = describe(maps, job.contrasts, job.voxels->mask, like);
  for (const GlmMap& map : maps.group)
    results.maps.push_back({glm_map_file(map.contrast, "z"), "GLM z", "GLM", map.contrast, "z"});
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

GlmJob make_job(const GlmOptions& options, const Dataset& dataset, Results& results) {
  GlmJob job;
  job.runs = dataset.runs;
  job.events = events_of(options, dataset.runs);
  const std::vector<std::string> conditions = conditions_of(job.events);
  if (conditions.empty()) throw DataError("no run has an event with a label; see --label-column and --labels");
  job.contrasts = options.contrasts.empty() ? default_contrasts(conditions) : options.contrasts;
  check_contrasts(job.contrasts);
  if (options.prepare.preprocess.confounds == "none") check_formulas(job.contrasts, conditions, options.hrf);
  PrepareOptions choosing = options.prepare;
  choosing.features = "voxels";
  const FeatureChoice choice = choose_features(dataset.runs, choosing);
  const HighPassChoice high_pass = resolve_high_pass(options.prepare, job.events);
  job.voxels = choice.features;
  job.preprocess = options.prepare.preprocess;
  job.high_pass_hz = high_pass.high_pass_hz;
  job.hrf = options.hrf;
  job.noise = options.noise;
  job.slice_time_reference = options.slice_time_reference;
  results.method.preprocessing = choice.notes;
  results.method.preprocessing.push_back(sentence_of(options.prepare.preprocess));
  results.method.preprocessing.push_back(high_pass.reason);
  job.on_failure = [&options, &results](const std::string& subject, const Error& error) {
    log(LogLevel::error, error.what());
    write_crash_file(options.prepare, subject, error);
    results.failed_subjects.push_back(subject);
  };
  return job;
}

}  // namespace

Results run_glm(const GlmOptions& options) {
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
  GlmMaps maps = watch.time("GLM", [&] { return fit_glm_maps(job); });
  const bool several = maps.subjects > 1;
  if (several && options.prepare.level == AnalysisLevel::participant) maps.group.clear();
  watch.time("maps", [&] { write_maps(folder, job, maps, results); });
  watch.time("inference", [&] {
    const GroupInference inference =
        write_group_inference(folder, maps, *job.voxels, read_header(job.runs.front().bold), options.inference);
    results.files.insert(results.files.end(), inference.files.begin(), inference.files.end());
    maps.notes.insert(maps.notes.end(), inference.notes.begin(), inference.notes.end());
  });
  for (const auto& [subject, of_subject] : maps.of_subject) results.subjects.push_back(subject);
  results.subject_rows = subject_rows(job.runs, maps);
  results.method.glm = maps.notes;
  results.method.glm.push_back(
      fmt::format("Volumes are taken to be acquired at {:g} of the repetition time.", options.slice_time_reference));
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
