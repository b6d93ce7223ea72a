#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/report/decode_sections.h"
#include "noema/report/matrix_plots.h"
#include "noema/report/plots.h"

namespace noema {
namespace {

constexpr int kDecoderColor = 0;
constexpr int kBaselineColor = 6;

std::string interval_text(double low, double high) {
  if (!std::isfinite(low) || !std::isfinite(high)) return "–";
  return format_number(low) + " to " + format_number(high);
}

/// Decoders first, each kind from the best down.
std::vector<const ModelResult*> ranked(const std::vector<ModelResult>& models) {
  std::vector<const ModelResult*> order;
  for (const ModelResult& model : models) order.push_back(&model);
  const auto score = [](const ModelResult* model) {
    return std::isfinite(model->balanced_accuracy) ? model->balanced_accuracy : -1.0;
  };
  std::stable_sort(order.begin(), order.end(), [&](const ModelResult* a, const ModelResult* b) {
    return a->is_baseline != b->is_baseline ? !a->is_baseline : score(a) > score(b);
  });
  return order;
}

std::string scores_figure(const DecodeReport& report, const std::vector<const ModelResult*>& models) {
  std::vector<ScoreRow> rows;
  for (const ModelResult* model : models)
    rows.push_back({model->name, model->balanced_accuracy, model->low, model->high, model->per_fold,
                    model->is_baseline ? kBaselineColor : kDecoderColor});
  ScorePlotOptions options;
  options.title = "Balanced accuracy of every model";
  options.description = "One row for each model: mean, 95% interval, and the single folds, with chance.";
  options.x_label = "balanced accuracy";
  options.chance = report.chance;
  return html_figure(score_plot(rows, options), "",
                     "Balanced accuracy over all test samples (large dot) with its 95% interval (bar) and single folds "
                     "(small dots). Blue: decoders; grey: baselines; dashed: chance.");
}

std::string scores_table(const std::vector<const ModelResult*>& models) {
  HtmlTable table;
  table.columns = {{"Model"},
                   {"Role"},
                   {"Samples", true},
                   {"Balanced accuracy", true},
                   {"SD (seeds)", true},
                   {"95% interval", true},
                   {"Accuracy", true},
                   {"Macro F1", true},
                   {"Log-loss", true},
                   {"p (permutations)", true}};
  for (const ModelResult* m : models) {
    if (table.strong_rows.empty() || (m->is_baseline && !models[table.strong_rows.back()]->is_baseline))
      table.strong_rows.push_back(table.rows.size());  // the best decoder and the best baseline
    table.rows.push_back({m->name, m->is_baseline ? "baseline" : "decoder", format_count(m->samples),
                          format_number(m->balanced_accuracy),
                          m->seeds > 1 ? fmt::format("{} ({})", format_number(m->sd_over_seeds), m->seeds) : "–",
                          interval_text(m->low, m->high), format_number(m->accuracy), format_number(m->macro_f1),
                          format_number(m->log_loss),
                          m->null.empty() ? format_p(m->p_permutation)
                                          : fmt::format("{} ({})", format_p(m->p_permutation), m->null.size())});
  }
  return html_table(table);
}

std::string differences_table(const DecodeReport& report) {
  HtmlTable table;
  table.columns = {{"Comparison"}, {"Difference", true}, {"95% interval", true}, {"p", true}};
  for (const ModelDifference& d : report.differences)
    table.rows.push_back(
        {d.first + " − " + d.second, format_number(d.difference), interval_text(d.low, d.high), format_p(d.p)});
  if (table.rows.empty()) return {};
  return html_heading("Differences on the same samples") + html_table(table);
}

std::string folds_table(const DecodeReport& report, const std::vector<const ModelResult*>& models) {
  std::size_t folds = 0;
  HtmlTable table;
  table.columns = {{"Fold"}};
  for (const ModelResult* model : models) {
    folds = std::max(folds, model->per_fold.size());
    table.columns.push_back({model->name, true});
  }
  for (std::size_t f = 0; f < folds; ++f) {
    const auto& names = report.split.fold_names;
    std::vector<std::string> row{f < names.size() ? names[f] : fmt::format("{}", f + 1)};
    for (const ModelResult* model : models)
      row.push_back(f < model->per_fold.size() ? format_number(model->per_fold[f]) : "–");
    table.rows.push_back(row);
  }
  return html_details("Balanced accuracy by fold", html_table(table));
}

std::string permutation_figures(const std::vector<const ModelResult*>& models) {
  std::vector<std::string> figures;
  for (const ModelResult* model : models) {
    HistogramOptions options;
    options.title = "Permutation null of " + model->name;
    options.description = "Histogram of balanced accuracies with permuted labels, and the observed one.";
    options.x_label = "balanced accuracy";
    figures.push_back(
        html_figure(null_histogram(model->null, model->balanced_accuracy, options), model->name,
                    fmt::format("{} permutations of the labels, p {}{}.", model->null.size(),
                                model->p_permutation < 0.001 ? "" : "= ", format_p(model->p_permutation))));
  }
  const std::string columns = html_columns(figures);
  return columns.empty() ? columns : html_heading("Permutation tests") + columns;
}

std::string leaks_html(const DecodeReport& report) {
  if (report.leaks.empty()) return {};
  HtmlTable table;
  table.columns = {{"Model"}, {"Leaking split"}, {"Leaking", true}, {"Honest", true}, {"Inflation", true}};
  for (const LeakComparison& leak : report.leaks)
    table.rows.push_back({leak.model, leak.leaking_split, format_number(leak.leaking), format_number(leak.honest),
                          format_number(leak.leaking - leak.honest)});
  return html_notice(
      Notice::warning, "Leaking and honest scores",
      html_paragraph("The leaking split lets test data be seen in training; its scores say nothing about "
                     "new data and stand here only beside the honest ones.") +
          html_table(table));
}

}  // namespace

std::string scores_section(const DecodeReport& report) {
  if (report.models.empty()) return leaks_html(report);
  const std::vector<const ModelResult*> models = ranked(report.models);
  return leaks_html(report) + scores_figure(report, models) + scores_table(models) + folds_table(report, models) +
         differences_table(report) + permutation_figures(models);
}

std::string confusion_section(const DecodeReport& report) {
  std::vector<const ModelResult*> models = ranked(report.models);
  const ModelResult* shown[] = {best_of(report.models, false), best_of(report.models, true)};
  std::stable_partition(models.begin(), models.end(),
                        [&](const ModelResult* model) { return model == shown[0] || model == shown[1]; });
  std::vector<std::string> first, more;
  for (const ModelResult* model : models) {
    if (model->confusion.size() == 0) continue;
    const std::string svg = confusion_plot(model->confusion, report.labels, "Confusion matrix of " + model->name);
    (first.size() < 2 ? first : more)
        .push_back(html_figure(svg, model->name + (model->is_baseline ? " (baseline)" : "")));
  }
  if (first.empty()) return {};
  return html_paragraph(
             "Counts of test samples over all folds (networks: of the middle one of their seeds). The colour is the "
             "share of the row: of all samples "
             "with this true label.") +
         html_columns(first) + html_details(fmt::format("{} more", more.size()), html_columns(more));
}

}  // namespace noema
