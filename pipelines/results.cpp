#include "noema/pipelines/results.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "noema/interpret/agreement.h"
#include "noema/io/atomic_file.h"
#include "noema/io/table.h"

namespace noema {
namespace {

using nlohmann::json;

/// JSON has no NaN: what is not known is null.
json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json numbers(const std::vector<double>& values) {
  json list = json::array();
  for (const double value : values) list.push_back(number(value));
  return list;
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
             {"seconds", number(model.seconds)}};
  if (model.blocks_right) entry["by_block"] = {{"right", *model.blocks_right}, {"blocks", model.blocks}};
  if (model.honest_balanced_accuracy) entry["honest_balanced_accuracy"] = number(*model.honest_balanced_accuracy);
  return entry;
}

json to_json(const SplitRecord& split) {
  return {{"unit", split.unit},
          {"hash", split.hash},
          {"folds", split.folds},
          {"leaks", split.leaks},
          {"checks", split.checks},
          {"notes", split.notes},
          {"violations", split.violations},
          {"delay_s", numbers(split.delay_s)}};
}

json to_json(const ScoreDifference& row) {
  return {{"first", row.first},
          {"second", row.second},
          {"difference", number(row.difference)},
          {"low", number(row.interval.low)},
          {"high", number(row.interval.high)},
          {"p", number(row.p)}};
}

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

template <class Rows>
json list_of(const Rows& rows) {
  json list = json::array();
  for (const auto& row : rows) list.push_back(to_json(row));
  return list;
}

Table models_table(const std::vector<ModelScores>& models) {
  std::vector<std::string> name, role, unit;
  std::vector<double> samples, accuracy, low, high, sd, plain, f1, loss, p, n, seconds;
  for (const ModelScores& model : models) {
    name.push_back(model.name);
    role.push_back(model.is_baseline ? "baseline" : "model");
    unit.push_back(model.sample_unit);
    samples.push_back(static_cast<double>(model.samples));
    accuracy.push_back(model.balanced_accuracy);
    low.push_back(model.interval.low);
    high.push_back(model.interval.high);
    sd.push_back(model.sd_over_seeds);
    plain.push_back(model.accuracy);
    f1.push_back(model.macro_f1);
    loss.push_back(model.log_loss);
    p.push_back(model.permutation ? model.permutation->p : std::nan(""));
    n.push_back(model.permutation ? model.permutation->n : 0);
    seconds.push_back(model.seconds);
  }
  Table table;
  table.add("model", name);
  table.add("role", role);
  table.add("sample_unit", unit);
  table.add("samples", samples);
  table.add("balanced_accuracy", accuracy);
  table.add("low", low);
  table.add("high", high);
  table.add("sd_over_seeds", sd);
  table.add("accuracy", plain);
  table.add("macro_f1", f1);
  table.add("log_loss", loss);
  table.add("p_permutation", p);
  table.add("permutations", n);
  table.add("seconds", seconds, 4);
  return table;
}

Table agreement_table(const std::vector<MapAgreement>& rows) {
  std::vector<std::string> label, first, second, part;
  std::vector<double> fwhm, pearson, spearman;
  std::vector<std::vector<double>> dice(std::size(kTopFractions));
  for (const MapAgreement& row : rows) {
    label.push_back(row.label);
    first.push_back(row.first);
    second.push_back(row.second);
    part.push_back(row.part);
    fwhm.push_back(row.fwhm_mm);
    pearson.push_back(row.pearson);
    spearman.push_back(row.spearman);
    for (std::size_t i = 0; i < dice.size(); ++i) dice[i].push_back(row.dice.at(i));
  }
  Table table;
  table.add("label", label);
  table.add("first", first);
  table.add("second", second);
  table.add("part", part);
  table.add("fwhm_mm", fwhm);
  table.add("pearson", pearson);
  table.add("spearman", spearman);
  for (std::size_t i = 0; i < dice.size(); ++i) table.add(fmt::format("dice_top_{:g}", kTopFractions[i]), dice[i]);
  return table;
}

Table faithfulness_table(const std::vector<FaithfulnessRow>& rows) {
  std::vector<std::string> model, method;
  std::vector<double> fraction, margin, random;
  for (const FaithfulnessRow& row : rows) {
    for (std::size_t i = 0; i < row.fraction.size(); ++i) {
      model.push_back(row.model);
      method.push_back(row.method);
      fraction.push_back(row.fraction[i]);
      margin.push_back(row.margin[i]);
      random.push_back(row.random[i]);
    }
  }
  Table table;
  table.add("model", model);
  table.add("method", method);
  table.add("fraction_deleted", fraction);
  table.add("margin", margin);
  table.add("margin_random", random);
  return table;
}

}  // namespace

json to_json(const Results& results, const json& provenance) {
  json models = json::array(), baselines = json::array();
  for (const ModelScores& model : results.models) (model.is_baseline ? baselines : models).push_back(to_json(model));
  json seconds = json::object();
  for (const auto& [stage, value] : results.seconds) seconds[stage] = value;
  return {{"schema", kResultsSchema},
          {"command", results.command},
          {"dataset", results.dataset},
          {"subjects", results.subjects},
          {"failed_subjects", results.failed_subjects},
          {"labels", results.labels},
          {"chance", results.chance},
          {"split", to_json(results.split)},
          {"models", models},
          {"baselines", baselines},
          {"comparisons", list_of(results.comparisons)},
          {"agreement", list_of(results.agreement)},
          {"faithfulness", list_of(results.faithfulness)},
          {"seconds", seconds},
          {"peak_memory_mb", results.peak_memory_mb},
          {"warnings", results.warnings},
          {"files", results.files},
          {"provenance", provenance}};
}

void write_results(const std::filesystem::path& folder, Results& results, const json& provenance) {
  const auto write = [&](const char* name, const Table& table) {
    write_table(folder / name, table);
    results.files.emplace_back(name);
  };
  if (!results.models.empty()) write("models.tsv", models_table(results.models));
  if (!results.agreement.empty()) write("agreement.tsv", agreement_table(results.agreement));
  if (!results.faithfulness.empty()) write("faithfulness.tsv", faithfulness_table(results.faithfulness));
  results.files.emplace_back("results.json");
  write_file(folder / "results.json", to_json(results, provenance).dump(1) + "\n");
}

double peak_memory_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace noema
