#include "noema/io/region_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

#include "noema/core/error.h"
#include "noema/io/text_file.h"

namespace noema {
namespace {

using Names = std::map<std::int32_t, std::string>;

struct Line {
  std::size_t number = 0;  ///< from 1
  std::int64_t offset = 0;
  std::string_view text;
};

/// Where a table comes from, for errors.
class Source {
 public:
  explicit Source(const std::filesystem::path& path) : path_(path) {}
  [[noreturn]] void fail(const Line& line, const std::string& message) const {
    throw FormatError(path_, line.offset, fmt::format("line {}: {}", line.number, message));
  }
  void add(Names& names, const Line& line, std::int32_t id, std::string_view name) const {
    name = trimmed(name);
    if (name.empty()) fail(line, fmt::format("the region {} has no name", id));
    if (!names.emplace(id, name).second) fail(line, fmt::format("the id {} is there twice", id));
  }

 private:
  const std::filesystem::path& path_;
};

template <class Number>
std::optional<Number> parse(std::string_view text) {
  text = trimmed(text);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<std::int32_t> id_of(std::string_view text) {
  const auto id = parse<std::int32_t>(text);
  return id && *id >= 0 ? id : std::nullopt;
}

bool is_number(std::string_view text) { return parse<double>(text).has_value(); }

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::size_t begin = text.find_first_not_of(" \t");
  while (begin != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(" \t", begin), text.size());
    words.emplace_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(" \t", end);
  }
  return words;
}

/// Cells of a row; with commas, double quotes may enclose a cell.
std::vector<std::string> cells_of(std::string_view text, char separator) {
  if (separator == '\t') return split_text(text, '\t');
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  return cells;
}

std::string lower_case(std::string_view text) {
  std::string lower(trimmed(text));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

struct Column {
  std::size_t index = 0;
  bool ids = true;     ///< every cell is a whole number from 0
  bool texts = false;  ///< some cell is no number
};

/// The first usable column with one of the usual names, else the first usable one.
template <class Usable>
std::optional<std::size_t> choose(const std::vector<std::string>& header, const std::vector<Column>& columns,
                                  const std::vector<std::string_view>& usual, Usable usable) {
  for (const std::string_view name : usual) {
    for (const Column& column : columns) {
      if (lower_case(header[column.index]) == name && usable(column)) return column.index;
    }
  }
  const auto found = std::find_if(columns.begin(), columns.end(), usable);
  return found == columns.end() ? std::nullopt : std::optional(found->index);
}

Names read_columns(const Source& source, const std::vector<Line>& lines, char separator) {
  const std::vector<std::string> header = cells_of(lines[0].text, separator);
  std::vector<Column> columns(header.size());
  for (std::size_t c = 0; c < columns.size(); ++c) columns[c].index = c;
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    rows.push_back(cells_of(lines[i].text, separator));
    if (rows.back().size() != header.size()) {
      source.fail(lines[i], fmt::format("found {} cells, the header has {}", rows.back().size(), header.size()));
    }
    for (Column& column : columns) {
      column.ids = column.ids && id_of(rows.back()[column.index]).has_value();
      column.texts = column.texts || !is_number(rows.back()[column.index]);
    }
  }
  const auto ids = choose(header, columns, {"index", "id", "roi label", "roi_id", "label", "value", "key"},
                          [](const Column& column) { return column.ids; });
  if (!ids) source.fail(lines[0], "no column holds an id (a whole number from 0) in every row; BIDS calls it 'index'");
  const std::vector<std::string_view> usual{"name", "roi name", "roi_name", "label", "region", "labels", "names"};
  const auto names = choose(header, columns, usual, [&](const Column& column) {
    // A column of this name holds names, even if these are numbers.
    const bool called_names = usual[0] == lower_case(header[column.index]);
    return column.index != *ids && (column.texts || called_names);
  });
  if (!names) source.fail(lines[0], "no column holds names; BIDS calls it 'name'");
  Names named;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    source.add(named, lines[i + 1], *id_of(rows[i][*ids]), rows[i][*names]);
  }
  return named;
}

/// Five whole numbers: the second line of each region in Workbench's tables.
bool is_id_and_colour(std::string_view text) {
  const std::vector<std::string> words = words_of(text);
  return words.size() == 5 && std::all_of(words.begin(), words.end(), [](const auto& word) { return id_of(word); });
}

bool is_alternating(const std::vector<Line>& lines) {
  if (lines.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (is_id_and_colour(lines[i].text) != (i % 2 == 1)) return false;
  }
  return true;
}

std::string joined(const std::vector<std::string>& words, std::size_t begin, std::size_t end) {
  return fmt::format("{}", fmt::join(words.begin() + static_cast<std::ptrdiff_t>(begin),
                                     words.begin() + static_cast<std::ptrdiff_t>(end), " "));
}

/// The name on a line of words that begins with an id; empty if there is none.
std::string name_on_line(std::string_view text, const std::vector<std::string>& words) {
  std::size_t numbers = 0;  // at the end
  while (numbers + 2 < words.size() && is_number(words[words.size() - 1 - numbers])) ++numbers;
  const bool colour_first = words.size() >= 5 && is_number(words[1]) && is_number(words[2]) && is_number(words[3]);
  if (colour_first && numbers < 3) return joined(words, 4, words.size());
  const std::vector<std::string> fields = split_text(trimmed(text), '\t');
  if (fields.size() > 1 && id_of(fields[0])) return fields[1];
  // A colour has three or four numbers. A number after a single word may belong to the name ("Area 4"), but the tables
  // of AAL repeat the id there or give a code of four digits.
  const std::size_t dropped = numbers >= 3 ? std::min<std::size_t>(numbers, 4) : 0;
  if (numbers == 1 && words.size() == 3 && (words[2] == words[0] || words[2].size() >= 4)) return words[1];
  return joined(words, 1, words.size() - dropped);
}

Names read_lines(const Source& source, const std::vector<Line>& lines) {
  Names names;
  for (const Line& line : lines) {
    const bool commas = line.text.find(',') != std::string_view::npos;
    const std::vector<std::string> words = commas ? cells_of(line.text, ',') : words_of(line.text);
    const std::optional<std::int32_t> id = id_of(words[0]);
    if (!id || words.size() < 2) {
      source.fail(line, fmt::format("found '{}', expected an id (a whole number from 0) and a name", line.text));
    }
    source.add(names, line, *id, commas ? words[1] : name_on_line(line.text, words));
  }
  return names;
}

Names read_alternating(const Source& source, const std::vector<Line>& lines) {
  Names names;
  for (std::size_t i = 0; i + 1 < lines.size(); i += 2) {
    source.add(names, lines[i + 1], *id_of(words_of(lines[i + 1].text)[0]), lines[i].text);
  }
  return names;
}

}  // namespace

Names read_region_names(const std::filesystem::path& path) {
  const TextLines text(path);
  std::vector<Line> lines;
  for (std::size_t i = 0; i < text.count(); ++i) {
    if (trimmed(text[i]).empty() || text[i].starts_with('#')) continue;
    lines.push_back({i + 1, text.offset(i), text[i]});
  }
  if (lines.empty()) throw FormatError(path, 0, "the table of regions is empty");
  const Source source(path);
  if (is_alternating(lines)) return read_alternating(source, lines);
  const std::string_view first = lines[0].text;
  const char separator = first.find('\t') != std::string_view::npos ? '\t' : ',';
  const bool has_cells = first.find(separator) != std::string_view::npos;
  if (has_cells && !id_of(cells_of(first, separator)[0])) return read_columns(source, lines, separator);
  return read_lines(source, lines);
}

std::filesystem::path region_names_beside(const std::filesystem::path& image) {
  std::string stem = image.filename().string();
  for (const std::string_view extension : {".gz", ".nii", ".img", ".hdr"}) {
    if (stem.ends_with(extension)) stem.resize(stem.size() - extension.size());
  }
  std::string without_sampling;
  for (const std::string& piece : split_text(stem, '_')) {
    if (piece.starts_with("res-") || piece.starts_with("den-")) continue;
    without_sampling += (without_sampling.empty() ? "" : "_") + piece;
  }
  for (const std::string& name : {stem, without_sampling}) {
    for (const char* extension : {".tsv", ".lut", ".txt", ".csv"}) {
      std::filesystem::path table = image.parent_path() / (name + extension);
      if (std::filesystem::is_regular_file(table)) return table;
    }
  }
  return {};
}

}  // namespace noema
