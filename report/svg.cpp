#include "noema/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace noema {
namespace {

/// Bytes of the UTF-8 character that begins at `at`; 0 if there is none.
int utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  const int length = first < 0x80                    ? 1
                     : first >= 0xC2 && first < 0xE0 ? 2
                     : first >= 0xE0 && first < 0xF0 ? 3
                     : first >= 0xF0 && first < 0xF5 ? 4
                                                     : 0;
  if (length == 0 || at + static_cast<std::size_t>(length) > text.size()) return 0;
  for (int i = 1; i < length; ++i)
    if ((byte(at + static_cast<std::size_t>(i)) & 0xC0) != 0x80) return 0;
  const bool overlong = (first == 0xE0 && byte(at + 1) < 0xA0) || (first == 0xF0 && byte(at + 1) < 0x90);
  const bool surrogate = first == 0xED && byte(at + 1) >= 0xA0;
  const bool too_large = first == 0xF4 && byte(at + 1) >= 0x90;
  return overlong || surrogate || too_large ? 0 : length;
}

double character_width(std::string_view character) {
  if (character.size() > 1) return character.size() >= 3 ? 0.9 : 0.64;
  const char c = character[0];
  if (std::string_view("iljtfr.,:;'|!()[]I -").find(c) != std::string_view::npos) return 0.38;
  if (std::string_view("mwMW@%").find(c) != std::string_view::npos) return 0.92;
  return c >= 'A' && c <= 'Z' ? 0.72 : 0.61;
}

std::string tip_element(std::string_view tip) {
  return tip.empty() ? std::string() : fmt::format("<title>{}</title>", escape_markup(tip));
}

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const int length = utf8_length(text, i);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++i;
      continue;
    }
    const char c = text[i];
    if (length > 1) {
      out += text.substr(i, static_cast<std::size_t>(length));
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if (static_cast<unsigned char>(c) >= 0x20 ? c != 0x7F : c == '\n' || c == '\t') {
      out += c;
    }
    i += static_cast<std::size_t>(length);
  }
  return out;
}

std::string format_number(double value, int decimals) {
  if (!std::isfinite(value)) return "–";
  const std::string text = fmt::format("{:.{}f}", std::abs(value), decimals);
  const bool is_zero = text.find_first_not_of("0.") == std::string::npos;
  return value < 0 && !is_zero ? "−" + text : text;
}

std::string format_p(double p) {
  if (!std::isfinite(p)) return "–";
  return p < 0.001 ? "< 0.001" : format_number(p, 3);
}

std::string format_count(std::int64_t value) {
  std::string digits = fmt::format("{}", value < 0 ? -value : value);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<std::size_t>(at), " ");
  return (value < 0 ? "−" : "") + digits;
}

std::string coordinate(double value) {
  if (!std::isfinite(value)) return "0";
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

double text_width(std::string_view text, double size) {
  double width = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = static_cast<std::size_t>(std::max(1, utf8_length(text, i)));
    width += character_width(text.substr(i, length));
    i += length;
  }
  return width * size;
}

std::string shorten_text(std::string_view text, double size, double width) {
  if (text_width(text, size) <= width) return std::string(text);
  std::vector<std::string_view> characters;
  for (std::size_t i = 0; i < text.size(); i += characters.back().size())
    characters.push_back(text.substr(i, static_cast<std::size_t>(std::max(1, utf8_length(text, i)))));
  // Names often differ at their end: two characters of the beginning for one of the end.
  std::string head, tail;
  double left = width - text_width("…", size);
  for (std::size_t taken = 0, first = 0, last = characters.size(); first < last; ++taken) {
    const bool at_end = taken % 3 == 2;
    const std::string_view next = characters[at_end ? --last : first++];
    left -= text_width(next, size);
    if (left < 0) break;
    if (at_end)
      tail.insert(0, next);
    else
      head += next;
  }
  return head + "…" + tail;
}

SvgWriter::SvgWriter(double width, double height, std::string_view title, std::string_view description)
    : width_(width), height_(height) {
  body_ = fmt::format(
      "<svg role=\"img\" aria-label=\"{0}\" viewBox=\"0 0 {1} {2}\" width=\"{1}\" height=\"{2}\"><desc>{3}</desc>",
      escape_markup(title), coordinate(width), coordinate(height), escape_markup(description));
}

void SvgWriter::line(double x1, double y1, double x2, double y2, std::string_view style) {
  body_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"{}\"/>", coordinate(x1), coordinate(y1),
                       coordinate(x2), coordinate(y2), style);
}

void SvgWriter::circle(double x, double y, double radius, std::string_view style, std::string_view tip) {
  body_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" class=\"{}\">{}</circle>", coordinate(x), coordinate(y),
                       coordinate(radius), style, tip_element(tip));
}

void SvgWriter::rectangle(double x, double y, double width, double height, std::string_view style, double opacity,
                          std::string_view tip) {
  body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"{}\"", coordinate(x), coordinate(y),
                       coordinate(std::max(0.0, width)), coordinate(std::max(0.0, height)), style);
  if (opacity < 1) body_ += fmt::format(" fill-opacity=\"{}\"", coordinate(opacity));
  body_ += tip.empty() ? "/>" : ">" + tip_element(tip) + "</rect>";
}

void SvgWriter::text(double x, double y, std::string_view text, std::string_view style, std::string_view anchor,
                     double turn) {
  body_ += fmt::format("<text x=\"{}\" y=\"{}\" class=\"{}\"", coordinate(x), coordinate(y), style);
  if (anchor != "start") body_ += fmt::format(" text-anchor=\"{}\"", anchor);
  if (turn != 0)
    body_ += fmt::format(" transform=\"rotate({} {} {})\"", coordinate(turn), coordinate(x), coordinate(y));
  body_ += ">" + escape_markup(text) + "</text>";
}

void SvgWriter::path(const std::vector<double>& x, const std::vector<double>& y, std::string_view style) {
  std::string steps;
  bool drawing = false;
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    const bool finite = std::isfinite(x[i]) && std::isfinite(y[i]);
    if (finite) steps += fmt::format("{}{} {}", drawing ? 'L' : 'M', coordinate(x[i]), coordinate(y[i]));
    drawing = finite;
  }
  if (!steps.empty()) body_ += fmt::format("<path d=\"{}\" class=\"{}\"/>", steps, style);
}

void SvgWriter::band(const std::vector<double>& x, const std::vector<double>& low, const std::vector<double>& high,
                     std::string_view style) {
  std::string there, back;
  for (std::size_t i = 0; i < std::min({x.size(), low.size(), high.size()}); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(low[i]) || !std::isfinite(high[i])) continue;
    there += fmt::format("{}{} {}", there.empty() ? 'M' : 'L', coordinate(x[i]), coordinate(high[i]));
    back = fmt::format("L{} {}", coordinate(x[i]), coordinate(low[i])) + back;
  }
  if (!there.empty()) body_ += fmt::format("<path d=\"{}{}Z\" class=\"{}\"/>", there, back, style);
}

void SvgWriter::image(double x, double y, double width, double height, std::string_view data_uri) {
  body_ += fmt::format(
      "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" class=\"sharp\" href=\"{}\"/>",
      coordinate(x), coordinate(y), coordinate(width), coordinate(height), data_uri);
}

}  // namespace noema
