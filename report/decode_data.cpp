#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/report/decode_sections.h"
#include "noema/report/matrix_plots.h"
#include "noema/report/plots.h"

namespace noema {
namespace {

std::string subjects_table(const DecodeReport& report) {
  HtmlTable table;
  table.caption = "Subjects";
  table.columns = {{"Subject"}, {"Runs", true}, {"Volumes", true}, {"Blocks", true}, {"Samples", true}};
  SubjectRow total;
  for (const SubjectRow& row : report.subjects) {
    table.rows.push_back({row.subject, format_count(row.runs), format_count(row.volumes), format_count(row.blocks),
                          format_count(row.samples)});
    total.runs += row.runs;
    total.volumes += row.volumes;
    total.blocks += row.blocks;
    total.samples += row.samples;
  }
  if (table.rows.size() > 1) {
    table.strong_rows.push_back(table.rows.size());
    table.rows.push_back({fmt::format("all {}", report.subjects.size()), format_count(total.runs),
                          format_count(total.volumes), format_count(total.blocks), format_count(total.samples)});
  }
  const std::string html = html_table(table);
  constexpr std::size_t kShown = 25;
  return report.subjects.size() <= kShown ? html
                                          : html_details(fmt::format("{} subjects", report.subjects.size()), html);
}

std::string labels_table(const DecodeReport& report) {
  HtmlTable table;
  table.caption = "Labels";
  const bool counted = report.samples_by_label.size() == report.labels.size();
  table.columns = {{"Label"}};
  if (counted) table.columns.push_back({"Samples", true});
  for (std::size_t l = 0; l < report.labels.size(); ++l) {
    table.rows.push_back({report.labels[l]});
    if (counted) table.rows.back().push_back(format_count(report.samples_by_label[l]));
  }
  return html_table(table);
}

std::string delay_html(const std::vector<DelayCurve>& delays) {
  if (delays.empty()) return {};
  std::vector<Curve> curves;
  HtmlTable table;
  table.columns = {{"Fold"}, {"Delay (s)", true}, {"Told by the data"}};
  double sum = 0, count = 0;
  for (const DelayCurve& delay : delays) {
    curves.push_back({"single folds", delay.shifts_s, delay.mean_abs_correlation, {}, {}, 0, true});
    table.rows.push_back({delay.fold, format_number(delay.delay_s, 1), delay.determined ? "yes" : "no"});
    if (std::isfinite(delay.delay_s)) sum += delay.delay_s, count += 1;
  }
  const std::vector<double>& shifts = delays.front().shifts_s;
  Curve mean{"mean of folds", shifts, std::vector<double>(shifts.size(), 0.0), {}, {}, 0};
  for (const DelayCurve& delay : delays)
    for (std::size_t s = 0; s < shifts.size(); ++s)
      mean.y[s] += (s < delay.mean_abs_correlation.size() ? delay.mean_abs_correlation[s] : kMissing) /
                   static_cast<double>(delays.size());
  curves.push_back(mean);
  CurvePlotOptions options;
  options.title = "Delay of the response";
  options.description = "Mean absolute correlation of the most responsive features with the events, by their shift.";
  options.x_label = "shift of the events (s)";
  options.y_label = "mean |correlation|";
  options.mark_x = count > 0 ? sum / count : kMissing;
  options.mark_label = fmt::format("{} s", format_number(options.mark_x, 1));
  return html_heading("Delay of the response") +
         html_columns(
             {html_figure(curve_plot(curves, options), "",
                          "Estimated on the training samples of each fold; the line marks the mean of the folds."),
              html_details("Delay by fold", html_table(table))});
}

/// The mean over runs that go so far.
std::vector<double> mean_of(const std::vector<std::vector<double>>& runs) {
  std::vector<double> mean;
  for (std::size_t epoch = 0;; ++epoch) {
    double sum = 0, count = 0;
    for (const std::vector<double>& run : runs)
      if (epoch < run.size()) sum += run[epoch], count += 1;
    if (count == 0) return mean;
    mean.push_back(sum / count);
  }
}

std::vector<double> count_from_one(std::size_t size) {
  std::vector<double> x;
  for (std::size_t i = 1; i <= size; ++i) x.push_back(static_cast<double>(i));
  return x;
}

}  // namespace

std::string data_section(const DecodeReport& report) {
  return html_columns({subjects_table(report), labels_table(report)}) + delay_html(report.delays);
}

std::string split_section(const DecodeReport& report) {
  const SplitFacts& split = report.split;
  std::string out = html_paragraph(split.description);
  if (!split.hash.empty()) out += html_paragraph("Fingerprint of the split: " + split.hash);
  if (!split.violations_allowed.empty())
    out += html_notice(Notice::warning, "Leakage that was allowed", html_list(split.violations_allowed));
  if (!split.checks.empty()) out += html_heading("Checked before training") + html_list(split.checks);
  if (!split.notes.empty()) out += html_heading("Notes") + html_list(split.notes);
  return out;
}

std::string training_section(const DecodeReport& report) {
  std::vector<std::string> figures;
  for (const TrainingCurves& training : report.training) {
    std::vector<Curve> curves;
    for (const std::vector<double>& run : training.runs)
      curves.push_back({"single folds", count_from_one(run.size()), run, {}, {}, 0, true});
    const std::vector<double> mean = mean_of(training.runs);
    if (training.runs.size() > 1) curves.push_back({"mean", count_from_one(mean.size()), mean, {}, {}, 0});
    CurvePlotOptions options;
    options.title = training.model + ": " + training.quantity;
    options.description = "One faint line for each fold, and their mean, by epoch.";
    options.x_label = "epoch";
    options.y_label = training.quantity;
    figures.push_back(html_figure(curve_plot(curves, options), options.title));
  }
  return html_columns(figures);
}

std::string design_section(const DecodeReport& report) {
  std::vector<std::string> figures;
  for (const DesignFigure& design : report.designs) {
    if (design.values.size() == 0) continue;
    figures.push_back(html_figure(design_plot(design.values, design.names, "Design matrix of " + design.run),
                                  design.run, "Each column is divided by its largest absolute value; zero is grey."));
  }
  return html_columns(figures);
}

}  // namespace noema
