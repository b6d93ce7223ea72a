#include "noema/pipelines/results_page.h"

#include <fmt/format.h>

#include <cmath>

#include "noema/core/error.h"
#include "noema/io/atomic_file.h"
#include "noema/io/nifti.h"
#include "noema/io/table.h"
#include "noema/pipelines/explain.h"
#include "noema/pipelines/results.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

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

noema::SplitFacts split_facts(const SplitRecord& record) {
  noema::SplitFacts facts;
  if (record.folds > 0) facts.description = split_sentence(record);
  facts.hash = record.hash;
  facts.fold_names = record.fold_names;
  facts.checks = record.checks;
  facts.notes = record.notes;
  facts.violations_allowed = record.violations;
  return facts;
}

std::vector<LeakComparison> leaks(const Results& results) {
  std::vector<LeakComparison> list;
  for (const ModelScores& model : results.models) {
    if (!model.honest_balanced_accuracy) continue;
    list.push_back({model.name, model.balanced_accuracy, *model.honest_balanced_accuracy,
                    fmt::format("{} shuffled into {} folds", model.sample_unit, results.split.folds)});
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

/// The mean of images of one grid; nothing without images.
std::shared_ptr<const Image> mean_image(const fs::path& folder, const std::vector<std::string>& files) {
  std::shared_ptr<Image> mean;
  for (const std::string& file : files) {
    Image image = read_image(folder / file);
    for (float& value : image.values) value /= static_cast<float>(files.size());
    if (!mean) {
      mean = std::make_shared<Image>(std::move(image));
      continue;
    }
    if (!same_grid(mean->header.grid, image.header.grid)) {
      throw ShapeError(fmt::format("'{}' has another grid than '{}'; run the command again", (folder / file).string(),
                                   (folder / files.front()).string()));
    }
    for (std::size_t v = 0; v < image.values.size(); ++v) mean->values[v] += image.values[v];
  }
  return mean;
}

std::vector<ReportMap> report_maps(const fs::path& folder, const std::vector<MapRecord>& records, const Image* mean) {
  std::vector<ReportMap> maps;
  for (const MapRecord& map : records) {
    auto image = std::make_shared<Image>(read_image(folder / map.file));
    if (map.fwhm_mm > 0 && mean) *image = smoothed_map(*image, mask_from_image(*mean), map.fwhm_mm);
    maps.push_back({map.name, map.kind, map.label, map.unit, image});
  }
  return maps;
}

DesignFigure design_figure(const fs::path& folder, const DesignRecord& record) {
  const Table table = read_table(folder / record.file);
  DesignFigure design{record.run, table.names, {}};
  design.values.resize(static_cast<Eigen::Index>(table.rows()), static_cast<Eigen::Index>(table.names.size()));
  for (std::size_t c = 0; c < table.names.size(); ++c) {
    const std::vector<double> column = table.numbers(table.names[c]);
    design.values.col(static_cast<Eigen::Index>(c)) =
        Eigen::Map<const Eigen::VectorXd>(column.data(), design.values.rows());
  }
  return design;
}

std::vector<ConnectomeFigure> connectome_figures(const fs::path& folder, const ConnectomeFacts& facts) {
  const Table regions = read_table(folder / facts.regions_file);
  const std::vector<double> x = regions.numbers("x_mm"), y = regions.numbers("y_mm"), z = regions.numbers("z_mm");
  std::vector<ConnectomeFigure> figures;
  for (const ConnectomeRecord& record : facts.matrices) {
    const Table table = read_table(folder / record.file);
    ConnectomeFigure figure{record.title, regions.column("name"), {}, {}};
    const auto size = static_cast<Eigen::Index>(figure.names.size());
    figure.values.resize(size, size);
    for (Eigen::Index r = 0; r < size; ++r) {
      const auto at = static_cast<std::size_t>(r);
      const std::vector<double> column = table.numbers(figure.names[at]);
      if (column.size() != figure.names.size()) {
        throw ShapeError(fmt::format("'{}': found {} rows, expected {} regions", (folder / record.file).string(),
                                     column.size(), size));
      }
      figure.values.col(r) = Eigen::Map<const Eigen::VectorXd>(column.data(), size);
      figure.ras_mm.push_back({x[at], y[at], z[at]});
    }
    figures.push_back(std::move(figure));
  }
  return figures;
}

WorkflowFigure workflow_figure(const fs::path& folder, const WorkflowFacts& facts) {
  WorkflowFigure figure{facts.toml, {}, {}};
  for (const LossRow& row : facts.losses) {
    figure.losses.push_back(
        {row.loss, row.weight, row.training_fixed, row.training_learned, row.held_out_fixed, row.held_out_learned});
  }
  for (const ResponseRecord& record : facts.responses) {
    const Table table = read_table(folder / record.file);
    figure.responses.push_back(
        {record.block, table.numbers("frequency_hz"), table.numbers("fixed"), table.numbers("learned")});
  }
  return figure;
}

std::vector<ContrastRow> contrast_rows(const std::vector<ContrastRecord>& records) {
  const auto peak = [](const PeakRecord& p) { return ContrastPeak{p.t, p.z, p.voxel, p.ras_mm}; };
  std::vector<ContrastRow> rows;
  for (const ContrastRecord& record : records) {
    rows.push_back({record.name, record.formula, record.df, peak(record.max), peak(record.min), record.voxels,
                    record.voxels_above});
  }
  return rows;
}

}  // namespace

DecodeReport results_page(const fs::path& folder, const fs::path& images) {
  const auto [results, provenance] = read_results(folder);
  DecodeReport report;
  report.title = results.title;
  report.dataset = results.dataset;
  report.task = results.task;
  report.space = results.space;
  report.subjects = results.subject_rows;
  report.labels = results.labels;
  report.samples_by_label = results.samples_by_label;
  report.chance = results.chance;
  for (const ModelScores& model : results.models) report.models.push_back(model_result(model));
  report.leaks = leaks(results);
  report.differences = stated(results);
  report.split = split_facts(results.split);
  report.delays = results.delays;
  report.training = results.training;
  report.mean_image = mean_image(images.empty() ? folder : images, results.mean_images);
  for (const std::string& file : results.surfaces) report.surfaces.push_back(read_surface(folder / file));
  report.maps = report_maps(folder, results.maps, report.mean_image.get());
  report.agreement = agreement_rows(results.agreement);
  report.faithfulness = faithfulness_curves(results.faithfulness);
  report.contrasts = contrast_rows(results.contrasts);
  for (const DesignRecord& design : results.designs) report.designs.push_back(design_figure(folder, design));
  if (results.connectome) report.connectomes = connectome_figures(folder, *results.connectome);
  if (results.workflow) report.workflow = workflow_figure(folder, *results.workflow);
  report.method = results.method;
  for (const auto& [message, count] : results.warnings) report.warnings.push_back({message, count});
  report.provenance = provenance;
  for (const std::string& file : results.files) report.files.emplace_back(file, "");
  report.seconds_by_stage = results.seconds;
  report.peak_memory_bytes = static_cast<std::uint64_t>(results.peak_memory_mb * 1024 * 1024);
  return report;
}

void write_report(const fs::path& folder, const fs::path& images) {
  write_file(folder / "report.html", decode_report_html(results_page(folder, images)));
}

}  // namespace noema
