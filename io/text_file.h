// io/text_file: small text and JSON files, whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// The bytes of a file. @throws IoError
std::string read_text_file(const std::filesystem::path& path);

/// A JSON object; byte order mark accepted. @throws IoError; FormatError with the byte where it is broken, or if it is
/// another kind of value than an object.
nlohmann::json read_json_object(const std::filesystem::path& path);

/// The lines of a text file without their ends (LF or CRLF), byte order mark and empty lines at the end.
class TextLines {
 public:
  /// @throws IoError
  explicit TextLines(const std::filesystem::path& path);

  std::size_t count() const { return begins_.size(); }
  std::string_view operator[](std::size_t line) const;
  /// The byte of the file where the line begins.
  std::int64_t offset(std::size_t line) const { return static_cast<std::int64_t>(begins_[line]); }

 private:
  std::string text_;
  std::vector<std::size_t> begins_;
};

/// Without blanks at both ends.
std::string_view trimmed(std::string_view text);

/// The pieces between the separators; one more than there are separators.
std::vector<std::string> split_text(std::string_view text, char separator);

}  // namespace noema
