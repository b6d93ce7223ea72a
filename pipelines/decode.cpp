#include "noema/pipelines/decode.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/atomic_file.h"
#include "noema/io/table.h"
#include "noema/pipelines/decode_page.h"
#include "noema/pipelines/explain.h"
#include "noema/pipelines/final_model.h"
#include "noema/pipelines/label_contrasts.h"
#include "noema/pipelines/output_folder.h"

namespace noema {
namespace {

/// Wall-clock seconds of stages, in the order of their first use.
class Stopwatch {
 public:
  template <class Work>
  auto time(const std::string& stage, Work&& work) {
    log_debug("stage: " + stage);
    const auto start = std::chrono::steady_clock::now();
    struct Stop {
      Stopwatch& watch;
      const std::string& stage;
      std::chrono::steady_clock::time_point start;
      ~Stop() { watch.add(stage, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()); }
    } stop{*this, stage, start};
    return work();
  }
  const std::vector<std::pair<std::string, double>>& seconds() const { return seconds_; }

 private:
  void add(const std::string& stage, double s) {
    for (auto& [name, sum] : seconds_) {
      if (name == stage) {
        sum += s;
        return;
      }
    }
    seconds_.emplace_back(stage, s);
  }
  std::vector<std::pair<std::string, double>> seconds_;
};

void say_problem(const LearningProblem& problem, const SplitRecord& split) {
  std::size_t samples = 0;
  for (const FoldData& fold : problem.folds) samples += fold.test.size();
  log_info(fmt::format("{} labels ({}), {} blocks, {} samples ({}), {} folds, what is left out: {}",
                       problem.labels.count(), fmt::join(problem.labels.names, ", "), problem.blocks.size(), samples,
                       to_string(problem.unit), problem.folds.size(), split.unit));
  const auto [low, high] = std::minmax_element(split.delay_s.begin(), split.delay_s.end());
  if (problem.rule.delay == DelayKind::automatic && problem.unit != SampleUnit::runs) {
    log_info(
        fmt::format("delay from events to response, estimated in each training fold: {:.1f} to {:.1f} s", *low, *high));
  }
}

void say_score(const ModelScores& scores, double chance) {
  std::string line = fmt::format("{:<10} balanced accuracy {:.3f} [{:.3f}, {:.3f}]", scores.name,
                                 scores.balanced_accuracy, scores.interval.low, scores.interval.high);
  if (scores.seeds > 1) line += fmt::format(", sd over {} seeds {:.3f}", scores.seeds, scores.sd_over_seeds);
  if (scores.permutation)
    line += fmt::format(", p = {:.3g} of {} permutations", scores.permutation->p, scores.permutation->n);
  log_info(line + fmt::format(", chance {:.3f}", chance));
}

std::vector<ModelEvaluation> evaluate_models(const DecodeOptions& options, const PreparedData& data,
                                             const LearningProblem& problem, double chance) {
  std::vector<ModelEvaluation> evaluations;
  for (const ModelPlan& plan : plan_models(options.models, data.features->kind, problem.unit)) {
    check_cancelled();
    evaluations.push_back(with_context(fmt::format("model '{}'", plan.name), [&] {
      return evaluate_model(problem, plan, data.nuisance, options.models.seed);
    }));
    say_score(evaluations.back().scores, chance);
  }
  return evaluations;
}

/// With a split that leaks: the linear models under the split that would have been taken, for the report.
void add_honest_scores(const DecodeOptions& options, const PreparedData& data, const LearningProblem& leaking,
                       std::vector<ModelEvaluation>& evaluations) {
  ProblemOptions honest = options.evaluation.problem;
  honest.shuffled_folds = 0;
  honest.unit = leaking.unit;
  const LearningProblem problem = make_problem(data.runs, options.evaluation.rule, honest);
  for (ModelPlan plan : plan_models(options.models, data.features->kind, problem.unit)) {
    plan.permutations = 0;
    plan.seeds = 1;
    for (ModelEvaluation& evaluation : evaluations) {
      if (evaluation.scores.name != plan.name) continue;
      evaluation.scores.honest_balanced_accuracy =
          evaluate_model(problem, plan, data.nuisance, options.models.seed).scores.balanced_accuracy;
    }
  }
}

void write_predictions(const std::filesystem::path& folder, const LearningProblem& problem,
                       const std::vector<ModelEvaluation>& models, Results& results) {
  std::vector<std::string> model, fold, subject, run, onset, truth, predicted;
  for (const ModelEvaluation& evaluation : models) {
    const Predictions& p = evaluation.cross_validation.predictions;
    for (std::size_t i = 0; i < p.truth.size(); ++i) {
      const LearningRun& of = problem.runs->at(static_cast<std::size_t>(p.run[i]));
      model.push_back(evaluation.scores.name);
      fold.push_back(problem.folds.at(static_cast<std::size_t>(p.fold[i])).name);
      subject.push_back(of.subject);
      run.push_back(of.id);
      onset.push_back(fmt::format("{:.3f}", problem.blocks.at(static_cast<std::size_t>(p.block[i])).onset_s));
      truth.push_back(problem.labels.names.at(static_cast<std::size_t>(p.truth[i])));
      predicted.push_back(problem.labels.names.at(static_cast<std::size_t>(p.predicted[i])));
    }
  }
  Table table;
  table.add("model", model);
  table.add("fold", fold);
  table.add("subject", subject);
  table.add("run", run);
  table.add("block_onset", onset);
  table.add("truth", truth);
  table.add("predicted", predicted);
  write_table(folder / "predictions.tsv", table);
  results.files.emplace_back("predictions.tsv");
}

void write_model_maps(const std::filesystem::path& folder, const PreparedData& data, const LabelTable& labels,
                      const std::vector<ModelMaps>& maps, Results& results) {
  for (const ModelMaps& model : maps) {
    for (int k = 0; k < labels.count(); ++k) {
      std::vector<float> values(static_cast<std::size_t>(model.values.cols()));
      Eigen::Map<Eigen::RowVectorXf>(values.data(), model.values.cols()) = model.values.row(k).cast<float>();
      const std::string name =
          fmt::format("maps/desc-{}_label-{}_stat-{}_statmap.nii.gz", bids_label(model.model),
                      bids_label(labels.names[static_cast<std::size_t>(k)]), bids_label(model.method));
      results.files.push_back(write_map(folder, name, *data.features, values, data.mean.header, model.name()));
    }
  }
}

Results start_results(const PreparedData& data) {
  Results results;
  results.command = "decode";
  results.dataset = data.dataset.name;
  for (const SubjectOutcome& outcome : data.subjects) {
    (outcome.kind == SubjectOutcome::Kind::failed ? results.failed_subjects : results.subjects)
        .push_back(outcome.subject);
    if (outcome.kind != SubjectOutcome::Kind::failed) {
      results.files.push_back(fmt::format("sub-{0}/func/sub-{0}_desc-series_bold.h5", outcome.subject));
    }
  }
  return results;
}

GlmMaps make_glm_maps(const DecodeOptions& options, const PreparedData& data, const LearningProblem& problem,
                      const std::vector<ModelMaps>& maps, Results& results) {
  std::vector<std::string> notes;
  const GlmJob job = label_glm(data, problem, notes);
  GlmMaps glm = fit_glm_maps(job);
  glm.notes.insert(glm.notes.end(), notes.begin(), notes.end());
  const std::vector<std::string> files = write_glm_maps(options.prepare.output, glm, *job.voxels, data.mean.header);
  results.files.insert(results.files.end(), files.begin(), files.end());
  results.agreement = agreement_with_glm(maps, glm, problem.labels, *data.features, options.explain.map_fwhm_mm);
  return glm;
}

/// Maps are named by their labels.
void check_file_names(const LabelTable& labels) {
  std::map<std::string, std::string> label_of;
  for (const std::string& label : labels.names) {
    const auto [entry, is_new] = label_of.emplace(bids_label(label), label);
    if (is_new) continue;
    throw DataError(fmt::format("files of the labels '{}' and '{}' would both be named '{}'; rename one with --labels",
                                entry->second, label, entry->first));
  }
}

/// What can be refused by the names and events of the runs alone.
void check_request(const DecodeOptions& options, const std::vector<LearningRun>& runs) {
  if (options.prepare.level == AnalysisLevel::participant) return;  // the labels of the others are not known
  check_file_names(make_label_table(runs, options.evaluation.rule));
  if (options.evaluation.problem.shuffled_folds == 0) check_split_options(runs, options.evaluation.problem.split);
}

void say_plan(const DecodeOptions& options) {
  const auto check = [&](const std::vector<LearningRun>& runs) { check_request(options, runs); };
  for (const std::string& line : plan_preparation(options.prepare, check)) log_info(line);
  log_info("dry run: nothing was written");
}

}  // namespace

Results decode(const DecodeOptions& options) {
  check_models(options.models.models);
  for (const std::string& method : options.explain.methods) attribution_method(method);
  if (options.dry_run) {
    say_plan(options);
    return {};
  }
  const WarningCollector warnings;
  Stopwatch watch;
  const std::filesystem::path& folder = options.prepare.output;
  const auto begin = [&](const std::vector<LearningRun>& runs) {
    check_request(options, runs);
    open_output_folder(folder, "decode", options.prepare.configuration);
  };
  const PreparedData data = watch.time("preprocessing", [&] { return prepare_dataset(options.prepare, begin); });
  Results results = start_results(data);
  if (options.prepare.level == AnalysisLevel::participant) return results;

  const LearningProblem problem = watch.time(
      "labels and folds", [&] { return make_problem(data.runs, options.evaluation.rule, options.evaluation.problem); });
  results.labels = problem.labels.names;
  results.chance = 1.0 / problem.labels.count();
  results.split = describe_split(problem);
  say_problem(problem, results.split);
  if (!problem.split.leaks) {
    write_split(folder / "split.tsv", problem.split, *problem.runs, problem.blocks, problem.labels);
    results.files.emplace_back("split.tsv");
  }
  std::vector<ModelEvaluation> models =
      watch.time("cross-validation", [&] { return evaluate_models(options, data, problem, results.chance); });
  if (problem.split.leaks) watch.time("cross-validation", [&] { add_honest_scores(options, data, problem, models); });
  for (const ModelEvaluation& model : models) results.models.push_back(model.scores);
  write_predictions(folder, problem, models, results);

  Provenance provenance = make_provenance(options.models.seed, options.prepare.configuration);
  provenance.inputs = data.inputs;
  watch.time("final models", [&] { save_final_models(options, data, problem, provenance, results); });

  std::vector<ModelMaps> maps;
  watch.time("attribution", [&] {
    for (const ModelEvaluation& model : models) {
      if (model.scores.name == "nuisance") continue;
      Explanation explanation = explain_model(problem, model, options.explain, options.models.seed);
      std::move(explanation.maps.begin(), explanation.maps.end(), std::back_inserter(maps));
      std::move(explanation.faithfulness.begin(), explanation.faithfulness.end(),
                std::back_inserter(results.faithfulness));
    }
    write_model_maps(folder, data, problem.labels, maps, results);
  });
  GlmMaps glm;
  const bool has_glm = options.explain.glm && problem.unit != SampleUnit::runs;
  if (has_glm) glm = watch.time("GLM", [&] { return make_glm_maps(options, data, problem, maps, results); });
  results.seconds = watch.seconds();
  results.peak_memory_mb = peak_memory_mb();
  const auto entries = warnings.entries();
  for (const auto& entry : entries) results.warnings[entry.message] = entry.count;
  results.files.emplace_back("report.html");
  write_results(folder, results, provenance.to_json());
  write_file(folder / "report.html",
             decode_report_html(decode_page({data, problem, models, maps, has_glm ? &glm : nullptr, results, provenance,
                                             entries, options.explain.map_fwhm_mm})));
  return results;
}

}  // namespace noema
