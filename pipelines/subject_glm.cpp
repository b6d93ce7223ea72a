#include "noema/pipelines/subject_glm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/core/pattern.h"
#include "noema/io/atomic_file.h"
#include "noema/io/confounds.h"
#include "noema/io/nifti.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/preprocess_config.h"
#include "noema/pipelines/reuse_record.h"
#include "noema/pipelines/subject_model.h"
#include "noema/pipelines/subject_series.h"

namespace noema {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// Voxels as they are in the file, smoothed as asked for: the design models drifts and confounds itself.
PreprocessOptions raw_options(const PreprocessOptions& preprocess) {
  PreprocessOptions raw = preprocess;
  raw.clean.detrend = false;
  raw.clean.filter = TemporalFilter::none;
  raw.clean.high_pass_hz.reset();
  raw.clean.low_pass_hz.reset();
  raw.clean.standardize = Standardize::none;
  raw.regress_confounds = false;
  return raw;
}

/// Columns asked for by name, for the volumes that are left. A value missing in the first volume, as of derivatives,
/// becomes that of the second.
void add_named_columns(const Run& run, const GlmJob& job, Confounds& confounds) {
  if (job.confound_columns.empty()) return;
  if (run.confounds.empty()) {
    throw DataError(fmt::format("run '{}' has no confounds file, of which the model names columns", run.id()));
  }
  const ConfoundTable table = read_confounds(run.confounds);
  std::vector<Eigen::Index> places;
  for (const std::string& pattern : job.confound_columns) {
    std::vector<Eigen::Index> found;
    for (std::size_t c = 0; c < table.names.size(); ++c) {
      if (fits_pattern(table.names[c], pattern)) found.push_back(static_cast<Eigen::Index>(c));
    }
    if (found.empty()) found.push_back(table.index(pattern));  // says what there is
    std::copy_if(found.begin(), found.end(), std::back_inserter(places),
                 [&](Eigen::Index place) { return std::find(places.begin(), places.end(), place) == places.end(); });
  }
  const Eigen::Index volumes = table.values.rows() - job.preprocess.drop_first;
  const Eigen::Index old = confounds.values.cols();
  MatrixD values(volumes, old + std::ssize(places));
  if (old > 0) values.leftCols(old) = confounds.values;
  for (std::size_t i = 0; i < places.size(); ++i) {
    Eigen::VectorXd column = table.values.col(places[i]);
    if (column.size() > 1 && std::isnan(column[0])) column[0] = column[1];
    values.col(old + static_cast<Eigen::Index>(i)) = column.tail(volumes);
    confounds.names.push_back(table.names[static_cast<std::size_t>(places[i])]);
  }
  confounds.values = std::move(values);
}

FirstLevelOptions first_level_options(const GlmJob& job) {
  FirstLevelOptions options;
  options.design.hrf = job.hrf;
  options.design.fir_delays = job.fir_delays;
  options.noise = job.noise;
  options.scaling = job.scaling;
  options.run_weights = job.run_weights;
  options.by_session = job.by_session;
  options.slice_time_reference = job.slice_time_reference;
  if (job.no_drift) {
    options.design.drift = DriftModel::none;
  } else if (job.high_pass_hz) {
    options.design.high_pass_hz = *job.high_pass_hz;
  } else {
    options.design.drift = DriftModel::polynomial;
    options.design.polynomial_order = job.drift_order;
  }
  return options;
}

/// Names that formulas may use before any run is read.
std::vector<std::string> known_columns(const GlmJob& job, const std::vector<std::size_t>& runs) {
  std::set<std::string> labels;
  for (const std::size_t r : runs) {
    for (const Event& event : job.events[r]) labels.insert(event.label);
  }
  std::vector<std::string> columns;
  const auto kernels = hrf_kernels(job.hrf, 2, 16, job.fir_delays);  // for their names
  for (const std::string& label : labels) {
    for (const HrfKernel& kernel : kernels) columns.push_back(label + kernel.suffix);
  }
  return columns;
}

std::vector<double> as_vector(const Eigen::VectorXd& values) {
  const Eigen::VectorXd single = values.cast<float>().cast<double>();
  return {single.data(), single.data() + single.size()};
}

std::vector<float> as_floats(const Eigen::VectorXd& values) { return {values.data(), values.data() + values.size()}; }

std::string residuals_file(const std::string& subject, const std::string& run) {
  return fmt::format("sub-{}/func/{}_desc-residuals_bold.nii.gz", subject, run);
}

/// One volume at a time, so that the whole image is never in memory.
void write_residuals(const fs::path& path, const ImageHeader& like, const Series& series, const MatrixF& residuals) {
  make_folder(path.parent_path());
  ImageHeader header = like;
  header.volumes = residuals.rows();
  header.tr_s = series.tr_s;
  NiftiWriter writer(path, header, {.description = "GLM residuals"});
  for (Eigen::Index t = 0; t < residuals.rows(); ++t) {
    check_cancelled();
    writer.write_volume(
        unmask(series.features->mask, std::span(residuals.row(t).data(), static_cast<std::size_t>(residuals.cols())))
            .values);
  }
  writer.commit();
}

/// Where sessions are combined by themselves.
std::string session_of(const GlmJob& job, const Run& run) {
  if (!job.by_session) return "";
  if (std::string session = run.entity("ses"); !session.empty()) return session;
  throw DataError(fmt::format(
      "the model combines the runs of each session, and run '{}' has none; leave out its node Session", run.id()));
}

SubjectGlm fit_subject(const GlmJob& job, const std::string& subject, const std::vector<std::size_t>& runs) {
  const PreprocessOptions raw = raw_options(job.preprocess);
  FirstLevelModel model(job.contrasts, first_level_options(job), known_columns(job, runs));
  SubjectGlm glm;
  glm.mean.assign(static_cast<std::size_t>(job.voxels->mask.size()), 0);
  for (const std::size_t r : runs) {
    const Run& run = job.runs[r];
    PreprocessedRun read = preprocess_run(run, job.voxels, raw);
    for (std::size_t v = 0; v < glm.mean.size(); ++v) glm.mean[v] += read.mean[v] / static_cast<float>(runs.size());
    // Where the run says to which time its slices were shifted, that counts (a series' start takes 0.5 for granted).
    if (run.slice_time_s) read.series.start_s += (0.5 - job.slice_time_reference) * read.series.tr_s;
    add_named_columns(run, job, read.confounds);
    model.add({run.id(), session_of(job, run), &read.series, job.events[r], std::move(read.confounds.values),
               std::move(read.confounds.names)});
    if (!job.save_residuals) continue;
    glm.files.push_back(residuals_file(subject, run.id()));
    write_residuals(job.output / glm.files.back(), read_header(run.bold), read.series,
                    model.last_residuals(read.series));
  }
  FirstLevelResult result = model.result();
  for (const ContrastResult& contrast : result.contrasts) {
    glm.maps.push_back(glm_map(contrast.request.name, contrast.maps));
  }
  for (const auto& [session, contrasts] : result.sessions) {
    for (const ContrastResult& contrast : contrasts) {
      glm.sessions[session].push_back(glm_map(contrast.request.name, contrast.maps));
    }
  }
  glm.runs = std::move(result.runs);
  return glm;
}

std::string configuration_of(const GlmJob& job, const std::vector<std::size_t>& runs) {
  json contrasts = json::array();
  for (const ContrastRequest& contrast : job.contrasts) contrasts.push_back({contrast.name, contrast.formula});
  Hasher events;
  for (const std::size_t r : runs) {
    for (const Event& event : job.events[r]) {
      events.add(fmt::format("{}\t{}\t{}\t{}\t{}\n", job.runs[r].id(), event.onset_s, event.duration_s, event.label,
                             event.modulation));
    }
  }
  return preprocess_to_toml(job.preprocess) + json{{"hrf", hrf_model_name(job.hrf)},
                                                   {"fir_delays", job.fir_delays},
                                                   {"noise", noise_model_name(job.noise)},
                                                   {"run_weights", run_weights_name(job.run_weights)},
                                                   {"by_session", job.by_session},
                                                   {"slice_time_reference", job.slice_time_reference},
                                                   {"high_pass_hz", job.high_pass_hz.value_or(0)},
                                                   {"no_drift", job.no_drift},
                                                   {"drift_order", job.drift_order},
                                                   {"scaling", signal_scaling_name(job.scaling)},
                                                   {"confound_columns", job.confound_columns},
                                                   {"residuals", job.save_residuals},
                                                   {"contrasts", contrasts},
                                                   {"events", events.digest()}}
                                                  .dump();
}

std::string record_of(const GlmJob& job, const std::vector<std::size_t>& runs) {
  json facts = json::array();
  std::vector<Run> files;
  for (const std::size_t r : runs) {
    const Run& run = job.runs[r];
    facts.push_back(
        {{"run", run.id()}, {"tr_s", run.tr_s}, {"slice_time_s", run.slice_time_s ? json(*run.slice_time_s) : json()}});
    files.push_back(run);
  }
  return reuse_record({configuration_of(job, runs), job.voxels.get(), facts.dump(), record_inputs(files)});
}

/// The model last: once it is there, the subject is finished.
void keep(const GlmJob& job, const std::string& subject, const std::vector<std::size_t>& runs,
          const std::string& record, SubjectGlm& glm) {
  const ImageHeader like = read_header(job.runs[runs.front()].bold);
  for (const RunFacts& run : glm.runs) {
    glm.files.push_back(design_file(subject, run.name));
    write_design(job.output / glm.files.back(), run.design);
    glm.files.push_back(fs::path(glm.files.back()).replace_extension(".json").string());
    write_file(job.output / glm.files.back(), json{{"RepetitionTime", run.tr_s}}.dump(2) + "\n");
    const std::string name =
        fmt::format("{}{}_stat-rsquared_statmap{}", folder_of(subject), run.name, map_ending(job.voxels->mask.grid));
    glm.files.push_back(write_map(job.output, name, *job.voxels, {run.r_squared.begin(), run.r_squared.end()}, like,
                                  "share of variance explained"));
  }
  for (const GlmMap& map : glm.maps) {
    const std::string stem = fmt::format("{}sub-{}_", folder_of(subject), subject);
    for (std::string& file : write_glm_map(job.output, stem, map, *job.voxels, like)) {
      glm.files.push_back(std::move(file));
    }
  }
  for (const auto& [session, maps] : glm.sessions) {
    const std::string stem = fmt::format("sub-{0}/ses-{1}/func/sub-{0}_ses-{1}_", subject, session);
    for (const GlmMap& map : maps) {
      for (std::string& file : write_glm_map(job.output, stem, map, *job.voxels, like)) {
        glm.files.push_back(std::move(file));
      }
    }
  }
  glm.files.push_back(
      write_map(job.output, subject_mean_file(subject, job.voxels->mask.grid), *job.voxels, glm.mean, like, "mean"));
  glm.files.push_back(statmap_file(subject));
  write_file(job.output / glm.files.back(), statmap_json(job).dump(2) + "\n");
  write_file(job.output / model_file(subject), model_json(job, subject, glm, record).dump(2) + "\n");
  glm.files.push_back(model_file(subject));
}

std::vector<float> read_map(const fs::path& path, const Mask& mask) {
  const Image image = read_image(path);
  std::vector<float> values;
  for (const std::int64_t voxel : mask.voxels) values.push_back(image.values.at(static_cast<std::size_t>(voxel)));
  return values;
}

GlmMap read_contrast(const GlmJob& job, const std::string& subject, const json& entry) {
  GlmMap map;
  map.contrast = entry.at("name");
  map.df = entry.at("df");
  map.df_numerator = entry.value("df_numerator", 0.0);
  const auto read = [&](const std::string& stat) {
    const Mask& mask = job.voxels->mask;
    return read_map(job.output / fmt::format("{}sub-{}_contrast-{}_stat-{}_statmap{}", folder_of(subject), subject,
                                             bids_label(map.contrast), stat, map_ending(mask.grid)),
                    mask);
  };
  const auto wide = [](const std::vector<float>& values) { return std::vector<double>(values.begin(), values.end()); };
  map.t = read(map.is_f() ? "F" : "t");
  map.p = read("p");
  map.z = wide(read("z"));
  for (std::size_t row = 0; row < static_cast<std::size_t>(map.df_numerator); ++row) {
    map.row_effects.push_back(wide(read(effect_of_row(row))));
  }
  if (map.is_f()) return map;
  map.effect = wide(read("effect"));
  map.variance = read("variance");
  return map;
}

/// Nothing, and the reason, where there is no kept result or it is no answer.
std::optional<SubjectGlm> read_back(const GlmJob& job, const std::string& subject, const std::string& record,
                                    std::string& reason) {
  const fs::path path = job.output / model_file(subject);
  if (!fs::exists(path)) return std::nullopt;
  try {
    const json model = json::parse(std::ifstream(path));
    reason = reason_against(model.at("made_from").get<std::string>(), record);
    if (!reason.empty()) return std::nullopt;
    SubjectGlm glm;
    for (const json& entry : model.at("contrasts")) glm.maps.push_back(read_contrast(job, subject, entry));
    glm.mean = read_map(job.output / subject_mean_file(subject, job.voxels->mask.grid), job.voxels->mask);
    glm.files = model.at("files").get<std::vector<std::string>>();
    for (const std::string& file : glm.files) {
      if (fs::exists(job.output / file)) continue;
      reason = fmt::format("'{}' is not there any more", file);
      return std::nullopt;
    }
    glm.files.push_back(model_file(subject));
    glm.reused = true;
    return glm;
  } catch (const Cancelled&) {
    throw;
  } catch (const std::exception& error) {
    reason = fmt::format("it cannot be read ({})", error.what());
    return std::nullopt;
  }
}

}  // namespace

GlmMap glm_map(const std::string& contrast, const ContrastMaps& maps) {
  GlmMap map{contrast, as_vector(maps.effect),       as_vector(maps.z), as_floats(maps.stat), as_floats(maps.variance),
             {},       as_floats(one_sided_p(maps)), maps.df,           maps.df_numerator};
  for (Eigen::Index row = 0; row < maps.row_effects.rows(); ++row) {
    map.row_effects.push_back(as_vector(maps.row_effects.row(row)));
  }
  return map;
}

SubjectGlm subject_glm(const GlmJob& job, const std::string& subject, const std::vector<std::size_t>& runs) {
  if (job.output.empty()) return fit_subject(job, subject, runs);
  const std::string record = record_of(job, runs);
  std::string reason;
  if (auto kept = read_back(job, subject, record, reason)) return std::move(*kept);
  std::error_code ignored;
  fs::remove(job.output / model_file(subject), ignored);  // what it speaks of is about to change
  SubjectGlm glm = fit_subject(job, subject, runs);
  keep(job, subject, runs, record, glm);
  glm.reason = reason;
  return glm;
}

}  // namespace noema
