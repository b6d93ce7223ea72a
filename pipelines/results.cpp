#include "noema/pipelines/results.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "noema/interpret/agreement.h"
#include "noema/io/atomic_file.h"
#include "noema/io/table.h"

namespace noema {
namespace {

/// One value of each row.
template <class Row, class Get>
auto column(const std::vector<Row>& rows, Get get) {
  std::vector<std::decay_t<std::invoke_result_t<Get, const Row&>>> values;
  for (const Row& row : rows) values.push_back(std::invoke(get, row));
  return values;
}

Table models_table(const std::vector<ModelScores>& models) {
  using M = ModelScores;
  Table table;
  table.add("model", column(models, &M::name));
  table.add("role", column(models, [](const M& m) -> std::string { return m.is_baseline ? "baseline" : "model"; }));
  table.add("sample_unit", column(models, &M::sample_unit));
  table.add("samples", column(models, [](const M& m) { return static_cast<double>(m.samples); }));
  table.add("balanced_accuracy", column(models, &M::balanced_accuracy));
  table.add("low", column(models, [](const M& m) { return m.interval.low; }));
  table.add("high", column(models, [](const M& m) { return m.interval.high; }));
  table.add("sd_over_seeds", column(models, &M::sd_over_seeds));
  table.add("accuracy", column(models, &M::accuracy));
  table.add("macro_f1", column(models, &M::macro_f1));
  table.add("log_loss", column(models, &M::log_loss));
  table.add("p_permutation",
            column(models, [](const M& m) { return m.permutation ? m.permutation->p : std::nan(""); }));
  table.add("permutations", column(models, [](const M& m) { return m.permutation ? double(m.permutation->n) : 0; }));
  table.add("seconds", column(models, &M::seconds), 4);
  return table;
}

Table agreement_table(const std::vector<MapAgreement>& rows) {
  using M = MapAgreement;
  Table table;
  table.add("label", column(rows, &M::label));
  table.add("first", column(rows, &M::first));
  table.add("second", column(rows, &M::second));
  table.add("part", column(rows, &M::part));
  table.add("fwhm_mm", column(rows, &M::fwhm_mm));
  table.add("pearson", column(rows, &M::pearson));
  table.add("spearman", column(rows, &M::spearman));
  for (std::size_t i = 0; i < std::size(kTopFractions); ++i) {
    table.add(fmt::format("dice_top_{:g}", kTopFractions[i]),
              column(rows, [i](const M& row) { return row.dice.at(i); }));
  }
  return table;
}

/// One row for each point of each curve.
Table faithfulness_table(const std::vector<FaithfulnessRow>& rows) {
  std::vector<std::string> model, method;
  std::vector<double> fraction, margin, random;
  for (const FaithfulnessRow& row : rows) {
    model.insert(model.end(), row.fraction.size(), row.model);
    method.insert(method.end(), row.fraction.size(), row.method);
    fraction.insert(fraction.end(), row.fraction.begin(), row.fraction.end());
    margin.insert(margin.end(), row.margin.begin(), row.margin.end());
    random.insert(random.end(), row.random.begin(), row.random.end());
  }
  Table table;
  table.add("model", model);
  table.add("method", method);
  table.add("fraction_deleted", fraction);
  table.add("margin", margin);
  table.add("margin_random", random);
  return table;
}

Table contrasts_table(const std::vector<ContrastRecord>& rows) {
  using C = ContrastRecord;
  const auto place = [](const PeakRecord& peak) {
    return fmt::format("{},{},{}", peak.voxel[0], peak.voxel[1], peak.voxel[2]);
  };
  Table table;
  table.add("contrast", column(rows, &C::name));
  table.add("formula", column(rows, &C::formula));
  table.add("statistic", column(rows, &C::statistic));
  table.add("df", column(rows, &C::df));
  table.add("t_max", column(rows, [](const C& row) { return row.max.t; }));
  table.add("z_max", column(rows, [](const C& row) { return row.max.z; }));
  table.add("voxel_max", column(rows, [&](const C& row) { return place(row.max); }));
  table.add("t_min", column(rows, [](const C& row) { return row.min.t; }));
  table.add("z_min", column(rows, [](const C& row) { return row.min.z; }));
  table.add("voxel_min", column(rows, [&](const C& row) { return place(row.min); }));
  table.add("voxels", column(rows, [](const C& row) { return static_cast<double>(row.voxels); }));
  table.add("voxels_z_above_3.1", column(rows, [](const C& row) { return static_cast<double>(row.voxels_above); }));
  return table;
}

Table comparisons_table(const std::vector<ScoreDifference>& rows) {
  using D = ScoreDifference;
  Table table;
  table.add("first", column(rows, &D::first));
  table.add("second", column(rows, &D::second));
  table.add("difference", column(rows, &D::difference));
  table.add("low", column(rows, [](const D& row) { return row.interval.low; }));
  table.add("high", column(rows, [](const D& row) { return row.interval.high; }));
  table.add("p", column(rows, &D::p));
  return table;
}

}  // namespace

void write_results(const std::filesystem::path& folder, Results& results, const Provenance& provenance) {
  const auto write = [&](const char* name, const Table& table) {
    write_table(folder / name, table);
    results.files.emplace_back(name);
  };
  if (!results.models.empty()) write("models.tsv", models_table(results.models));
  if (!results.comparisons.empty()) write("comparisons.tsv", comparisons_table(results.comparisons));
  if (!results.agreement.empty()) write("agreement.tsv", agreement_table(results.agreement));
  if (!results.faithfulness.empty()) write("faithfulness.tsv", faithfulness_table(results.faithfulness));
  if (!results.contrasts.empty()) write("contrasts.tsv", contrasts_table(results.contrasts));
  results.files.emplace_back("results.json");
  write_file(folder / "results.json", to_json(results, provenance).dump(1) + "\n");
}

}  // namespace noema
