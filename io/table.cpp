#include "noema/io/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/io/atomic_file.h"
#include "noema/io/text_file.h"

namespace noema {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::optional<double> number_of(std::string_view text) {
  text = trimmed(text);
  if (text.empty() || text == "n/a" || text == "N/A") return kNaN;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void check_names(const std::filesystem::path& path, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::find(names.begin() + static_cast<std::ptrdiff_t>(i) + 1, names.end(), names[i]) == names.end()) continue;
    throw FormatError(path, 0, fmt::format("line 1: the column '{}' is there twice; rename one of them", names[i]));
  }
}

void check_cell(const std::filesystem::path& path, std::string_view cell) {
  if (cell.find_first_of("\t\r\n") == std::string_view::npos) return;
  throw DataError(
      fmt::format("the table '{}' cannot hold the text '{}': it contains a tab or a line end", path.string(), cell));
}

}  // namespace

bool Table::has(std::string_view name) const { return std::find(names.begin(), names.end(), name) != names.end(); }

const std::vector<std::string>& Table::column(std::string_view name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return columns[static_cast<std::size_t>(found - names.begin())];
  const std::optional<std::string> nearest = nearest_match(name, names);
  throw DataError(fmt::format("the table has no column '{}'; {}it has: {}", name,
                              nearest ? fmt::format("did you mean '{}'? ", *nearest) : "", fmt::join(names, ", ")));
}

std::vector<double> Table::numbers(std::string_view name) const {
  std::vector<double> values;
  for (const std::string& text : column(name)) {
    const std::optional<double> value = number_of(text);
    if (!value) {
      throw DataError(
          fmt::format("column '{}', line {}: found '{}', expected a number or n/a", name, values.size() + 2, text));
    }
    values.push_back(*value);
  }
  return values;
}

void Table::add(std::string name, std::vector<std::string> values) {
  if (has(name)) throw UsageError(fmt::format("the table has a column '{}' already", name));
  if (!columns.empty() && values.size() != rows()) {
    throw ShapeError(fmt::format("column '{}' has {} rows, the table has {}", name, values.size(), rows()));
  }
  names.push_back(std::move(name));
  columns.push_back(std::move(values));
}

void Table::add(std::string name, const std::vector<double>& values, int significant_digits) {
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const double value : values) {
    texts.push_back(std::isnan(value) ? "n/a" : fmt::format("{:.{}g}", value, significant_digits));
  }
  add(std::move(name), std::move(texts));
}

Table read_table(const std::filesystem::path& path) {
  const TextLines lines(path);
  if (lines.count() == 0) throw FormatError(path, 0, "the table is empty; expected a line with the names of columns");
  const std::string_view header = lines[0];
  const bool has_commas = header.find(',') != std::string_view::npos;
  const char separator = has_commas && header.find('\t') == std::string_view::npos ? ',' : '\t';

  Table table;
  table.names = split_text(header, separator);
  check_names(path, table.names);
  table.columns.resize(table.names.size());
  for (std::vector<std::string>& column : table.columns) column.reserve(lines.count() - 1);
  for (std::size_t line = 1; line < lines.count(); ++line) {
    std::vector<std::string> cells = split_text(lines[line], separator);
    if (cells.size() != table.names.size()) {
      throw FormatError(path, lines.offset(line),
                        fmt::format("line {} has {} cells, the header has {} columns ({})", line + 1, cells.size(),
                                    table.names.size(), separator == ',' ? "commas" : "tabs"));
    }
    for (std::size_t c = 0; c < cells.size(); ++c) table.columns[c].push_back(std::move(cells[c]));
  }
  return table;
}

void write_table(const std::filesystem::path& path, const Table& table) {
  std::string text = fmt::format("{}\n", fmt::join(table.names, "\t"));
  for (const std::string& name : table.names) check_cell(path, name);
  for (std::size_t row = 0; row < table.rows(); ++row) {
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      const std::string& cell = table.columns[c][row];
      check_cell(path, cell);
      if (c > 0) text += '\t';
      text += cell.empty() ? "n/a" : cell;
    }
    text += '\n';
  }
  write_file(path, text);
}

}  // namespace noema
