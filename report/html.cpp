#include "noema/report/html.h"

#include <fmt/format.h>

#include <algorithm>

#include "noema/core/error.h"
#include "noema/report/style.h"
#include "noema/report/svg.h"

namespace noema {
namespace {

/// Escapes, and links what begins "doi:10.".
std::string prose(std::string_view text) {
  constexpr std::string_view kMark = "doi:10.";
  std::string out;
  while (!text.empty()) {
    const std::size_t at = text.find(kMark);
    out += escape_markup(text.substr(0, at));
    if (at == std::string_view::npos) break;
    std::size_t end = std::min(text.size(), text.find_first_of(" \t\n;,\"'<>", at));
    while (end > at && (text[end - 1] == '.' ||
                        (text[end - 1] == ')' && text.substr(at, end - at).find('(') == std::string_view::npos)))
      --end;
    const std::string doi = escape_markup(text.substr(at + 4, end - at - 4));
    out += fmt::format("<a href=\"https://doi.org/{0}\">doi:{0}</a>", doi);
    text.remove_prefix(end);
  }
  return out;
}

std::string anchor_of(std::string_view title) {
  std::string out;
  for (const char c : title) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (letter)
      out += c;
    else if (c >= 'A' && c <= 'Z')
      out += static_cast<char>(c - 'A' + 'a');
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out;
}

std::string cards_html(const std::vector<HtmlCard>& cards) {
  if (cards.empty()) return {};
  std::string out = "<div class=\"cards\">";
  for (const HtmlCard& card : cards)
    out += fmt::format(
        "<div class=\"card\"><span class=\"name\">{}</span><span class=\"figure\">{}</span><span "
        "class=\"note\">{}</span></div>",
        escape_markup(card.label), escape_markup(card.value), escape_markup(card.note));
  return out + "</div>\n";
}

}  // namespace

std::string html_table(const HtmlTable& table) {
  if (table.rows.empty()) return {};
  std::string out = "<div class=\"scroll\"><table>";
  if (!table.caption.empty()) out += "<caption>" + prose(table.caption) + "</caption>";
  const auto cell_class = [&](std::size_t c) { return table.columns[c].numeric ? " class=\"n\"" : ""; };
  out += "<thead><tr>";
  for (std::size_t c = 0; c < table.columns.size(); ++c)
    out += fmt::format("<th scope=\"col\"{}>{}</th>", cell_class(c), escape_markup(table.columns[c].name));
  out += "</tr></thead><tbody>\n";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    if (table.rows[r].size() != table.columns.size())
      throw ShapeError(fmt::format("row {} of table '{}' has {} cells for {} columns", r, table.caption,
                                   table.rows[r].size(), table.columns.size()));
    const bool strong = std::find(table.strong_rows.begin(), table.strong_rows.end(), r) != table.strong_rows.end();
    out += strong ? "<tr class=\"strong\">" : "<tr>";
    for (std::size_t c = 0; c < table.columns.size(); ++c)
      out += fmt::format("<td{}>{}</td>", cell_class(c), escape_markup(table.rows[r][c]));
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string html_paragraph(std::string_view text) {
  return text.empty() ? std::string() : "<p>" + prose(text) + "</p>\n";
}

std::string html_list(const std::vector<std::string>& items) {
  if (items.empty()) return {};
  std::string out = "<ul>";
  for (const std::string& item : items) out += "<li>" + prose(item) + "</li>";
  return out + "</ul>\n";
}

std::string html_heading(std::string_view text) { return "<h3>" + escape_markup(text) + "</h3>\n"; }

std::string html_figure(std::string_view svg, std::string_view title, std::string_view caption) {
  if (svg.empty()) return {};
  std::string out = "<figure>";
  if (!title.empty()) out += "<div class=\"figure-title\">" + escape_markup(title) + "</div>";
  out += svg;
  if (!caption.empty()) out += "<figcaption>" + prose(caption) + "</figcaption>";
  return out + "</figure>\n";
}

std::string html_columns(const std::vector<std::string>& parts, int width) {
  std::string inner;
  for (const std::string& part : parts) inner += part;
  if (inner.empty()) return inner;
  const std::string style = width > 0 ? fmt::format(" style=\"--part:{}px\"", width) : "";
  return "<div class=\"columns\"" + style + ">" + inner + "</div>\n";
}

std::string html_details(std::string_view summary, std::string_view content) {
  if (content.empty()) return {};
  return fmt::format("<details><summary>{}</summary><div class=\"inside\">{}</div></details>\n", escape_markup(summary),
                     content);
}

std::string html_code(std::string_view text) {
  return text.empty() ? std::string() : "<pre>" + escape_markup(text) + "</pre>\n";
}

std::string html_notice(Notice kind, std::string_view title, std::string_view content) {
  if (content.empty()) return {};
  const bool warning = kind == Notice::warning;
  return fmt::format("<div class=\"notice{}\" role=\"note\"><strong class=\"head\">{}</strong>{}</div>\n",
                     warning ? " warning" : "", escape_markup(title), content);
}

std::string html_page(const HtmlPage& page) {
  std::string navigation, body;
  for (const HtmlSection& section : page.sections) {
    if (section.content.empty()) continue;
    const std::string anchor = anchor_of(section.title), title = escape_markup(section.title);
    navigation += fmt::format("<li><a href=\"#{}\">{}</a></li>", anchor, title);
    body += fmt::format("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", anchor, title, section.content);
  }
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
      "<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"/><title>{}</title>\n<style>{}</style></head>\n"
      "<body><header><h1>{}</h1>\n",
      escape_markup(page.title), style_sheet(), escape_markup(page.title));
  if (!page.subtitle.empty()) out += "<p class=\"subtitle\">" + escape_markup(page.subtitle) + "</p>\n";
  out += cards_html(page.cards) + "</header>\n";
  if (!navigation.empty()) out += "<nav aria-label=\"Sections\"><ul>" + navigation + "</ul></nav>\n";
  out += "<main>\n" + body + "</main>\n";
  if (!page.footer.empty()) out += "<footer>" + prose(page.footer) + "</footer>\n";
  return out + "</body></html>\n";
}

}  // namespace noema
