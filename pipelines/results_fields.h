// pipelines/results_fields: the fields of each record of results.json, in one list that serves writing and reading.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "noema/interpret/agreement.h"
#include "noema/pipelines/results.h"

namespace noema {

/// One list of fields for each record serves both ways: `fields(visit, record)` calls `visit(name, member)` for each.
/// Members that are records themselves, optional, or lists of either need nothing more.
template <class Visit>
void fields(Visit& visit, SplitRecord& split) {
  visit("unit", split.unit);
  visit("hash", split.hash);
  visit("folds", split.folds);
  visit("fold_names", split.fold_names);
  visit("leaks", split.leaks);
  visit("checks", split.checks);
  visit("notes", split.notes);
  visit("violations", split.violations);
  visit("delay_s", split.delay_s);
}

template <class Visit>
void fields(Visit& visit, ScoreDifference& row) {
  visit("first", row.first);
  visit("second", row.second);
  visit("difference", row.difference);
  visit("low", row.interval.low);
  visit("high", row.interval.high);
  visit("p", row.p);
}

template <class Visit>
void fields(Visit& visit, FaithfulnessRow& row) {
  visit("model", row.model);
  visit("method", row.method);
  visit("samples", row.samples);
  visit("gain_over_random", row.gain);
  visit("standard_error", row.standard_error);
  visit("fraction_deleted", row.fraction);
  visit("margin", row.margin);
  visit("margin_random", row.random);
  visit("completeness_residual", row.residual);
}

template <class Visit>
void fields(Visit& visit, PeakRecord& peak) {
  visit("t", peak.t);
  visit("z", peak.z);
  visit("voxel", peak.voxel);
  visit("ras_mm", peak.ras_mm);
}

template <class Visit>
void fields(Visit& visit, ContrastRecord& row) {
  visit("name", row.name);
  visit("formula", row.formula);
  visit("statistic", row.statistic);
  visit("subjects", row.subjects);
  visit("df", row.df);
  visit("max", row.max);
  visit("min", row.min);
  visit("voxels", row.voxels);
  visit("voxels_z_above_3.1", row.voxels_above);
}

template <class Visit>
void fields(Visit& visit, SubjectRow& row) {
  visit("subject", row.subject);
  visit("runs", row.runs);
  visit("volumes", row.volumes);
  visit("blocks", row.blocks);
  visit("samples", row.samples);
}

template <class Visit>
void fields(Visit& visit, DelayCurve& row) {
  visit("fold", row.fold);
  visit("delay_s", row.delay_s);
  visit("determined", row.determined);
  visit("shifts_s", row.shifts_s);
  visit("mean_abs_correlation", row.mean_abs_correlation);
}

template <class Visit>
void fields(Visit& visit, TrainingCurves& curves) {
  visit("model", curves.model);
  visit("quantity", curves.quantity);
  visit("runs", curves.runs);
}

template <class Visit>
void fields(Visit& visit, MapRecord& map) {
  visit("file", map.file);
  visit("name", map.name);
  visit("kind", map.kind);
  visit("label", map.label);
  visit("unit", map.unit);
  visit("fwhm_mm", map.fwhm_mm);
}

template <class Visit>
void fields(Visit& visit, DesignRecord& design) {
  visit("run", design.run);
  visit("file", design.file);
}

template <class Visit>
void fields(Visit& visit, ConnectomeRecord& record) {
  visit("kind", record.kind);
  visit("title", record.title);
  visit("file", record.file);
}

template <class Visit>
void fields(Visit& visit, ConnectomeFacts& facts) {
  visit("regions_file", facts.regions_file);
  visit("matrices", facts.matrices);
}

template <class Visit>
void fields(Visit& visit, LossRow& row) {
  visit("loss", row.loss);
  visit("weight", row.weight);
  visit("training_fixed", row.training_fixed);
  visit("training_learned", row.training_learned);
  visit("held_out_fixed", row.held_out_fixed);
  visit("held_out_learned", row.held_out_learned);
}

template <class Visit>
void fields(Visit& visit, ResponseRecord& record) {
  visit("block", record.block);
  visit("file", record.file);
}

template <class Visit>
void fields(Visit& visit, WorkflowFacts& facts) {
  visit("toml", facts.toml);
  visit("losses", facts.losses);
  visit("responses", facts.responses);
}

template <class Visit>
void fields(Visit& visit, MethodFacts& method) {
  visit("preprocessing", method.preprocessing);
  visit("sample_unit", method.sample_unit);
  visit("delay_rule", method.delay_rule);
  visit("features", method.features);
  visit("glm", method.glm);
  visit("attributions", method.attributions);
  visit("bootstrap_draws", method.bootstrap_draws);
  visit("bootstrap_groups", method.bootstrap_groups);
  visit("permutations", method.permutations);
}

/// "top_0.05"
std::string top_fraction_name(double fraction);

struct DiceFields {
  std::vector<double> dice;
};
template <class Visit>
void fields(Visit& visit, DiceFields& row) {
  row.dice.resize(std::size(kTopFractions));
  for (std::size_t i = 0; i < row.dice.size(); ++i) visit(top_fraction_name(kTopFractions[i]), row.dice[i]);
}

template <class Visit>
void fields(Visit& visit, MapAgreement& row) {
  visit("label", row.label);
  visit("first", row.first);
  visit("second", row.second);
  visit("part", row.part);
  visit("fwhm_mm", row.fwhm_mm);
  visit("pearson", row.pearson);
  visit("spearman", row.spearman);
  DiceFields dice{row.dice};
  visit("dice", dice);
  row.dice = dice.dice;
  visit("features", row.features);
}

struct BalancedAccuracyFields {
  ModelScores& model;
};
template <class Visit>
void fields(Visit& visit, BalancedAccuracyFields& score) {
  visit("mean", score.model.balanced_accuracy);
  visit("sd_over_seeds", score.model.sd_over_seeds);
  visit("low", score.model.interval.low);
  visit("high", score.model.interval.high);
  visit("per_fold", score.model.per_fold);
  visit("per_seed", score.model.per_seed);
}

struct ByBlockFields {
  double right = 0;
  int blocks = 0;
};
template <class Visit>
void fields(Visit& visit, ByBlockFields& votes) {
  visit("right", votes.right);
  visit("blocks", votes.blocks);
}

template <class Visit>
void fields(Visit& visit, ModelScores& model) {
  visit("name", model.name);
  visit("sample_unit", model.sample_unit);
  visit("samples", model.samples);
  visit("groups", model.groups);
  visit("group_unit", model.group_unit);
  visit("seeds", model.seeds);
  BalancedAccuracyFields score{model};
  visit("balanced_accuracy", score);
  visit("accuracy", model.accuracy);
  visit("macro_f1", model.macro_f1);
  visit("log_loss", model.log_loss);
  visit("confusion", model.confusion);
  PermutationResult permutation = model.permutation.value_or(PermutationResult{std::nan(""), 0, {}});
  visit("p_permutation", permutation.p);
  visit("permutations", permutation.n);
  visit("permutation_null", permutation.null);
  if (permutation.n > 0) model.permutation = permutation;
  visit("seconds", model.seconds);
  std::optional<ByBlockFields> votes;
  if (model.blocks_right) votes = ByBlockFields{*model.blocks_right, model.blocks};
  visit("by_block", votes);
  if (votes) {
    model.blocks_right = votes->right;
    model.blocks = votes->blocks;
  }
  visit("honest_balanced_accuracy", model.honest_balanced_accuracy);
}

/// Seconds by stage: an object, whose order JSON does not keep, and the order beside it.
struct StageFields {
  std::vector<std::pair<std::string, double>>& stages;
};
template <class Visit>
void fields(Visit& visit, StageFields& seconds) {
  for (auto& [stage, value] : seconds.stages) visit(stage, value);
}

template <class Visit>
void fields(Visit& visit, Results& results) {
  visit("command", results.command);
  visit("dataset", results.dataset);
  visit("title", results.title);
  visit("task", results.task);
  visit("space", results.space);
  visit("subjects", results.subjects);
  visit("failed_subjects", results.failed_subjects);
  visit("subject_rows", results.subject_rows);
  visit("labels", results.labels);
  visit("samples_by_label", results.samples_by_label);
  visit("chance", results.chance);
  visit("split", results.split);
  std::vector<ModelScores> models, baselines;
  for (const ModelScores& model : results.models) (model.is_baseline ? baselines : models).push_back(model);
  visit("models", models);
  visit("baselines", baselines);
  for (ModelScores& model : baselines) model.is_baseline = true;
  results.models = models;
  results.models.insert(results.models.end(), baselines.begin(), baselines.end());
  visit("comparisons", results.comparisons);
  visit("agreement", results.agreement);
  visit("faithfulness", results.faithfulness);
  visit("contrasts", results.contrasts);
  visit("delays", results.delays);
  visit("training", results.training);
  visit("mean_images", results.mean_images);
  visit("surfaces", results.surfaces);
  visit("maps", results.maps);
  visit("designs", results.designs);
  visit("connectome", results.connectome);
  visit("workflow", results.workflow);
  visit("method", results.method);
  std::vector<std::string> stages;
  for (const auto& [stage, value] : results.seconds) stages.push_back(stage);
  visit("stages", stages);
  results.seconds.resize(stages.size());
  for (std::size_t i = 0; i < stages.size(); ++i) results.seconds[i].first = stages[i];
  StageFields seconds{results.seconds};
  visit("seconds", seconds);
  visit("peak_memory_mb", results.peak_memory_mb);
  visit("warnings", results.warnings);
  visit("files", results.files);
}

}  // namespace noema
