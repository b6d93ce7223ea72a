#include "noema/io/text_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/io/system_error.h"

namespace noema {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

std::string read_text_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) throw system_error(path, "read", EISDIR);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw system_error(path, "opened", errno);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) throw system_error(path, "read", errno);
  return text;
}

nlohmann::json read_json_object(const std::filesystem::path& path) {
  const std::string text = read_text_file(path);
  nlohmann::json value;
  try {
    value = nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw FormatError(path, static_cast<std::int64_t>(error.byte), fmt::format("broken JSON: {}", error.what()));
  }
  if (!value.is_object()) {
    throw FormatError(path, 0, fmt::format("found JSON of type {}, expected an object {{…}}", value.type_name()));
  }
  return value;
}

TextLines::TextLines(const std::filesystem::path& path) : text_(read_text_file(path)) {
  std::size_t begin = text_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (begin < text_.size()) {
    begins_.push_back(begin);
    const std::size_t end = text_.find('\n', begin);
    begin = end == std::string::npos ? text_.size() : end + 1;
  }
  while (!begins_.empty() && (*this)[begins_.size() - 1].empty()) begins_.pop_back();
}

std::string_view TextLines::operator[](std::size_t line) const {
  std::string_view text = std::string_view(text_).substr(begins_[line]);
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::vector<std::string> split_text(std::string_view text, char separator) {
  std::vector<std::string> pieces;
  std::size_t begin = 0;
  for (std::size_t end = text.find(separator); end != std::string_view::npos; end = text.find(separator, begin)) {
    pieces.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  pieces.emplace_back(text.substr(begin));
  return pieces;
}

}  // namespace noema
