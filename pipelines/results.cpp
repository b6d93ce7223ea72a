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

Table contrasts_table(const std::vector<ContrastRecord>& rows) {
  std::vector<std::string> name, formula, voxel_max, voxel_min;
  std::vector<double> df, t_max, z_max, t_min, z_min, voxels, above;
  const auto place = [](const PeakRecord& peak) {
    return fmt::format("{},{},{}", peak.voxel[0], peak.voxel[1], peak.voxel[2]);
  };
  for (const ContrastRecord& row : rows) {
    name.push_back(row.name);
    formula.push_back(row.formula);
    df.push_back(row.df);
    t_max.push_back(row.max.t);
    z_max.push_back(row.max.z);
    voxel_max.push_back(place(row.max));
    t_min.push_back(row.min.t);
    z_min.push_back(row.min.z);
    voxel_min.push_back(place(row.min));
    voxels.push_back(static_cast<double>(row.voxels));
    above.push_back(static_cast<double>(row.voxels_above));
  }
  Table table;
  table.add("contrast", name);
  table.add("formula", formula);
  table.add("df", df);
  table.add("t_max", t_max);
  table.add("z_max", z_max);
  table.add("voxel_max", voxel_max);
  table.add("t_min", t_min);
  table.add("z_min", z_min);
  table.add("voxel_min", voxel_min);
  table.add("voxels", voxels);
  table.add("voxels_z_above_3.1", above);
  return table;
}

Table comparisons_table(const std::vector<ScoreDifference>& rows) {
  std::vector<std::string> first, second;
  std::vector<double> difference, low, high, p;
  for (const ScoreDifference& row : rows) {
    first.push_back(row.first);
    second.push_back(row.second);
    difference.push_back(row.difference);
    low.push_back(row.interval.low);
    high.push_back(row.interval.high);
    p.push_back(row.p);
  }
  Table table;
  table.add("first", first);
  table.add("second", second);
  table.add("difference", difference);
  table.add("low", low);
  table.add("high", high);
  table.add("p", p);
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

double peak_memory_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace noema
