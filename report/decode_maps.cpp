#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "noema/core/cancel.h"
#include "noema/report/brain.h"
#include "noema/report/decode_sections.h"
#include "noema/report/plots.h"
#include "noema/report/surface.h"

namespace noema {
namespace {

std::vector<std::string> labels_of_maps(const std::vector<ReportMap>& maps) {
  std::vector<std::string> labels;
  for (const ReportMap& map : maps)
    if (std::find(labels.begin(), labels.end(), map.label) == labels.end()) labels.push_back(map.label);
  return labels;
}

/// Slices where any of the maps has values, so that all are cut alike.
MosaicSlices common_slices(const DecodeReport& report, const Image& background) {
  std::vector<bool> content(static_cast<std::size_t>(background.header.grid.voxel_count()), false);
  for (const ReportMap& map : report.maps) {
    if (!map.image) continue;
    const std::vector<bool> has = content_of(*map.image);
    for (std::size_t v = 0; v < std::min(content.size(), has.size()); ++v)
      if (has[v]) content[v] = true;
  }
  return choose_slices(background, content);
}

/// Pictures of a single slice stand three in a row.
constexpr int kSingleWidth = 340;
bool is_single(const MosaicSlices& slices) {
  return slices.sagittal.empty() && slices.coronal.empty() && slices.axial.size() == 1;
}

std::string map_figure(const DecodeReport& report, const ReportMap& map, const MosaicSlices& slices) {
  check_cancelled();
  MosaicOptions options;
  options.title = map.name + (map.label.empty() ? "" : ", " + map.label);
  options.value_label = map.unit;
  options.show_top = report.map_top_fraction;
  if (is_single(slices)) options.width = kSingleWidth;
  return html_figure(brain_mosaic(*map.image, *report.mean_image, slices, options), map.name, map.kind);
}

bool is_on_surfaces(const DecodeReport& report) {
  return std::any_of(report.maps.begin(), report.maps.end(),
                     [](const ReportMap& map) { return map.image && map.image->header.grid.grayordinates != nullptr; });
}

std::string surface_figure(const DecodeReport& report, const ReportMap& map) {
  check_cancelled();
  MosaicOptions options;
  options.title = map.name + (map.label.empty() ? "" : ", " + map.label);
  options.value_label = map.unit;
  options.show_top = report.map_top_fraction;
  return html_figure(surface_mosaic(*map.image, report.surfaces, options), map.name, map.kind);
}

std::string surface_maps_section(const DecodeReport& report) {
  if (report.surfaces.empty()) {
    return html_paragraph(
        "The maps are of grayordinates; they are in the files listed below. Give meshes of the cortex "
        "(--surface L.surf.gii R.surf.gii) to see them here.");
  }
  std::string out = html_paragraph(
      "Maps on the cortex, in parallel projection from outside and from the middle; deep structures are not shown. "
      "Colours end at the 99.5th percentile of each map: blue below zero, red to yellow above; violet to yellow for "
      "maps without negative values; grey where there is no value.");
  for (const std::string& label : labels_of_maps(report.maps)) {
    std::vector<std::string> figures;
    for (const ReportMap& map : report.maps)
      if (map.label == label && map.image) figures.push_back(surface_figure(report, map));
    if (figures.empty()) continue;
    out += label.empty() ? "" : html_heading(label);
    out += html_columns(figures, 0);
  }
  return out;
}

}  // namespace

std::string maps_section(const DecodeReport& report) {
  if (is_on_surfaces(report)) return surface_maps_section(report);
  const bool any =
      std::any_of(report.maps.begin(), report.maps.end(), [](const ReportMap& m) { return m.image != nullptr; });
  if (!any || !report.mean_image) return {};
  const MosaicSlices slices = common_slices(report, *report.mean_image);
  std::string out = html_paragraph(
      fmt::format("Slices over the mean image; places in millimetres; the left hemisphere is on the left, the front is "
                  "on top or, in "
                  "sagittal slices, on the right. {}Colours end at the 99.5th percentile of each map: blue below zero, "
                  "red to yellow "
                  "above; violet to yellow for maps without negative values. Every map is cut at the same places.",
                  report.map_top_fraction < 1
                      ? fmt::format("Coloured is the {:.0f}% of each map's voxels with the largest absolute values. ",
                                    100 * report.map_top_fraction)
                      : ""));
  for (const std::string& label : labels_of_maps(report.maps)) {
    std::vector<std::string> figures;
    for (const ReportMap& map : report.maps)
      if (map.label == label && map.image) figures.push_back(map_figure(report, map, slices));
    if (figures.empty()) continue;
    out += label.empty() ? "" : html_heading(label);
    out += html_columns(figures, is_single(slices) ? kSingleWidth : 0);
  }
  return out;
}

namespace {

/// The second map, where all rows have the same.
std::string common_second(const DecodeReport& report) {
  const std::string& second = report.agreement.front().map_b;
  for (const AgreementRow& row : report.agreement) {
    if (row.map_b != second) return {};
  }
  return second;
}

/// Mean over labels of the Pearson correlation of each pair of maps and part, with one dot for each label.
std::string agreement_figure(const DecodeReport& report) {
  const std::string second = common_second(report);
  std::vector<ScoreRow> rows;
  for (const AgreementRow& row : report.agreement) {
    const std::string name = row.map_a + (second.empty() ? " – " + row.map_b : "") + " (" + row.part + ")";
    auto found = std::find_if(rows.begin(), rows.end(), [&](const ScoreRow& r) { return r.name == name; });
    if (found == rows.end()) {
      const int color = row.part == "absolute" ? 1 : row.part == "positive part" ? 2 : 0;
      found = rows.insert(rows.end(), ScoreRow{name, kMissing, kMissing, kMissing, {}, color});
    }
    found->dots.push_back(row.pearson);
  }
  for (ScoreRow& row : rows) {
    double sum = 0, count = 0;
    for (const double dot : row.dots)
      if (std::isfinite(dot)) sum += dot, count += 1;
    row.value = count > 0 ? sum / count : kMissing;
  }
  ScorePlotOptions options;
  options.title = "Agreement of maps";
  options.description = "One row for each pair of maps: mean Pearson correlation, and the single labels.";
  options.x_label = second.empty() ? "Pearson correlation" : "Pearson correlation with the " + second;
  options.low = 0;
  options.dot_name = "label";
  return html_figure(score_plot(rows, options), "",
                     "Mean over labels (large dot) and single labels (small dots). A relevance map (input × weight) "
                     "follows the square of a signed map, so it can agree with its absolute or positive part only.");
}

std::string agreement_table(const DecodeReport& report) {
  HtmlTable table;
  table.columns = {{"Map A"},          {"Map B"},         {"Label"},         {"Part"},          {"Pearson", true},
                   {"Spearman", true}, {"Dice 1%", true}, {"Dice 5%", true}, {"Dice 10%", true}};
  for (const AgreementRow& row : report.agreement)
    table.rows.push_back({row.map_a, row.map_b, row.label, row.part, format_number(row.pearson, 2),
                          format_number(row.spearman, 2), format_number(row.dice_1, 2), format_number(row.dice_5, 2),
                          format_number(row.dice_10, 2)});
  constexpr std::size_t kShown = 24;
  const std::string html = html_table(table);
  return table.rows.size() <= kShown ? html : html_details(fmt::format("All {} comparisons", table.rows.size()), html);
}

std::vector<double> shifted(const std::vector<double>& values, const std::vector<double>& by, double sign) {
  std::vector<double> out;
  for (std::size_t i = 0; i < std::min(values.size(), by.size()); ++i) out.push_back(values[i] + sign * by[i]);
  return out;
}

Curve deletion_curve(std::string name, const std::vector<double>& x, const std::vector<double>& y,
                     const std::vector<double>& error, int color) {
  return {std::move(name), x, y, shifted(y, error, -1), shifted(y, error, 1), color, false, color == 6};
}

std::string faithfulness_figure(const std::string& model, const std::vector<const FaithfulnessCurve*>& curves) {
  std::vector<Curve> lines;
  int color = 0;
  for (const FaithfulnessCurve* curve : curves) {
    lines.push_back(deletion_curve(curve->method, curve->fraction, curve->margin, curve->margin_error, color));
    color = color == 5 ? 7 : (color + 1) % 8;
  }
  const std::vector<double>* drawn = nullptr;  // methods of one model are often compared with the same random orders
  for (const FaithfulnessCurve* curve : curves) {
    if (drawn != nullptr && *drawn == curve->random) continue;
    drawn = &curve->random;
    lines.push_back(deletion_curve("random order", curve->fraction, curve->random, curve->random_error, 6));
  }
  CurvePlotOptions options;
  options.title = "Deletion curves of " + model;
  options.description = "The margin of the target as features are deleted, in the order of each map and at random.";
  options.x_label = "share of features deleted";
  options.y_label = "margin of the target";
  options.width = 540;
  options.height = 330;
  return html_figure(curve_plot(lines, options), model);
}

}  // namespace

std::string agreement_section(const DecodeReport& report) {
  if (report.agreement.empty()) return {};
  return html_paragraph(
             "How far two maps of the same label say the same, feature by feature. Dice is the overlap of the "
             "largest 1, 5 and 10% of the features; by chance it is 0.01, 0.05 and 0.10.") +
         agreement_figure(report) + agreement_table(report);
}

/// Two curve plots fit side by side.
constexpr int kCurveWidth = 500;

std::string faithfulness_section(const DecodeReport& report) {
  if (report.faithfulness.empty()) return {};
  std::map<std::string, std::vector<const FaithfulnessCurve*>> by_model;
  HtmlTable table;
  table.columns = {{"Model"},
                   {"Method"},
                   {"Area to random order", true},
                   {"Standard error", true},
                   {"Samples", true},
                   {"Completeness residual", true}};
  for (const FaithfulnessCurve& curve : report.faithfulness) {
    by_model[curve.model].push_back(&curve);
    table.rows.push_back({curve.model, curve.method, format_number(curve.area), format_number(curve.area_error),
                          format_count(curve.samples), format_number(curve.completeness_residual, 4)});
  }
  std::vector<std::string> figures;
  for (const auto& [model, curves] : by_model) figures.push_back(faithfulness_figure(model, curves));
  return html_paragraph(
             "Whether what a map calls important is what the model uses: features are set to zero, those that "
             "speak most for the target first, and the margin (the target's decision minus the mean of the "
             "others; 1 for the whole sample) is followed. The faster it falls below the random order, the "
             "more faithful the map.") +
         html_columns(figures, kCurveWidth) + html_table(table);
}

}  // namespace noema
