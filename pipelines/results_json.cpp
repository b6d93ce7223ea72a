// results.json: results as JSON and back; docs/results.md describes it.
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/interpret/agreement.h"
#include "noema/pipelines/results.h"

namespace noema {
namespace {

using nlohmann::json;

/// JSON has no NaN: what is not known is null.
json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }
double real(const json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

json numbers(const std::vector<double>& values) {
  json list = json::array();
  for (const double value : values) list.push_back(number(value));
  return list;
}
std::vector<double> reals(const json& list) {
  std::vector<double> values;
  for (const json& value : list) values.push_back(real(value));
  return values;
}

json confusion_json(const Eigen::MatrixXi& confusion) {
  json rows = json::array();
  for (Eigen::Index i = 0; i < confusion.rows(); ++i) {
    json row = json::array();
    for (Eigen::Index j = 0; j < confusion.cols(); ++j) row.push_back(confusion(i, j));
    rows.push_back(row);
  }
  return rows;
}
Eigen::MatrixXi read_confusion(const json& rows) {
  const auto size = static_cast<Eigen::Index>(rows.size());
  Eigen::MatrixXi confusion(size, size);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < rows.size(); ++j)
      confusion(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = rows.at(i).at(j).get<int>();
  }
  return confusion;
}

json to_json(const ModelScores& model) {
  json entry{{"name", model.name},
             {"sample_unit", model.sample_unit},
             {"samples", model.samples},
             {"groups", model.groups},
             {"group_unit", model.group_unit},
             {"seeds", model.seeds},
             {"balanced_accuracy",
              {{"mean", number(model.balanced_accuracy)},
               {"sd_over_seeds", number(model.sd_over_seeds)},
               {"low", number(model.interval.low)},
               {"high", number(model.interval.high)},
               {"per_fold", numbers(model.per_fold)},
               {"per_seed", numbers(model.per_seed)}}},
             {"accuracy", number(model.accuracy)},
             {"macro_f1", number(model.macro_f1)},
             {"log_loss", number(model.log_loss)},
             {"confusion", confusion_json(model.confusion)},
             {"p_permutation", model.permutation ? number(model.permutation->p) : json(nullptr)},
             {"permutations", model.permutation ? model.permutation->n : 0},
             {"permutation_null", numbers(model.permutation ? model.permutation->null : std::vector<double>{})},
             {"seconds", number(model.seconds)}};
  if (model.blocks_right) entry["by_block"] = {{"right", *model.blocks_right}, {"blocks", model.blocks}};
  if (model.honest_balanced_accuracy) entry["honest_balanced_accuracy"] = number(*model.honest_balanced_accuracy);
  return entry;
}

ModelScores read_model(const json& entry, bool is_baseline) {
  ModelScores model;
  model.name = entry.at("name");
  model.is_baseline = is_baseline;
  model.sample_unit = entry.at("sample_unit");
  model.samples = entry.at("samples");
  model.groups = entry.at("groups");
  model.group_unit = entry.at("group_unit");
  model.seeds = entry.at("seeds");
  const json& score = entry.at("balanced_accuracy");
  model.balanced_accuracy = real(score.at("mean"));
  model.sd_over_seeds = real(score.at("sd_over_seeds"));
  model.interval = {real(score.at("low")), real(score.at("high"))};
  model.per_fold = reals(score.at("per_fold"));
  model.per_seed = reals(score.at("per_seed"));
  model.accuracy = real(entry.at("accuracy"));
  model.macro_f1 = real(entry.at("macro_f1"));
  model.log_loss = real(entry.at("log_loss"));
  model.confusion = read_confusion(entry.at("confusion"));
  if (entry.at("permutations").get<int>() > 0) {
    model.permutation = PermutationResult{real(entry.at("p_permutation")), entry.at("permutations"),
                                          reals(entry.at("permutation_null"))};
  }
  model.seconds = real(entry.at("seconds"));
  if (entry.contains("by_block")) {
    model.blocks_right = real(entry.at("by_block").at("right"));
    model.blocks = entry.at("by_block").at("blocks");
  }
  if (entry.contains("honest_balanced_accuracy"))
    model.honest_balanced_accuracy = real(entry.at("honest_balanced_accuracy"));
  return model;
}

json to_json(const SplitRecord& split) {
  return {{"unit", split.unit},
          {"hash", split.hash},
          {"folds", split.folds},
          {"fold_names", split.fold_names},
          {"leaks", split.leaks},
          {"checks", split.checks},
          {"notes", split.notes},
          {"violations", split.violations},
          {"delay_s", numbers(split.delay_s)}};
}
SplitRecord read_split(const json& split) {
  return {split.at("unit"),       split.at("hash"),           split.at("folds"),
          split.at("leaks"),      split.at("checks"),         split.at("notes"),
          split.at("violations"), reals(split.at("delay_s")), split.at("fold_names")};
}

json to_json(const ScoreDifference& row) {
  return {{"first", row.first},
          {"second", row.second},
          {"difference", number(row.difference)},
          {"low", number(row.interval.low)},
          {"high", number(row.interval.high)},
          {"p", number(row.p)}};
}
ScoreDifference read_difference(const json& row) {
  return {row.at("first"),
          row.at("second"),
          real(row.at("difference")),
          {real(row.at("low")), real(row.at("high"))},
          real(row.at("p"))};
}

json to_json(const FaithfulnessRow& row) {
  return {{"model", row.model},
          {"method", row.method},
          {"samples", row.samples},
          {"gain_over_random", number(row.gain)},
          {"standard_error", number(row.standard_error)},
          {"fraction_deleted", numbers(row.fraction)},
          {"margin", numbers(row.margin)},
          {"margin_random", numbers(row.random)},
          {"completeness_residual", number(row.residual)}};
}
FaithfulnessRow read_faithfulness(const json& row) {
  FaithfulnessRow read;
  read.model = row.at("model");
  read.method = row.at("method");
  read.samples = row.at("samples");
  read.gain = real(row.at("gain_over_random"));
  read.standard_error = real(row.at("standard_error"));
  read.fraction = reals(row.at("fraction_deleted"));
  read.margin = reals(row.at("margin"));
  read.random = reals(row.at("margin_random"));
  read.residual = real(row.at("completeness_residual"));
  return read;
}

json to_json(const PeakRecord& peak) {
  return {{"t", number(peak.t)}, {"z", number(peak.z)}, {"voxel", peak.voxel}, {"ras_mm", peak.ras_mm}};
}
PeakRecord read_peak(const json& peak) {
  return {real(peak.at("t")), real(peak.at("z")), peak.at("voxel"), peak.at("ras_mm")};
}

json to_json(const ContrastRecord& row) {
  return {{"name", row.name},         {"formula", row.formula},
          {"subjects", row.subjects}, {"df", number(row.df)},
          {"max", to_json(row.max)},  {"min", to_json(row.min)},
          {"voxels", row.voxels},     {"voxels_z_above_3.1", row.voxels_above}};
}
ContrastRecord read_contrast(const json& row) {
  return {row.at("name"),           row.at("formula"),        row.at("subjects"), real(row.at("df")),
          read_peak(row.at("max")), read_peak(row.at("min")), row.at("voxels"),   row.at("voxels_z_above_3.1")};
}

json to_json(const SubjectRow& row) {
  return {{"subject", row.subject},
          {"runs", row.runs},
          {"volumes", row.volumes},
          {"blocks", row.blocks},
          {"samples", row.samples}};
}
SubjectRow read_subject(const json& row) {
  return {row.at("subject"), row.at("runs"), row.at("volumes"), row.at("blocks"), row.at("samples")};
}

json to_json(const DelayCurve& row) {
  return {{"fold", row.fold},
          {"delay_s", number(row.delay_s)},
          {"determined", row.determined},
          {"shifts_s", numbers(row.shifts_s)},
          {"mean_abs_correlation", numbers(row.mean_abs_correlation)}};
}
DelayCurve read_delay(const json& row) {
  return {row.at("fold"), real(row.at("delay_s")), row.at("determined"), reals(row.at("shifts_s")),
          reals(row.at("mean_abs_correlation"))};
}

json to_json(const TrainingCurves& curves) {
  json runs = json::array();
  for (const std::vector<double>& run : curves.runs) runs.push_back(numbers(run));
  return {{"model", curves.model}, {"quantity", curves.quantity}, {"runs", runs}};
}
TrainingCurves read_training(const json& curves) {
  TrainingCurves read{curves.at("model"), curves.at("quantity"), {}};
  for (const json& run : curves.at("runs")) read.runs.push_back(reals(run));
  return read;
}

json to_json(const MapRecord& map) {
  return {{"file", map.file}, {"name", map.name}, {"kind", map.kind}, {"label", map.label}, {"unit", map.unit}, {"fwhm_mm", map.fwhm_mm}};
}
MapRecord read_map(const json& map) {
  return {map.at("file"), map.at("name"), map.at("kind"), map.at("label"), map.at("unit"), map.at("fwhm_mm")};
}

json to_json(const DesignRecord& design) { return {{"run", design.run}, {"file", design.file}}; }
DesignRecord read_design(const json& design) { return {design.at("run"), design.at("file")}; }

json to_json(const MethodFacts& method) {
  return {{"preprocessing", method.preprocessing},
          {"sample_unit", method.sample_unit},
          {"delay_rule", method.delay_rule},
          {"features", method.features},
          {"glm", method.glm},
          {"attributions", method.attributions},
          {"bootstrap_draws", method.bootstrap_draws},
          {"bootstrap_groups", method.bootstrap_groups},
          {"permutations", method.permutations}};
}
MethodFacts read_method(const json& method) {
  MethodFacts read;
  read.preprocessing = method.at("preprocessing");
  read.sample_unit = method.at("sample_unit");
  read.delay_rule = method.at("delay_rule");
  read.features = method.at("features");
  read.glm = method.at("glm");
  read.attributions = method.at("attributions");
  read.bootstrap_draws = method.at("bootstrap_draws");
  read.bootstrap_groups = method.at("bootstrap_groups");
  read.permutations = method.at("permutations");
  return read;
}

MapAgreement read_agreement(const json& row) {
  MapAgreement read;
  read.label = row.at("label");
  read.first = row.at("first");
  read.second = row.at("second");
  read.part = row.at("part");
  read.fwhm_mm = real(row.at("fwhm_mm"));
  read.pearson = real(row.at("pearson"));
  read.spearman = real(row.at("spearman"));
  for (const double fraction : kTopFractions)
    read.dice.push_back(real(row.at("dice").at(fmt::format("top_{:g}", fraction))));
  read.features = row.at("features");
  return read;
}

template <class Rows>
json list_of(const Rows& rows) {
  json list = json::array();
  for (const auto& row : rows) list.push_back(to_json(row));
  return list;
}

template <class Row>
std::vector<Row> rows_of(const json& list, Row (*read)(const json&)) {
  std::vector<Row> rows;
  for (const json& row : list) rows.push_back(read(row));
  return rows;
}

Results results_of(const json& all) {
  Results read;
  read.command = all.at("command");
  read.dataset = all.at("dataset");
  read.title = all.at("title");
  read.task = all.at("task");
  read.space = all.at("space");
  read.subjects = all.at("subjects");
  read.failed_subjects = all.at("failed_subjects");
  read.subject_rows = rows_of(all.at("subject_rows"), read_subject);
  read.labels = all.at("labels");
  read.samples_by_label = all.at("samples_by_label").get<std::vector<std::int64_t>>();
  read.chance = real(all.at("chance"));
  read.split = read_split(all.at("split"));
  for (const json& entry : all.at("models")) read.models.push_back(read_model(entry, false));
  for (const json& entry : all.at("baselines")) read.models.push_back(read_model(entry, true));
  read.comparisons = rows_of(all.at("comparisons"), read_difference);
  read.agreement = rows_of(all.at("agreement"), read_agreement);
  read.faithfulness = rows_of(all.at("faithfulness"), read_faithfulness);
  read.contrasts = rows_of(all.at("contrasts"), read_contrast);
  read.delays = rows_of(all.at("delays"), read_delay);
  read.training = rows_of(all.at("training"), read_training);
  read.mean_images = all.at("mean_images");
  read.maps = rows_of(all.at("maps"), read_map);
  read.designs = rows_of(all.at("designs"), read_design);
  read.method = read_method(all.at("method"));
  for (const json& stage : all.at("stages")) read.seconds.emplace_back(stage, real(all.at("seconds").at(stage)));
  read.peak_memory_mb = real(all.at("peak_memory_mb"));
  read.warnings = all.at("warnings");
  read.files = all.at("files");
  return read;
}

Provenance provenance_of(const json& record) {
  Provenance read;
  read.command_line = record.at("command_line");
  read.version = record.at("version");
  read.git_revision = record.at("git_revision");
  read.seed = record.at("seed");
  read.threads = record.at("threads");
  read.created = record.at("created");
  read.configuration = record.at("configuration");
  for (const json& input : record.at("inputs")) {
    read.inputs.push_back(
        {input.at("path"), input.at("size_bytes"), input.at("modified_unix_s"), input.at("hash_xxh3_128")});
  }
  return read;
}

}  // namespace

json to_json(const MapAgreement& row) {
  json dice = json::object();
  for (std::size_t i = 0; i < row.dice.size(); ++i)
    dice[fmt::format("top_{:g}", kTopFractions[i])] = number(row.dice[i]);
  return {{"label", row.label},
          {"first", row.first},
          {"second", row.second},
          {"part", row.part},
          {"fwhm_mm", row.fwhm_mm},
          {"pearson", number(row.pearson)},
          {"spearman", number(row.spearman)},
          {"dice", dice},
          {"features", row.features}};
}

json to_json(const Results& results, const Provenance& provenance) {
  json models = json::array(), baselines = json::array();
  for (const ModelScores& model : results.models) (model.is_baseline ? baselines : models).push_back(to_json(model));
  json seconds = json::object(), stages = json::array();
  for (const auto& [stage, value] : results.seconds) {
    seconds[stage] = value;
    stages.push_back(stage);
  }
  return {{"schema", kResultsSchema},
          {"command", results.command},
          {"dataset", results.dataset},
          {"title", results.title},
          {"task", results.task},
          {"space", results.space},
          {"subjects", results.subjects},
          {"failed_subjects", results.failed_subjects},
          {"subject_rows", list_of(results.subject_rows)},
          {"labels", results.labels},
          {"samples_by_label", results.samples_by_label},
          {"chance", number(results.chance)},
          {"split", to_json(results.split)},
          {"models", models},
          {"baselines", baselines},
          {"comparisons", list_of(results.comparisons)},
          {"agreement", list_of(results.agreement)},
          {"faithfulness", list_of(results.faithfulness)},
          {"contrasts", list_of(results.contrasts)},
          {"delays", list_of(results.delays)},
          {"training", list_of(results.training)},
          {"mean_images", results.mean_images},
          {"maps", list_of(results.maps)},
          {"designs", list_of(results.designs)},
          {"method", to_json(results.method)},
          {"seconds", seconds},
          {"stages", stages},
          {"peak_memory_mb", results.peak_memory_mb},
          {"warnings", results.warnings},
          {"files", results.files},
          {"provenance", provenance.to_json()}};
}

StoredResults read_results(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "results.json";
  std::ifstream file(path);
  if (!file) {
    throw IoError(path,
                  "cannot be read; expected the output folder of a noema command that ended, such as noema decode");
  }
  try {
    const json all = json::parse(file);
    if (const int schema = all.at("schema"); schema != kResultsSchema) {
      throw FormatError(
          path, -1,
          fmt::format("has schema {}, expected {}; run the command again with this version", schema, kResultsSchema));
    }
    return {results_of(all), provenance_of(all.at("provenance"))};
  } catch (const json::exception& error) {
    throw FormatError(
        path, -1, fmt::format("is not what this version of noema writes ({}); run the command again", error.what()));
  }
}

}  // namespace noema
