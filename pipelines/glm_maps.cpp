#include "noema/pipelines/glm_maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/progress.h"
#include "noema/glm/group.h"
#include "noema/io/table.h"
#include "noema/pipelines/output_folder.h"

namespace noema {
namespace {

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

FirstLevelOptions first_level_options(const GlmJob& job) {
  FirstLevelOptions options;
  options.design.hrf = job.hrf;
  options.noise = job.noise;
  options.slice_time_reference = job.slice_time_reference;
  if (job.high_pass_hz) {
    options.design.high_pass_hz = *job.high_pass_hz;
  } else {
    options.design.drift = DriftModel::polynomial;
  }
  return options;
}

struct SubjectFit {
  FirstLevelResult result;
  std::vector<float> mean;
};

SubjectFit fit_subject(const GlmJob& job, const std::vector<std::size_t>& runs) {
  const PreprocessOptions raw = raw_options(job.preprocess);
  std::vector<PreprocessedRun> series;
  for (const std::size_t r : runs) series.push_back(preprocess_run(job.runs[r], job.voxels, raw));
  SubjectFit fit;
  fit.mean.assign(static_cast<std::size_t>(job.voxels->mask.size()), 0);
  for (const PreprocessedRun& run : series) {
    for (std::size_t v = 0; v < fit.mean.size(); ++v) fit.mean[v] += run.mean[v] / static_cast<float>(series.size());
  }
  std::vector<RunData> inputs;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Run& run = job.runs[runs[i]];
    Confounds confounds = std::move(series[i].confounds);
    inputs.push_back(
        {run.id(), &series[i].series, job.events[runs[i]], std::move(confounds.values), std::move(confounds.names)});
  }
  fit.result = first_level(inputs, job.contrasts, first_level_options(job));
  return fit;
}

std::vector<double> as_vector(const Eigen::VectorXd& values) { return {values.data(), values.data() + values.size()}; }

std::vector<float> as_floats(const Eigen::VectorXd& values) { return {values.data(), values.data() + values.size()}; }

GlmMap map_of(const std::string& contrast, const ContrastMaps& maps) {
  return {contrast, as_vector(maps.effect), as_vector(maps.z), as_floats(maps.stat), as_floats(maps.variance), maps.df};
}

std::vector<GlmMap> maps_of(const FirstLevelResult& result) {
  std::vector<GlmMap> maps;
  for (const ContrastResult& contrast : result.contrasts) {
    maps.push_back(map_of(contrast.request.name, contrast.maps));
  }
  return maps;
}

std::vector<GlmMap> group_maps(const GlmMaps& maps, const std::vector<ContrastRequest>& contrasts) {
  if (maps.subjects == 1) return maps.of_subject.begin()->second;
  std::vector<GlmMap> group;
  for (const ContrastRequest& contrast : contrasts) {
    const MatrixD effects = subject_effects(maps, contrast.name);
    if (effects.rows() < 2) continue;
    group.push_back(map_of(contrast.name, one_sample_t(effects)));
  }
  return group;
}

}  // namespace

MatrixD subject_effects(const GlmMaps& glm, const std::string& contrast) {
  std::vector<const GlmMap*> maps;
  for (const auto& [subject, of_subject] : glm.of_subject) {
    const auto found =
        std::find_if(of_subject.begin(), of_subject.end(), [&](const GlmMap& map) { return map.contrast == contrast; });
    if (found != of_subject.end()) maps.push_back(&*found);
  }
  MatrixD effects(static_cast<Eigen::Index>(maps.size()),
                  maps.empty() ? 0 : static_cast<Eigen::Index>(maps[0]->effect.size()));
  for (std::size_t s = 0; s < maps.size(); ++s) {
    effects.row(static_cast<Eigen::Index>(s)) =
        Eigen::Map<const Eigen::RowVectorXd>(maps[s]->effect.data(), effects.cols());
  }
  return effects;
}

GlmMaps fit_glm_maps(const GlmJob& job) {
  std::map<std::string, std::vector<std::size_t>> runs_of;
  for (std::size_t r = 0; r < job.runs.size(); ++r) runs_of[job.runs[r].subject()].push_back(r);
  GlmMaps result;
  Progress progress("GLM of subjects", static_cast<std::int64_t>(runs_of.size()));
  for (const auto& [subject, runs] : runs_of) {
    check_cancelled();
    try {
      const SubjectFit fit = with_context(fmt::format("GLM of subject '{}'", subject),
                                          [&, &runs = runs] { return fit_subject(job, runs); });
      if (result.design.names.empty()) {
        result.design = fit.result.runs.front().design;
        result.design_run = job.runs[runs.front()].id();
        result.design_subject = subject;
      }
      result.of_subject[subject] = maps_of(fit.result);
      result.mean[subject] = fit.mean;
    } catch (const Cancelled&) {
      throw;
    } catch (const Error& error) {
      if (!job.on_failure) throw;
      job.on_failure(subject, error);
    }
    progress.advance();
  }
  result.subjects = static_cast<int>(result.of_subject.size());
  if (result.subjects == 0)
    throw DataError(fmt::format("all {} subjects failed; the crash files in logs/ say why", runs_of.size()));
  result.group = group_maps(result, job.contrasts);
  result.notes.push_back(
      fmt::format("General linear model: haemodynamic response {}, {}, noise {}, effects in percent of the mean, fixed "
                  "effects over runs{}.",
                  hrf_model_name(job.hrf),
                  job.high_pass_hz ? fmt::format("cosine drifts up to {:.4g} Hz", *job.high_pass_hz)
                                   : std::string("a linear drift"),
                  noise_model_name(job.noise), result.subjects > 1 ? ", a one-sample t test over subjects" : ""));
  return result;
}

std::string glm_map_file(const std::string& contrast, const std::string& stat) {
  return fmt::format("maps/contrast-{}_stat-{}_statmap.nii.gz", bids_label(contrast), stat);
}

std::vector<std::string> write_glm_maps(const std::filesystem::path& folder, const GlmMaps& maps,
                                        const FeatureSpace& voxels, const ImageHeader& like) {
  std::vector<std::string> files;
  const auto write = [&](const std::string& stem, const GlmMap& map) {
    const auto write_stat = [&](const char* stat, const std::vector<float>& values) {
      const std::string name =
          fmt::format("{}contrast-{}_stat-{}_statmap.nii.gz", stem, bids_label(map.contrast), stat);
      files.push_back(write_map(folder, name, voxels, values, like, fmt::format("GLM {}", stat)));
    };
    write_stat("effect", {map.effect.begin(), map.effect.end()});
    write_stat("variance", map.variance);
    write_stat("t", map.t);
    write_stat("z", {map.z.begin(), map.z.end()});
  };
  for (const GlmMap& map : maps.group) write("maps/", map);
  if (maps.subjects < 2) return files;  // the group's maps are the subject's
  for (const auto& [subject, of_subject] : maps.of_subject) {
    for (const GlmMap& map : of_subject) write(fmt::format("sub-{}/func/sub-{}_", subject, subject), map);
  }
  return files;
}

DesignRecord write_design(const std::filesystem::path& folder, const GlmMaps& maps) {
  Table table;
  for (std::size_t c = 0; c < maps.design.names.size(); ++c) {
    const Eigen::VectorXd column = maps.design.values.col(static_cast<Eigen::Index>(c));
    table.add(maps.design.names[c], as_vector(column), 9);
  }
  const std::string file = fmt::format("sub-{}/func/{}_design.tsv", maps.design_subject, maps.design_run);
  std::filesystem::create_directories((folder / file).parent_path());
  write_table(folder / file, table);
  return {maps.design_run, file};
}

}  // namespace noema
