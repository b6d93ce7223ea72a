#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "noema/report/decode_sections.h"
#include "noema/report/methods.h"

namespace noema {
namespace {

std::string join_sentences(const std::vector<std::string>& sentences) {
  return fmt::format("{}", fmt::join(sentences, " "));
}

std::string samples_text(const DecodeReport& report) {
  const MethodFacts& m = report.method;
  std::vector<std::string> sentences;
  if (m.sample_unit == "block")
    sentences.push_back("A sample is a block: a maximal series of events of one label.");
  else if (m.sample_unit == "volume")
    sentences.push_back("A sample is a single volume.");
  else if (!m.sample_unit.empty())
    sentences.push_back("A sample is: " + m.sample_unit + ".");
  if (m.delay_rule == "estimated")
    sentences.push_back(
        "The delay of the blood response was estimated inside each training fold, as the shift of all events (0 to 8 "
        "s) "
        "with the largest mean absolute correlation with the 2% most correlated features.");
  else if (m.delay_rule == "declared")
    sentences.push_back("The delay of the blood response was declared.");
  else if (m.delay_rule == "hcp")
    sentences.push_back(
        "An event labels the volumes that begin from one repetition time after its onset to two after its end, with no "
        "other allowance for the delay of the blood response; where two events meet in a volume, the later one has it "
        "[Thomas 2023].");
  else if (m.delay_rule == "hrf")
    sentences.push_back("Volumes were weighted by the events convolved with a haemodynamic response function.");
  if (!report.split.description.empty()) sentences.push_back(report.split.description);
  return join_sentences(sentences);
}

std::string evaluation_text(const DecodeReport& report) {
  const MethodFacts& m = report.method;
  std::vector<std::string> sentences;
  if (!report.models.empty())
    sentences.push_back("Balanced accuracy is the mean of the recalls of the labels [Brodersen 2010].");
  if (m.bootstrap_draws > 0)
    sentences.push_back(fmt::format("Intervals hold 95% of {} bootstrap draws{} [Efron 1979].", m.bootstrap_draws,
                                    m.bootstrap_groups.empty() ? "" : " of " + m.bootstrap_groups));
  if (m.permutations > 0)
    sentences.push_back(
        fmt::format("Permutation tests exchange the labels of whole blocks within runs and repeat the "
                    "whole cross-validation {} times; p = (1 + k) / (1 + n) [Phipson 2010].",
                    m.permutations));
  return join_sentences(sentences);
}

std::string maps_html(const DecodeReport& report) {
  std::vector<std::string> methods, sentences;
  for (const std::string& method : report.method.attributions) methods.push_back(attribution_sentence(method));
  if (!report.agreement.empty())
    sentences.push_back(
        "Maps are compared by Pearson and Spearman correlation and by the Dice overlap of their largest "
        "values [Dice 1945], as signed maps, absolute values or positive parts.");
  if (!report.faithfulness.empty())
    sentences.push_back(
        "Faithfulness is measured by deletion curves of single samples against random orders [Samek 2017].");
  return html_list(methods) + html_paragraph(join_sentences(sentences));
}

std::string models_html(const DecodeReport& report) {
  std::vector<std::string> sentences;
  std::set<std::string> told;
  for (const ModelResult& model : report.models) {
    const std::string sentence = model_sentence(model.name);
    if (!sentence.empty() && told.insert(sentence).second) sentences.push_back(sentence);
  }
  return html_paragraph(join_sentences(report.method.features)) + html_list(sentences);
}

std::string bytes_text(std::uint64_t bytes) {
  const double mebi = static_cast<double>(bytes) / (1024.0 * 1024.0);
  return mebi >= 1024 ? format_number(mebi / 1024, 2) + " GiB" : format_number(mebi, 0) + " MiB";
}

std::string duration_text(double seconds) {
  if (seconds >= 5400) return format_number(seconds / 3600, 1) + " h";
  return seconds >= 120 ? format_number(seconds / 60, 1) + " min" : format_number(seconds, seconds < 10 ? 2 : 1) + " s";
}

std::string run_table(const DecodeReport& report) {
  const Provenance& p = report.provenance;
  HtmlTable table;
  table.columns = {{"What"}, {"Value"}};
  const auto add = [&](const std::string& what, const std::string& value) {
    if (!value.empty()) table.rows.push_back({what, value});
  };
  add("Command", p.command_line);
  add("Version", p.version.empty() || p.git_revision.empty() ? p.version : p.version + ", revision " + p.git_revision);
  add("Made", p.created);
  if (!p.version.empty()) {
    add("Seed", fmt::format("{}", p.seed));
    add("Threads", p.threads > 0 ? fmt::format("{}", p.threads) : "");
  }
  add("Peak memory", report.peak_memory_bytes > 0 ? bytes_text(report.peak_memory_bytes) : "");
  return html_table(table);
}

std::string stages_table(const DecodeReport& report) {
  HtmlTable table;
  table.caption = "Time by stage";
  table.columns = {{"Stage"}, {"Time", true}};
  double total = 0;
  for (const auto& [stage, seconds] : report.seconds_by_stage) {
    table.rows.push_back({stage, duration_text(seconds)});
    total += seconds;
  }
  if (table.rows.size() > 1) {
    table.strong_rows.push_back(table.rows.size());
    table.rows.push_back({"all", duration_text(total)});
  }
  return html_table(table);
}

std::string files_table(const DecodeReport& report) {
  HtmlTable table;
  table.columns = {{"File"}, {"What it is"}};
  for (const auto& [path, what] : report.files) table.rows.push_back({path, what});
  constexpr std::size_t kShown = 15;
  const std::string html = html_table(table);
  if (html.empty()) return html;
  return table.rows.size() <= kShown ? html_heading("Files written") + html
                                     : html_details(fmt::format("{} files written", table.rows.size()), html);
}

std::string inputs_table(const Provenance& provenance) {
  HtmlTable table;
  table.columns = {{"Input"}, {"Bytes", true}, {"Fingerprint"}};
  for (const InputRecord& input : provenance.inputs)
    table.rows.push_back({input.path, format_count(static_cast<std::int64_t>(input.size_bytes)), input.hash});
  return html_details(fmt::format("{} input files", table.rows.size()), html_table(table));
}

}  // namespace

std::string methods_section(const DecodeReport& report) {
  const MethodFacts& m = report.method;
  std::vector<std::string> preprocessing = m.preprocessing;
  if (!m.high_pass_choice.empty()) preprocessing.push_back(m.high_pass_choice);
  std::string text;
  for (const auto& [heading, body] : {std::pair{"Preprocessing", html_paragraph(join_sentences(preprocessing))},
                                      {"Samples and cross-validation", html_paragraph(samples_text(report))},
                                      {"Features and models", models_html(report)},
                                      {"Scores", html_paragraph(evaluation_text(report))},
                                      {"General linear model", html_paragraph(join_sentences(m.glm))},
                                      {"Explanations", maps_html(report)}})
    if (!body.empty()) text += html_heading(heading) + body;
  const std::vector<std::string> references = references_in(text);
  if (!references.empty()) text += html_heading("References") + html_list(references);
  return text;
}

std::string provenance_section(const DecodeReport& report) {
  return run_table(report) + stages_table(report) + files_table(report) + inputs_table(report.provenance) +
         html_details("Effective configuration (TOML)", html_code(report.provenance.configuration));
}

}  // namespace noema
