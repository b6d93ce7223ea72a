#include "noema/pipelines/decode_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "noema/report/decode_report.h"

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

ModelResult model_result(const ModelScores& scores) {
  ModelResult result;
  result.name = scores.name;
  result.is_baseline = scores.is_baseline;
  result.samples = scores.samples;
  result.seeds = scores.seeds;
  result.balanced_accuracy = scores.balanced_accuracy;
  if (scores.seeds > 1) result.sd_over_seeds = scores.sd_over_seeds;
  result.low = scores.interval.low;
  result.high = scores.interval.high;
  result.accuracy = scores.accuracy;
  result.macro_f1 = scores.macro_f1;
  result.log_loss = scores.log_loss;
  if (scores.permutation) {
    result.p_permutation = scores.permutation->p;
    result.null = scores.permutation->null;
  }
  result.per_fold = scores.per_fold;
  result.confusion = scores.confusion;
  return result;
}

const ModelEvaluation* best_of(const std::vector<ModelEvaluation>& models, bool networks) {
  const ModelEvaluation* best = nullptr;
  for (const ModelEvaluation& model : models) {
    if (model.scores.is_baseline || model.histories.empty() == networks) continue;
    if (!best || model.scores.balanced_accuracy > best->scores.balanced_accuracy) best = &model;
  }
  return best;
}

std::vector<ModelDifference> differences(const DecodeFindings& findings) {
  const ModelEvaluation* network = best_of(findings.models, true);
  const ModelEvaluation* linear = best_of(findings.models, false);
  if (!network || !linear) return {};
  const Predictions& first = network->cross_validation.predictions;
  const Comparison found = compare_models(first, linear->cross_validation.predictions,
                                          resampling_groups(first, *findings.problem.runs), Metric::balanced_accuracy);
  ModelDifference difference;
  difference.first = network->scores.name;
  difference.second = linear->scores.name;
  difference.difference = found.difference;
  difference.low = found.interval.low;
  difference.high = found.interval.high;
  difference.p = found.p;
  return {difference};
}

std::vector<ModelDifference> stated(const Results& results) {
  std::vector<ModelDifference> list;
  for (const ScoreDifference& row : results.comparisons) {
    list.push_back({row.first, row.second, row.difference, row.interval.low, row.interval.high, row.p});
  }
  return list;
}

std::string split_sentence(const SplitRecord& split) {
  if (split.leaks)
    return fmt::format("Samples are shuffled into {} folds, whatever block they come from: this leaks.", split.folds);
  if (split.unit == "none") return "The model came trained; nothing of these data was fitted.";
  if (split.unit == "given") return fmt::format("The split was given as a table: {} folds.", split.folds);
  if (split.unit == "occurrence") {
    return fmt::format("Each label's first blocks are tested against its others, and so on: {} folds by occurrence.",
                       split.folds);
  }
  if (split.unit.starts_with("group"))
    return fmt::format("Whole groups are left out together, by {}: {} folds.", split.unit, split.folds);
  return fmt::format("One {} is left out at a time: {} folds.", split.unit, split.folds);
}

noema::SplitFacts split_facts(const SplitRecord& record, const LearningProblem& problem) {
  noema::SplitFacts facts;
  facts.description = split_sentence(record);
  facts.hash = record.hash;
  for (const FoldData& fold : problem.folds) facts.fold_names.push_back(fold.name);
  facts.checks = record.checks;
  facts.notes = record.notes;
  facts.violations_allowed = record.violations;
  return facts;
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

std::vector<float> as_floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

ReportMap model_map(const DecodeFindings& findings, const ModelMaps& model, const std::string& label) {
  const FeatureSpace& features = *findings.data.features;
  std::vector<float> values(static_cast<std::size_t>(model.values.cols()));
  Eigen::Map<Eigen::RowVectorXf>(values.data(), model.values.cols()) =
      model.values.row(findings.problem.labels.index_of(label)).cast<float>();
  Image image = to_image(features, values);
  std::string name = model.name();
  if (features.kind == FeatureKind::voxels && findings.picture_fwhm_mm > 0) {
    image = smoothed_map(image, features.mask, findings.picture_fwhm_mm);
    name += fmt::format(", smoothed {:g} mm", findings.picture_fwhm_mm);
  }
  return {name, model.method == "pattern" ? "pattern" : "attribution", label, "",
          std::make_shared<const Image>(std::move(image))};
}

std::vector<ReportMap> report_maps(const DecodeFindings& findings) {
  std::vector<ReportMap> list;
  const FeatureSpace& features = *findings.data.features;
  for (const std::string& label : findings.problem.labels.names) {
    if (findings.glm) {
      for (const GlmMap& map : findings.glm->group) {
        if (map.contrast != label) continue;
        list.push_back(
            {"GLM z", "GLM", label, "z", std::make_shared<const Image>(unmask(features.mask, as_floats(map.z)))});
      }
    }
    for (const ModelMaps& model : findings.maps) list.push_back(model_map(findings, model, label));
  }
  return list;
}

std::vector<noema::AgreementRow> agreement_rows(const std::vector<MapAgreement>& rows) {
  std::vector<noema::AgreementRow> list;
  for (const MapAgreement& row : rows) {
    noema::AgreementRow shown;
    shown.map_a = row.fwhm_mm > 0 ? fmt::format("{}, smoothed {:g} mm", row.first, row.fwhm_mm) : row.first;
    shown.map_b = row.second;
    shown.label = row.label;
    shown.part = row.part;
    shown.pearson = row.pearson;
    shown.spearman = row.spearman;
    shown.dice_1 = row.dice.at(0);
    shown.dice_5 = row.dice.at(1);
    shown.dice_10 = row.dice.at(2);
    list.push_back(shown);
  }
  return list;
}

/// Margins as a share of the whole sample's.
std::vector<FaithfulnessCurve> faithfulness_curves(const std::vector<FaithfulnessRow>& rows) {
  std::vector<FaithfulnessCurve> list;
  for (const FaithfulnessRow& row : rows) {
    FaithfulnessCurve curve;
    curve.model = row.model;
    curve.method = row.method;
    curve.fraction = row.fraction;
    const double whole = row.margin.front();
    for (const double value : row.margin) curve.margin.push_back(value / whole);
    for (const double value : row.random) curve.random.push_back(value / whole);
    curve.area = row.gain / whole;
    curve.area_error = row.standard_error / std::abs(whole);
    curve.samples = row.samples;
    curve.completeness_residual = row.residual;
    list.push_back(std::move(curve));
  }
  return list;
}

MethodFacts method_facts(const DecodeFindings& findings) {
  MethodFacts facts;
  facts.preprocessing = findings.data.notes;
  // The choice of the high-pass stands among the notes already.
  const std::string unit = to_string(findings.problem.unit);
  facts.sample_unit = unit.substr(0, unit.size() - 1);
  facts.delay_rule = findings.problem.rule.delay == DelayKind::automatic ? "estimated"
                     : findings.problem.rule.delay == DelayKind::fixed   ? "declared"
                                                                         : "hrf";
  if (findings.glm) facts.glm = findings.glm->notes;
  for (const ModelMaps& map : findings.maps) {
    if (map.method != "pattern" &&
        std::find(facts.attributions.begin(), facts.attributions.end(), map.method) == facts.attributions.end()) {
      facts.attributions.push_back(map.method);
    }
  }
  if (!findings.models.empty()) {
    facts.bootstrap_draws = BootstrapOptions().draws;
    facts.bootstrap_groups = findings.models.front().scores.group_unit;
  }
  for (const ModelEvaluation& model : findings.models) {
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

DecodeReport decode_page(const DecodeFindings& findings) {
  DecodeReport report;
  report.dataset = findings.results.dataset;
  report.task = findings.data.files.front().entity("task");
  report.space = findings.data.files.front().entity("space");
  report.subjects = subject_rows(findings.data, findings.problem);
  report.labels = findings.problem.labels.names;
  report.samples_by_label = samples_by_label(findings.problem);
  report.chance = findings.results.chance;
  for (const ModelEvaluation& model : findings.models) {
    report.models.push_back(model_result(model.scores));
    if (model.scores.honest_balanced_accuracy) {
      report.leaks.push_back(
          {model.scores.name, model.scores.balanced_accuracy, *model.scores.honest_balanced_accuracy,
           fmt::format("{} shuffled into {} folds", to_string(findings.problem.unit), findings.problem.folds.size())});
    }
  }
  report.differences = findings.results.comparisons.empty() ? differences(findings) : stated(findings.results);
  report.split = split_facts(findings.results.split, findings.problem);
  report.delays = delay_curves(findings.problem);
  report.training = training_curves(findings.models);
  report.mean_image = std::make_shared<const Image>(findings.data.mean);
  report.maps = report_maps(findings);
  report.agreement = agreement_rows(findings.results.agreement);
  report.faithfulness = faithfulness_curves(findings.results.faithfulness);
  if (findings.glm)
    report.designs.push_back({findings.data.runs->front().id, findings.glm->design.names, findings.glm->design.values});
  report.method = method_facts(findings);
  report.warnings = findings.warnings;
  report.provenance = findings.provenance;
  for (const std::string& file : findings.results.files) report.files.emplace_back(file, "");
  report.seconds_by_stage = findings.results.seconds;
  report.peak_memory_bytes = static_cast<std::uint64_t>(findings.results.peak_memory_mb * 1024 * 1024);
  return report;
}

}  // namespace noema
