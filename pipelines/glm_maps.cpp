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
#include "noema/glm/least_squares.h"
#include "noema/io/table.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/prepare.h"
#include "noema/pipelines/subject_glm.h"
#include "noema/pipelines/subject_queue.h"

namespace noema {
namespace {

using SubjectMaps = std::map<std::string, std::vector<GlmMap>>;

/// Effects of those subjects that have the contrast: (S, V), of F for each of its rows.
struct Effects {
  std::vector<std::string> subjects;
  std::vector<MatrixD> rows;
  bool of_f = false;

  bool are_enough() const { return subjects.size() >= 2; }
  const MatrixD& values() const { return rows.front(); }
};

/// A voxel without data.
bool is_hole(const GlmMap& map, std::size_t voxel) { return map.is_f() ? map.t[voxel] == 0 : map.variance[voxel] == 0; }

const std::vector<double>& row_of(const GlmMap& map, std::size_t row) {
  return map.is_f() ? map.row_effects[row] : map.effect;
}

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
  if (maps.empty()) return effects;
  effects.of_f = maps[0]->is_f();
  const std::size_t count = effects.of_f ? maps[0]->row_effects.size() : 1;
  effects.rows.assign(count, MatrixD(std::ssize(maps), std::ssize(maps[0]->z)));
  for (std::size_t s = 0; s < maps.size(); ++s) {
    if (maps[s]->is_f() && maps[s]->row_effects.size() != count) {
      throw DataError(fmt::format("contrast '{}' has {} independent rows in subject '{}' and {} in subject '{}'",
                                  contrast, count, effects.subjects[0], maps[s]->row_effects.size(),
                                  effects.subjects[s]));
    }
    for (std::size_t row = 0; row < count; ++row) {
      effects.rows[row].row(static_cast<Eigen::Index>(s)) =
          Eigen::Map<const Eigen::RowVectorXd>(row_of(*maps[s], row).data(), effects.values().cols());
    }
  }
  // A voxel without data in one subject has no effect there, which is not an effect of 0: it is left out for all.
  for (const GlmMap* map : maps) {
    for (std::size_t v = 0; v < map->z.size(); ++v) {
      if (!is_hole(*map, v)) continue;
      for (MatrixD& row : effects.rows) row.col(static_cast<Eigen::Index>(v)).setZero();
    }
  }
  return effects;
}

void say_holes(const SubjectMaps& subjects) {
  std::vector<std::uint8_t> hole;
  for (const auto& [subject, maps] : subjects) {
    for (const GlmMap& map : maps) {
      hole.resize(map.z.size(), 0);
      for (std::size_t v = 0; v < map.z.size(); ++v) hole[v] |= static_cast<std::uint8_t>(is_hole(map, v));
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
  if (group.is_mean()) return {MatrixD::Ones(std::ssize(subjects), 1), {"intercept"}};
  if (!group.participants) {
    throw DataError("the group model asks for columns of participants.tsv, which the dataset does not have");
  }
  return group.columns.empty() ? make_group_design(*group.participants, subjects, group.formula)
                               : make_group_columns(*group.participants, subjects, group.columns);
}

std::string quoted(const std::string& column) {
  return column.find('\'') == std::string::npos ? "'" + column + "'" : "\"" + column + "\"";
}

/// What is asked of the group's columns; of their mean alone nothing but that.
std::vector<ContrastRequest> group_requests(const GroupModel& group, const DesignMatrix& design) {
  if (group.is_mean()) return {{"", quoted(design.names.front())}};
  if (!group.contrasts.empty()) return group.contrasts;
  std::vector<ContrastRequest> requests;
  for (const std::string& name : design.names) requests.push_back({name, quoted(name)});
  return requests;
}

/// One contrast of the group, of a t contrast of the subjects or of the rows of an F contrast together.
ContrastMaps answer_of(const Effects& effects, const DesignMatrix& design, const ContrastRequest& request) {
  if (effects.of_f) return joint_group_test(effects.rows, design, parse_contrast(request.formula, design.names));
  const GlmFit fit = fit_glm(effects.values(), design, NoiseModel::ols);
  return is_f_formula(request.formula) ? f_contrast(fit, request.formula) : t_contrast(fit, request.formula);
}

void add_group_answers(const GroupModel& group, const ContrastRequest& contrast, const Effects& effects,
                       GlmMaps& maps) {
  const DesignMatrix design = group_design_of(group, effects.subjects);
  const std::int64_t least = make_basis(design.values).rank() + std::ssize(effects.rows);
  if (effects.of_f && design.values.rows() < least) {
    log_warning(fmt::format("contrast '{}' of {} rows has no group map: it needs {} subjects, and {} have it",
                            contrast.name, effects.rows.size(), least, design.values.rows()));
    return;
  }
  for (const ContrastRequest& request : group_requests(group, design)) {
    const std::string name = group.is_mean() ? contrast.name : group_map_name(contrast.name, request.name);
    const ContrastMaps answer = with_context(fmt::format("group contrast '{}'", name), [&] {
      return group.is_mean() && !effects.of_f ? one_sample_t(effects.values()) : answer_of(effects, design, request);
    });
    maps.group.push_back(glm_map(name, answer));
    maps.questions.push_back({contrast.name, design, parse_contrast_rows(request.formula, design.names)});
  }
  if (group.is_mean() || !maps.group_design.names.empty()) return;
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
    const Effects effects = effects_of(maps.of_subject, contrast.name);
    if (effects.are_enough()) add_group_answers(job.group, contrast, effects, maps);
  }
}

std::string model_note(const GlmJob& job, int subjects) {
  const std::string drift = job.no_drift           ? "no drifts"
                            : job.high_pass_hz     ? fmt::format("cosine drifts up to {:.4g} Hz", *job.high_pass_hz)
                            : job.drift_order == 1 ? "a linear drift"
                                                   : fmt::format("powers of time up to {} as drifts", job.drift_order);
  const std::string group = subjects < 2                ? ""
                            : job.group.is_mean()       ? ", a one-sample t test over subjects"
                            : job.group.formula.empty() ? ", a linear model over subjects"
                                                        : ", over subjects the model " + job.group.formula;
  return fmt::format(
      "General linear model: haemodynamic response {}, {}, noise {}, effects in {}, fixed effects over runs{}.",
      hrf_model_name(job.hrf), drift, noise_model_name(job.noise), effect_unit(job.scaling), group);
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

std::vector<MatrixD> subject_effects(const GlmMaps& glm, const std::string& contrast) {
  return effects_of(glm.of_subject, contrast).rows;
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

std::string effect_of_row(std::size_t row) { return fmt::format("effect{}", row + 1); }

std::vector<std::string> write_glm_map(const std::filesystem::path& folder, const std::string& stem, const GlmMap& map,
                                       const FeatureSpace& voxels, const ImageHeader& like) {
  std::vector<std::string> files;
  const auto write_stat = [&](const std::string& stat, const std::vector<float>& values) {
    const std::string name = fmt::format("{}contrast-{}_stat-{}_statmap{}", stem, bids_label(map.contrast), stat,
                                         map_ending(voxels.mask.grid));
    files.push_back(write_map(folder, name, voxels, values, like, fmt::format("GLM {}", stat)));
  };
  if (!map.is_f()) {
    write_stat("effect", {map.effect.begin(), map.effect.end()});
    write_stat("variance", map.variance);
  }
  for (std::size_t row = 0; row < map.row_effects.size(); ++row) {
    const std::vector<double>& effect = map.row_effects[row];
    write_stat(effect_of_row(row), {effect.begin(), effect.end()});
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
