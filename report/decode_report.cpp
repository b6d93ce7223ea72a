#include "noema/report/decode_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "noema/report/decode_sections.h"

namespace noema {
namespace {

/// "−", "s": "1 subject", "2 subjects".
std::string counted(std::int64_t count, const std::string& noun) {
  return fmt::format("{} {}{}", format_count(count), noun, count == 1 ? "" : "s");
}

std::string score_note(const ModelResult& model) {
  std::string note = model.name;
  if (std::isfinite(model.low) && std::isfinite(model.high))
    note += fmt::format(", 95% interval {} to {}", format_number(model.low), format_number(model.high));
  if (model.seeds > 1 && std::isfinite(model.sd_over_seeds))
    note += fmt::format(", SD {} over {} seeds", format_number(model.sd_over_seeds), model.seeds);
  if (std::isfinite(model.p_permutation)) {
    const std::string p = format_p(model.p_permutation);
    note += p.front() == '<' ? ", permutation p " + p : ", permutation p = " + p;
  }
  return note;
}

std::string subtitle(const DecodeReport& report) {
  std::vector<std::string> parts;
  if (!report.task.empty()) parts.push_back("task " + report.task);
  if (!report.space.empty()) parts.push_back("space " + report.space);
  if (!report.subjects.empty()) parts.push_back(counted(static_cast<std::int64_t>(report.subjects.size()), "subject"));
  if (!report.labels.empty()) parts.push_back(counted(static_cast<std::int64_t>(report.labels.size()), "label"));
  return fmt::format("{}", fmt::join(parts, " · "));
}

}  // namespace

const ModelResult* best_of(const std::vector<ModelResult>& models, bool baseline) {
  const ModelResult* best = nullptr;
  for (const ModelResult& model : models) {
    if (model.is_baseline != baseline || !std::isfinite(model.balanced_accuracy)) continue;
    if (best == nullptr || model.balanced_accuracy > best->balanced_accuracy) best = &model;
  }
  return best;
}

std::vector<HtmlCard> headline_cards(const DecodeReport& report) {
  std::vector<HtmlCard> cards;
  const ModelResult* decoder = best_of(report.models, false);
  const ModelResult* baseline = best_of(report.models, true);
  if (decoder != nullptr)
    cards.push_back(
        {"Best decoder, balanced accuracy", format_number(decoder->balanced_accuracy), score_note(*decoder)});
  if (baseline != nullptr)
    cards.push_back(
        {"Best baseline, balanced accuracy", format_number(baseline->balanced_accuracy), score_note(*baseline)});
  if (std::isfinite(report.chance) && !report.models.empty()) {
    const std::string note = report.labels.empty()
                                 ? "balanced accuracy"
                                 : "balanced accuracy of guessing among " +
                                       counted(static_cast<std::int64_t>(report.labels.size()), "label");
    cards.push_back({"Chance", format_number(report.chance), note});
  }
  if (!report.differences.empty()) {
    const ModelDifference& d = report.differences.front();
    const std::string sign = d.difference > 0 ? "+" : "";
    std::string note = d.first + " minus " + d.second;
    if (std::isfinite(d.low) && std::isfinite(d.high))
      note += fmt::format(", 95% interval {} to {}", format_number(d.low), format_number(d.high));
    if (std::isfinite(d.p)) note += (d.p < 0.001 ? ", p " : ", p = ") + format_p(d.p);
    if (std::isfinite(d.difference)) cards.push_back({"Difference", sign + format_number(d.difference), note});
  }
  if (!report.models.empty()) return cards;
  constexpr std::size_t kMostCards = 4;
  for (const ContrastRow& row : report.contrasts) {
    if (cards.size() == kMostCards) break;
    cards.push_back({row.name + ", largest t", format_number(row.max.t, 2), row.formula});
  }
  for (const AgreementRow& row : report.agreement) {
    if (cards.size() == kMostCards) break;
    cards.push_back({"Pearson correlation, " + row.part, format_number(row.pearson), row.map_a + " – " + row.map_b});
  }
  return cards;
}

std::string warnings_html(const DecodeReport& report) {
  std::vector<std::string> items;
  std::int64_t total = 0;
  if (!report.delay_warning.empty()) items.push_back(report.delay_warning);
  for (const WarningCollector::Entry& entry : report.warnings) {
    items.push_back(entry.count > 1 ? fmt::format("{} ({} times)", entry.message, entry.count) : entry.message);
    total += entry.count;
  }
  if (items.empty()) return {};
  constexpr std::size_t kShown = 3;
  std::string content =
      html_list({items.begin(), items.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, items.size()))});
  if (items.size() > kShown)
    content +=
        html_details(fmt::format("{} more", items.size() - kShown), html_list({items.begin() + kShown, items.end()}));
  return html_notice(Notice::warning, counted(total + (report.delay_warning.empty() ? 0 : 1), "warning"), content);
}

std::string decode_report_html(const DecodeReport& report) {
  HtmlPage page;
  page.title = !report.title.empty()    ? report.title
               : report.dataset.empty() ? "Decoding report"
                                        : "Decoding of " + report.dataset;
  page.subtitle = subtitle(report);
  page.cards = headline_cards(report);
  page.sections = {
      {"Scores", warnings_html(report) + scores_section(report)},
      {"Confusion", confusion_section(report)},
      {"Workflow", workflow_section(report)},
      {"Connectivity", connectome_section(report)},
      {"Contrasts", contrasts_section(report)},
      {"Maps", maps_section(report)},
      {"Agreement", agreement_section(report)},
      {"Faithfulness", faithfulness_section(report)},
      {"Training", training_section(report)},
      {"Data", data_section(report)},
      {"Split", split_section(report)},
      {"Design", design_section(report)},
      {"Methods", methods_section(report)},
      {"Provenance", provenance_section(report)},
  };
  if (!report.provenance.version.empty())
    page.footer = fmt::format("Made by noema {}{}{}.", report.provenance.version,
                              report.provenance.git_revision.empty() ? "" : " (" + report.provenance.git_revision + ")",
                              report.provenance.created.empty() ? "" : " on " + report.provenance.created);
  return html_page(page);
}

}  // namespace noema
