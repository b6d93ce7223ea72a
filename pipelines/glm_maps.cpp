#include "noema/pipelines/glm_maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/glm/group.h"
#include "noema/glm/group_design.h"
#include "noema/io/table.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/prepare.h"
#include "noema/pipelines/subject_glm.h"
#include "noema/pipelines/subject_queue.h"

namespace noema {
namespace {

using SubjectMaps = std::map<std::string, std::vector<GlmMap>>;

/// Effects (S, V) of those subjects that have the contrast.
struct Effects {
  std::vector<std::string> subjects;
  MatrixD values;
};

Effects effects_of(const SubjectMaps& subjects, const std::string& contrast) {
  Effects effects;
  std::vector<const GlmMap*> maps;
  for (const auto& [subject, of_subject] : subjects) {
    const auto found =
        std::find_if(of_subject.begin(), of_subject.end(), [&](const GlmMap& map) { return map.contrast == contrast; });
    if (found == of_subject.end()) continue;
    maps.push_back(&*found);
    effects.subjects.push_back(subject);
  }
  effects.values.resize(std::ssize(maps), maps.empty() ? 0 : std::ssize(maps[0]->effect));
  for (std::size_t s = 0; s < maps.size(); ++s) {
    effects.values.row(static_cast<Eigen::Index>(s)) =
        Eigen::Map<const Eigen::RowVectorXd>(maps[s]->effect.data(), effects.values.cols());
  }
  // A voxel without data in one subject has no effect there, which is not an effect of 0: it is left out for all.
  for (const GlmMap* map : maps) {
    for (std::size_t v = 0; v < map->variance.size(); ++v) {
      if (map->variance[v] == 0) effects.values.col(static_cast<Eigen::Index>(v)).setZero();
    }
  }
  return effects;
}

void say_holes(const SubjectMaps& subjects) {
  std::vector<std::uint8_t> hole;
  for (const auto& [subject, maps] : subjects) {
    for (const GlmMap& map : maps) {
      hole.resize(map.variance.size(), 0);
      for (std::size_t v = 0; v < map.variance.size(); ++v) hole[v] |= static_cast<std::uint8_t>(map.variance[v] == 0);
    }
  }
  const auto holes = std::count(hole.begin(), hole.end(), 1);
  if (holes == 0) return;
  log_warning(
      fmt::format("{} of {} voxels have no data in at least one subject and are left out of the group's maps; a "
                  "smaller --mask leaves them out of all",
                  holes, hole.size()));
}

DesignMatrix group_design_of(const GroupModel& group, const std::vector<std::string>& subjects) {
  if (!group.participants) {
    throw DataError("the group model asks for columns of participants.tsv, which the dataset does not have");
  }
  return group.columns.empty() ? make_group_design(*group.participants, subjects, group.formula)
                               : make_group_columns(*group.participants, subjects, group.columns);
}

std::string quoted(const std::string& column) {
  return column.find('\'') == std::string::npos ? "'" + column + "'" : "\"" + column + "\"";
}

/// Answers of a group model that is not the plain mean.
void add_group_answers(const GroupModel& group, const std::string& contrast, const Effects& effects, GlmMaps& maps) {
  const DesignMatrix design = group_design_of(group, effects.subjects);
  const GlmFit fit = fit_glm(effects.values, design, NoiseModel::ols);
  std::vector<ContrastRequest> requests = group.contrasts;
  if (requests.empty()) {
    for (const std::string& name : design.names) requests.push_back({name, quoted(name)});
  }
  for (const ContrastRequest& request : requests) {
    const ContrastMaps answer = with_context(fmt::format("group contrast '{}'", request.name), [&] {
      return is_f_formula(request.formula) ? f_contrast(fit, request.formula) : t_contrast(fit, request.formula);
    });
    maps.group.push_back(glm_map(group_map_name(contrast, request.name), answer));
  }
  if (!maps.group_design.names.empty()) return;
  maps.group_design = design;
  maps.group_subjects = effects.subjects;
}

void add_group_maps(const GlmJob& job, GlmMaps& maps) {
  if (maps.subjects == 1 && !job.group.is_mean()) {
    throw DataError("a model of the group needs several subjects, and only one is left; leave out --group-formula");
  }
  if (maps.subjects == 1) {
    maps.group = maps.of_subject.begin()->second;
    return;
  }
  say_holes(maps.of_subject);
  for (const ContrastRequest& contrast : job.contrasts) {
    if (is_f_formula(contrast.formula)) {
      log_warning(fmt::format(
          "contrast '{}' is F, which has no effect to compare over subjects; it has their maps alone", contrast.name));
      continue;
    }
    const Effects effects = effects_of(maps.of_subject, contrast.name);
    if (effects.values.rows() < 2) continue;
    if (job.group.is_mean()) {
      maps.group.push_back(glm_map(contrast.name, one_sample_t(effects.values)));
    } else {
      add_group_answers(job.group, contrast.name, effects, maps);
    }
  }
}

std::string model_note(const GlmJob& job, int subjects) {
  const std::string drift = job.no_drift       ? "no drifts"
                            : job.high_pass_hz ? fmt::format("cosine drifts up to {:.4g} Hz", *job.high_pass_hz)
                                               : std::string("a linear drift");
  const std::string group = subjects < 2                ? ""
                            : job.group.is_mean()       ? ", a one-sample t test over subjects"
                            : job.group.formula.empty() ? ", a linear model over subjects"
                                                        : ", over subjects the model " + job.group.formula;
  return fmt::format(
      "General linear model: haemodynamic response {}, {}, noise {}, effects in percent of the mean, fixed effects "
      "over "
      "runs{}.",
      hrf_model_name(job.hrf), drift, noise_model_name(job.noise), group);
}

/// One subject's answers, or why there are none.
struct SubjectAnswer {
  SubjectGlm glm;
  std::optional<Error> error;
};

SubjectAnswer answer_of(const GlmJob& job, const std::string& subject, const std::vector<std::size_t>& runs) {
  SubjectAnswer answer;
  try {
    answer.glm =
        with_context(fmt::format("GLM of subject '{}'", subject), [&] { return subject_glm(job, subject, runs); });
    if (!job.output.empty()) {
      std::error_code nothing_there;
      std::filesystem::remove(job.output / "logs" / fmt::format("crash-sub-{}.txt", subject), nothing_there);
    }
  } catch (const Cancelled&) {
    throw;
  } catch (const Error& error) {
    if (!job.on_failure) throw;
    answer.error = error;
  }
  return answer;
}

void take_answer(const std::string& subject, SubjectGlm glm, GlmMaps& maps) {
  if (maps.design.names.empty() && !glm.runs.empty()) {
    maps.design = std::move(glm.runs.front().design);
    maps.design_run = glm.runs.front().name;
    maps.design_subject = subject;
  }
  maps.of_subject[subject] = std::move(glm.maps);
  maps.mean[subject] = std::move(glm.mean);
  std::move(glm.files.begin(), glm.files.end(), std::back_inserter(maps.files));
}

}  // namespace

MatrixD subject_effects(const GlmMaps& glm, const std::string& contrast) {
  return effects_of(glm.of_subject, contrast).values;
}

GlmMaps fit_glm_maps(const GlmJob& job) {
  std::map<std::string, std::vector<std::size_t>> runs_of;
  for (std::size_t r = 0; r < job.runs.size(); ++r) runs_of[job.runs[r].subject()].push_back(r);
  std::vector<std::string> subjects;
  for (const auto& [subject, runs] : runs_of) subjects.push_back(subject);
  std::vector<SubjectAnswer> answers(subjects.size());
  work_on_subjects(subjects.size(), job.processes, "GLM of subjects",
                   [&](std::size_t i) { answers[i] = answer_of(job, subjects[i], runs_of.at(subjects[i])); });
  GlmMaps result;
  std::vector<SubjectOutcome> outcomes;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    SubjectAnswer& answer = answers[i];
    if (answer.error) {
      outcomes.push_back({subjects[i], SubjectOutcome::Kind::failed, answer.error->what()});
      job.on_failure(subjects[i], *answer.error);
      continue;
    }
    outcomes.push_back({subjects[i], answer.glm.reused ? SubjectOutcome::Kind::reused : SubjectOutcome::Kind::computed,
                        answer.glm.reason});
    take_answer(subjects[i], std::move(answer.glm), result);
  }
  say_outcomes(outcomes);
  result.subjects = static_cast<int>(result.of_subject.size());
  if (result.subjects == 0)
    throw DataError(fmt::format("all {} subjects failed; the crash files in logs/ say why", runs_of.size()));
  add_group_maps(job, result);
  result.notes.push_back(model_note(job, result.subjects));
  return result;
}

std::string glm_map_file(const std::string& contrast, const std::string& stat, const Grid& grid) {
  return fmt::format("maps/contrast-{}_stat-{}_statmap{}", bids_label(contrast), stat, map_ending(grid));
}

std::string group_map_name(const std::string& contrast, const std::string& group_contrast) {
  return fmt::format("{}: {}", contrast, group_contrast);
}

std::vector<std::string> write_glm_map(const std::filesystem::path& folder, const std::string& stem, const GlmMap& map,
                                       const FeatureSpace& voxels, const ImageHeader& like) {
  std::vector<std::string> files;
  const auto write_stat = [&](const char* stat, const std::vector<float>& values) {
    const std::string name = fmt::format("{}contrast-{}_stat-{}_statmap{}", stem, bids_label(map.contrast), stat,
                                         map_ending(voxels.mask.grid));
    files.push_back(write_map(folder, name, voxels, values, like, fmt::format("GLM {}", stat)));
  };
  if (!map.is_f()) {
    write_stat("effect", {map.effect.begin(), map.effect.end()});
    write_stat("variance", map.variance);
  }
  write_stat(map.is_f() ? "F" : "t", map.t);
  write_stat("p", map.p);
  write_stat("z", {map.z.begin(), map.z.end()});
  return files;
}

std::vector<std::string> write_glm_maps(const std::filesystem::path& folder, const GlmMaps& maps,
                                        const FeatureSpace& voxels, const ImageHeader& like) {
  std::vector<std::string> files;
  const auto write = [&](const std::string& stem, const GlmMap& map) {
    for (std::string& file : write_glm_map(folder, stem, map, voxels, like)) files.push_back(std::move(file));
  };
  for (const GlmMap& map : maps.group) write("maps/", map);
  if (maps.subjects < 2 || !maps.files.empty()) return files;  // the group's maps are the subject's, or all are kept
  for (const auto& [subject, of_subject] : maps.of_subject) {
    for (const GlmMap& map : of_subject) write(fmt::format("sub-{}/func/sub-{}_", subject, subject), map);
  }
  return files;
}

void write_design(const std::filesystem::path& path, const DesignMatrix& design) {
  Table table;
  for (std::size_t c = 0; c < design.names.size(); ++c) {
    const Eigen::VectorXd column = design.values.col(static_cast<Eigen::Index>(c));
    table.add(design.names[c], std::vector<double>(column.begin(), column.end()), 9);
  }
  std::filesystem::create_directories(path.parent_path());
  write_table(path, table);
}

DesignRecord write_design(const std::filesystem::path& folder, const GlmMaps& maps) {
  const std::string file = fmt::format("sub-{}/func/{}_design.tsv", maps.design_subject, maps.design_run);
  write_design(folder / file, maps.design);
  return {maps.design_run, file};
}

}  // namespace noema
