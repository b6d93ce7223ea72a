#include <fmt/format.h>

#include "noema/report/decode_sections.h"
#include "noema/report/plots.h"

namespace noema {
namespace {

std::string losses_table(const std::vector<WorkflowLoss>& losses) {
  HtmlTable table;
  table.caption =
      "Losses, with everything fixed and learned: the held-out data tell what learning brought; "
      "where they also chose the epoch (patience), they flatter it";
  table.columns = {{"Loss"},
                   {"Weight", true},
                   {"Training, fixed", true},
                   {"Training, learned", true},
                   {"Held out, fixed", true},
                   {"Held out, learned", true}};
  for (const WorkflowLoss& loss : losses) {
    table.rows.push_back({loss.name, format_number(loss.weight), format_number(loss.training_fixed, 4),
                          format_number(loss.training_learned, 4), format_number(loss.held_out_fixed, 4),
                          format_number(loss.held_out_learned, 4)});
  }
  if (!table.rows.empty()) table.strong_rows = {table.rows.size() - 1};
  return html_table(table);
}

std::string response_figure(const FilterResponse& response) {
  CurvePlotOptions options;
  options.title = "Amplitudes of " + response.block;
  options.description = "What the filter lets through at each frequency, as it began and as it was learned.";
  options.x_label = "frequency (Hz)";
  options.y_label = "amplitude";
  return html_figure(curve_plot({{"fixed", response.frequency_hz, response.fixed},
                                 {"learned", response.frequency_hz, response.learned}},
                                options),
                     options.title);
}

}  // namespace

std::string workflow_section(const DecodeReport& report) {
  const WorkflowFigure& workflow = report.workflow;
  if (workflow.losses.empty()) return {};
  std::vector<std::string> figures;
  for (const FilterResponse& response : workflow.responses) figures.push_back(response_figure(response));
  return losses_table(workflow.losses) + html_columns(figures) +
         html_details("The workflow as it was declared", html_code(workflow.toml));
}

}  // namespace noema
