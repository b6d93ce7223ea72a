// report/html: one self-contained page: headline numbers, sections of prose, tables, pictures; no scripts, no other
// files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace noema {

struct HtmlColumn {
  std::string name;
  /// Right-aligned figures.
  bool numeric = false;
};

struct HtmlTable {
  std::string caption;
  std::vector<HtmlColumn> columns;
  std::vector<std::vector<std::string>> rows;
  /// Rows to emphasise.
  std::vector<std::size_t> strong_rows = {};
};

/// The parts of a page, as HTML. Texts are escaped; "doi:10.…" in prose becomes a link. What is empty gives empty text.
/// @throws ShapeError for a row with another number of cells than columns.
std::string html_table(const HtmlTable& table);
std::string html_paragraph(std::string_view text);
/// A list of sentences.
std::string html_list(const std::vector<std::string>& items);
std::string html_heading(std::string_view text);
/// A picture (SVG, not escaped) with a title above and a caption below; either may be empty.
std::string html_figure(std::string_view svg, std::string_view title, std::string_view caption = {});
/// Pictures or tables side by side where there is room, each `width` pixels wide; 0: as wide as its content.
std::string html_columns(const std::vector<std::string>& parts, int width = 0);
/// Content (HTML) that unfolds at a click.
std::string html_details(std::string_view summary, std::string_view content);
/// Text with its line breaks, in a fixed-width type.
std::string html_code(std::string_view text);

enum class Notice { information, warning };
/// A box that stands out; `content` is HTML.
std::string html_notice(Notice kind, std::string_view title, std::string_view content);

struct HtmlCard {
  std::string label;
  std::string value;
  std::string note;
};

struct HtmlSection {
  /// Also the name in the navigation.
  std::string title;
  /// HTML; a section without content is left out.
  std::string content;
};

struct HtmlPage {
  std::string title;
  std::string subtitle;
  std::vector<HtmlCard> cards;
  std::vector<HtmlSection> sections;
  std::string footer;
};

/// The whole file.
std::string html_page(const HtmlPage& page);

}  // namespace noema
