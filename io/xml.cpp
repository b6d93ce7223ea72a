#include "noema/io/xml.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr std::string_view kBlanks = " \t\r\n,";

/// The pieces of a text between blanks.
template <class Take>
void for_each_word(std::string_view text, Take&& take) {
  std::size_t at = 0;
  while ((at = text.find_first_not_of(kBlanks, at)) != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    take(text.substr(at, end - at));
    at = end;
  }
}

template <class T>
bool read_number(std::string_view word, T& value) {
  if (word.starts_with('+')) word.remove_prefix(1);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc() && end == word.data() + word.size();
}

std::string_view without_blanks(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

XmlText::XmlText(std::filesystem::path path, std::string_view what, std::string_view root, std::string_view text)
    : path_(std::move(path)), what_(what) {
  const pugi::xml_parse_result result = document_.load_buffer(text.data(), text.size());
  if (!result) {
    throw FormatError(
        path_, -1,
        fmt::format("{} is broken at its byte {} of {} ({}); the file is damaged or was not copied whole: "
                    "copy or download it again",
                    what_, result.offset, text.size(), result.description()));
  }
  const std::string_view found = document_.document_element().name();
  if (found != root) {
    throw FormatError(path_, -1, fmt::format("{} begins with the element '{}', expected '{}'", what_, found, root));
  }
}

pugi::xml_node XmlText::only(pugi::xml_node parent, const char* name) const {
  const pugi::xml_node node = parent.child(name);
  if (!node) refuse(parent, fmt::format("found no element '{}', expected one", name));
  if (node.next_sibling(name)) refuse(parent, fmt::format("found several elements '{}', expected one", name));
  return node;
}

std::string XmlText::text(pugi::xml_node node, const char* attribute) const {
  const pugi::xml_attribute found = node.attribute(attribute);
  if (!found) refuse(node, fmt::format("found no attribute {}, expected one", attribute));
  return found.value();
}

std::int64_t XmlText::integer(pugi::xml_node node, const char* attribute, std::int64_t least, std::int64_t most) const {
  const std::string word = text(node, attribute);
  std::int64_t value = 0;
  if (read_number(without_blanks(word), value) && value >= least && value <= most) return value;
  refuse(node,
         fmt::format("found {} '{}', expected a whole number {}", attribute, word,
                     most == std::numeric_limits<std::int64_t>::max() ? fmt::format("from {} on", least)
                                                                      : fmt::format("from {} to {}", least, most)));
}

double XmlText::number(pugi::xml_node node, const char* attribute) const {
  const std::string word = text(node, attribute);
  double value = 0;
  if (read_number(without_blanks(word), value) && std::isfinite(value)) return value;
  refuse(node, fmt::format("found {} '{}', expected a finite number", attribute, word));
}

std::vector<std::int32_t> XmlText::integers(pugi::xml_node node) const {
  std::vector<std::int32_t> values;
  for_each_word(node.child_value(), [&](std::string_view word) {
    if (!read_number(word, values.emplace_back())) {
      refuse(node, fmt::format("found '{}', expected whole numbers", word));
    }
  });
  return values;
}

std::vector<double> XmlText::numbers(pugi::xml_node node) const {
  std::vector<double> values;
  for_each_word(node.child_value(), [&](std::string_view word) {
    if (!read_number(word, values.emplace_back()) || !std::isfinite(values.back())) {
      refuse(node, fmt::format("found '{}', expected finite numbers", word));
    }
  });
  return values;
}

std::array<std::int64_t, 3> XmlText::lengths(pugi::xml_node node, const char* attribute) const {
  const std::string words = text(node, attribute);
  std::array<std::int64_t, 3> values{0, 0, 0};
  std::size_t count = 0;
  bool sound = true;
  for_each_word(words, [&](std::string_view word) {
    std::int64_t value = 0;
    sound = sound && count < 3 && read_number(word, value) && value > 0 && value <= std::numeric_limits<int>::max();
    if (sound) values[count] = value;
    ++count;
  });
  if (sound && count == 3 && static_cast<__int128>(values[0]) * values[1] * values[2] < (std::int64_t{1} << 62)) {
    return values;
  }
  refuse(node, fmt::format("found {} '{}', expected three lengths", attribute, words));
}

void XmlText::refuse(pugi::xml_node node, std::string_view fault) const {
  int place = 1;
  for (pugi::xml_node before = node.previous_sibling(node.name()); before;
       before = before.previous_sibling(node.name())) {
    ++place;
  }
  const bool alone = place == 1 && !node.next_sibling(node.name());
  throw FormatError(path_, -1,
                    fmt::format("{}: element '{}'{}: {}; write the file again with the program that made it", what_,
                                node.name(), alone ? "" : fmt::format(" {}", place), fault));
}

pugi::xml_node add_element(pugi::xml_node parent, const char* name, const std::string& text) {
  pugi::xml_node node = parent.append_child(name);
  if (!text.empty()) node.append_child(pugi::node_pcdata).set_value(text.c_str());
  return node;
}

void set_attribute(pugi::xml_node node, const char* attribute, std::string_view value) {
  node.append_attribute(attribute) = std::string(value).c_str();
}

void set_attribute(pugi::xml_node node, const char* attribute, std::int64_t value) {
  set_attribute(node, attribute, std::string_view(fmt::to_string(value)));
}

void set_attribute(pugi::xml_node node, const char* attribute, double value) {
  set_attribute(node, attribute, std::string_view(fmt::format("{}", value)));
}

std::string to_text(const pugi::xml_document& document, bool declare) {
  std::ostringstream out;
  document.save(out, "", pugi::format_raw | (declare ? 0U : pugi::format_no_declaration), pugi::encoding_utf8);
  return out.str();
}

}  // namespace noema
