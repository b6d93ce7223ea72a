// io/table: tab-separated tables as BIDS uses them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// Named columns of text. "n/a" is kept as text and becomes NaN as a number.
struct Table {
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> columns;

  std::size_t rows() const { return columns.empty() ? 0 : columns[0].size(); }
  bool has(std::string_view name) const;
  /// @throws DataError naming the nearest column that is there.
  const std::vector<std::string>& column(std::string_view name) const;
  /// The column as numbers, "n/a", "NaN" and empty cells as NaN. @throws DataError naming row and text.
  std::vector<double> numbers(std::string_view name) const;
  /// Appends a column. @throws ShapeError unless it has as many rows as the others; UsageError if the name is taken.
  void add(std::string name, std::vector<std::string> values);
  void add(std::string name, const std::vector<double>& values, int significant_digits = 7);
};

/// Reads a table with a header row: tabs (or commas, when the header has commas and no tab); UTF-8 byte order mark and
/// CRLF accepted; quotes are not special. @throws IoError; FormatError for rows of unequal length or repeated names
/// (names the line).
Table read_table(const std::filesystem::path& path);

/// Writes tab-separated text, all or nothing; an empty cell is written as n/a.
/// @throws IoError; DataError for a cell with a tab or a line end.
void write_table(const std::filesystem::path& path, const Table& table);

}  // namespace noema
