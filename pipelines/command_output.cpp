#include "noema/pipelines/command_output.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "noema/core/memory.h"
#include "noema/io/cifti_parcels.h"
#include "noema/io/table.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/page_facts.h"
#include "noema/pipelines/results_page.h"

namespace noema {
namespace {

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

}  // namespace

Results start_results(const std::string& command, const PreparedData& data) {
  Results results;
  results.command = command;
  results.dataset = data.dataset.name;
  for (const SubjectOutcome& outcome : data.subjects) {
    (outcome.kind == SubjectOutcome::Kind::failed ? results.failed_subjects : results.subjects)
        .push_back(outcome.subject);
    if (outcome.kind != SubjectOutcome::Kind::failed) {
      results.files.push_back(fmt::format("sub-{0}/func/sub-{0}_desc-series_bold.h5", outcome.subject));
      results.mean_images.push_back(subject_mean_file(outcome.subject, data.features->mask.grid));
      results.files.push_back(results.mean_images.back());
    }
  }
  return results;
}

void record_problem(const std::filesystem::path& folder, const LearningProblem& problem, Results& results) {
  results.labels = problem.labels.names;
  results.chance = 1.0 / problem.labels.count();
  results.split = describe_split(problem);
  say_problem(problem, results.split);
  if (problem.split.leaks) return;
  write_split(folder / "split.tsv", problem.split, *problem.runs, problem.blocks, problem.labels);
  results.files.emplace_back("split.tsv");
}

void say_score(const ModelScores& scores, double chance) {
  std::string line = fmt::format("{:<10} balanced accuracy {:.3f} [{:.3f}, {:.3f}]", scores.name,
                                 scores.balanced_accuracy, scores.interval.low, scores.interval.high);
  if (scores.seeds > 1) line += fmt::format(", sd over {} seeds {:.3f}", scores.seeds, scores.sd_over_seeds);
  if (scores.permutation)
    line += fmt::format(", p = {:.3g} of {} permutations", scores.permutation->p, scores.permutation->n);
  log_info(line + fmt::format(", chance {:.3f}", chance));
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

std::string model_map_file(const ModelMaps& maps, const std::string& label, const FeatureSpace& features) {
  return fmt::format("maps/desc-{}_label-{}_stat-{}_statmap{}", bids_model_label(maps.model), bids_label(label),
                     bids_model_label(maps.method),
                     are_whole_parcels(features) ? ".pscalar.nii" : map_ending(features.mask.grid));
}

std::vector<std::string> write_model_maps(const std::filesystem::path& folder, const PreparedData& data,
                                          const LabelTable& labels, const std::vector<ModelMaps>& maps) {
  std::vector<std::string> files;
  for (const ModelMaps& model : maps) {
    for (int k = 0; k < labels.count(); ++k) {
      std::vector<float> values(static_cast<std::size_t>(model.values.cols()));
      Eigen::Map<Eigen::RowVectorXf>(values.data(), model.values.cols()) = model.values.row(k).cast<float>();
      const std::string name = model_map_file(model, labels.names[static_cast<std::size_t>(k)], *data.features);
      files.push_back(write_map(folder, name, *data.features, values, data.mean.header, model.name()));
    }
  }
  return files;
}

void finish_results(const std::filesystem::path& folder, const CommandFindings& found, const Stopwatch& watch,
                    const WarningCollector& warnings, Results& results) {
  results.seconds = watch.seconds();
  results.peak_memory_mb = peak_memory_mb();
  for (const auto& entry : warnings.entries()) results.warnings[entry.message] = entry.count;
  results.files.emplace_back("report.html");
  add_page_facts(found, results);
  write_results(folder, results, found.provenance);
  write_report(folder);
}

}  // namespace noema
