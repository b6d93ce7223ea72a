#include "noema/pipelines/page_facts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "noema/decoders/network_classifier.h"
#include "noema/learn/rena_classifier.h"
#include "noema/pipelines/command_output.h"

namespace noema {
namespace {

std::vector<SubjectRow> subject_rows(const PreparedData& data, const LearningProblem& problem) {
  std::map<std::string, SubjectRow> rows;
  for (const LearningRun& run : *data.runs) {
    SubjectRow& row = rows[run.subject];
    row.subject = run.subject;
    ++row.runs;
    row.volumes += run.series.volumes();
  }
  for (const Block& block : problem.blocks)
    ++rows[problem.runs->at(static_cast<std::size_t>(block.run)).subject].blocks;
  for (const FoldData& fold : problem.folds) {
    for (const int index : fold.test) {
      const Sample& sample = fold.samples[static_cast<std::size_t>(index)];
      ++rows[problem.runs->at(static_cast<std::size_t>(sample.run)).subject].samples;
    }
  }
  std::vector<SubjectRow> list;
  for (auto& [subject, row] : rows) list.push_back(row);
  return list;
}

const ModelEvaluation* best_of(const std::vector<ModelEvaluation>& models, bool networks) {
  const ModelEvaluation* best = nullptr;
  for (const ModelEvaluation& model : models) {
    if (model.scores.is_baseline || model.histories.empty() == networks) continue;
    if (!best || model.scores.balanced_accuracy > best->scores.balanced_accuracy) best = &model;
  }
  return best;
}

/// The best network against the best linear model.
std::vector<ScoreDifference> differences(const CommandFindings& found) {
  const ModelEvaluation* network = best_of(found.models, true);
  const ModelEvaluation* linear = best_of(found.models, false);
  if (!network || !linear) return {};
  const Predictions& first = network->cross_validation.predictions;
  const Comparison comparison =
      compare_models(first, linear->cross_validation.predictions, resampling_groups(first, *found.problem.runs),
                     Metric::balanced_accuracy);
  return {{network->scores.name, linear->scores.name, comparison.difference, comparison.interval, comparison.p}};
}

std::vector<DelayCurve> delay_curves(const LearningProblem& problem) {
  std::vector<DelayCurve> curves;
  for (const FoldData& fold : problem.folds) {
    if (fold.estimate.shifts_s.empty()) continue;
    curves.push_back({fold.name, fold.delay_s, fold.estimate.determined, fold.estimate.shifts_s,
                      fold.estimate.mean_abs_correlation});
  }
  return curves;
}

std::vector<TrainingCurves> training_curves(const std::vector<ModelEvaluation>& models) {
  std::vector<TrainingCurves> list;
  for (const ModelEvaluation& model : models) {
    TrainingCurves loss{model.scores.name, "training loss", {}}, validation{model.scores.name, "validation loss", {}};
    for (const TrainingHistory& history : model.histories) {
      std::vector<double> train, held_out;
      for (const EpochRecord& epoch : history.epochs) {
        train.push_back(epoch.train_loss);
        if (std::isfinite(epoch.validation_loss)) held_out.push_back(epoch.validation_loss);
      }
      if (!train.empty()) loss.runs.push_back(train);
      if (!held_out.empty()) validation.runs.push_back(held_out);
    }
    for (TrainingCurves* curves : {&loss, &validation}) {
      if (!curves->runs.empty()) list.push_back(std::move(*curves));
    }
  }
  return list;
}

MapRecord model_record(const CommandFindings& found, const ModelMaps& model, const std::string& label) {
  const Grid& grid = found.data.features->mask.grid;
  const bool is_smoothed =
      found.data.features->kind == FeatureKind::voxels && grid.grayordinates == nullptr && found.picture_fwhm_mm > 0;
  MapRecord record{model_map_file(model, label, *found.data.features), model.name(),
                   model.method == "pattern" ? "pattern" : "attribution", label, ""};
  if (is_smoothed) {
    record.fwhm_mm = found.picture_fwhm_mm;
    record.name += fmt::format(", smoothed {:g} mm", record.fwhm_mm);
  }
  return record;
}

std::vector<MapRecord> map_records(const CommandFindings& found) {
  const Grid& grid = found.data.features->mask.grid;
  std::vector<MapRecord> list;
  for (const std::string& label : found.problem.labels.names) {
    if (found.glm) {
      for (const GlmMap& map : found.glm->group) {
        if (map.contrast == label) list.push_back({glm_map_file(map.contrast, "z", grid), "GLM z", "GLM", label, "z"});
      }
    }
    for (const ModelMaps& model : found.maps) list.push_back(model_record(found, model, label));
  }
  list.insert(list.end(), found.further_maps.begin(), found.further_maps.end());
  return list;
}

/// What each mixer of each network costs.
std::vector<std::string> mixer_sentences(const std::vector<ModelEvaluation>& models) {
  std::vector<std::string> sentences;
  for (const ModelEvaluation& model : models) {
    const auto& fitted = model.cross_validation.models;
    if (fitted.empty()) continue;
    const auto* network = dynamic_cast<const NetworkClassifier*>(&beneath_clusters(*fitted.front()));
    if (network == nullptr) continue;
    std::vector<std::string> parts;
    for (const MixerCost& mixer : network->network().mixer_costs()) {
      parts.push_back(
          fmt::format("{} with {} parameters, {} floating-point operations for {} volumes, and a state of "
                      "{} bytes",
                      mixer.kind, mixer.parameters, mixer.flops, mixer.volumes, mixer.state_bytes));
    }
    if (!parts.empty()) {
      sentences.push_back(fmt::format("Mixers of {}: {}.", model.scores.name, fmt::join(parts, "; ")));
    }
  }
  return sentences;
}

std::string delay_rule(DelayKind delay) {
  switch (delay) {
    case DelayKind::automatic:
      return "estimated";
    case DelayKind::fixed:
      return "declared";
    case DelayKind::hrf:
      return "hrf";
    case DelayKind::none:
      break;
  }
  return "";
}

MethodFacts method_facts(const CommandFindings& found) {
  MethodFacts facts;
  facts.preprocessing = found.data.notes;
  // The choice of the high-pass stands among the notes already.
  const std::string unit = to_string(found.problem.unit);
  facts.sample_unit = unit.substr(0, unit.size() - 1);
  const LabelRule& rule = found.problem.rule;
  facts.delay_rule = rule.windows == EventWindows::hcp ? "hcp" : delay_rule(rule.delay);
  facts.features = mixer_sentences(found.models);
  if (found.glm) facts.glm = found.glm->notes;
  for (const ModelMaps& map : found.maps) {
    if (map.method != "pattern" &&
        std::find(facts.attributions.begin(), facts.attributions.end(), map.method) == facts.attributions.end()) {
      facts.attributions.push_back(map.method);
    }
  }
  if (!found.models.empty()) {
    facts.bootstrap_draws = BootstrapOptions().draws;
    facts.bootstrap_groups = found.models.front().scores.group_unit;
  }
  for (const ModelEvaluation& model : found.models) {
    if (model.scores.permutation) facts.permutations = std::max(facts.permutations, model.scores.permutation->n);
  }
  return facts;
}

std::vector<std::int64_t> samples_by_label(const LearningProblem& problem) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(problem.labels.count()), 0);
  for (const FoldData& fold : problem.folds) {
    const std::vector<int> tested = samples_per_label(fold, fold.test, problem.labels);
    for (std::size_t k = 0; k < counts.size(); ++k) counts[k] += tested[k];
  }
  return counts;
}

}  // namespace

void add_page_facts(const CommandFindings& found, Results& results) {
  results.title = found.title;
  results.task = found.data.files.front().entity("task");
  results.space = found.data.files.front().entity("space");
  results.subject_rows = subject_rows(found.data, found.problem);
  results.samples_by_label = samples_by_label(found.problem);
  if (results.comparisons.empty()) results.comparisons = differences(found);
  results.split.fold_names.clear();
  for (const FoldData& fold : found.problem.folds) results.split.fold_names.push_back(fold.name);
  results.delays = delay_curves(found.problem);
  results.training = training_curves(found.models);
  results.maps = map_records(found);
  results.method = method_facts(found);
}

}  // namespace noema
