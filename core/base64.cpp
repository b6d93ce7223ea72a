#include "noema/core/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace noema {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 255;

constexpr std::array<std::uint8_t, 256> make_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < kLetters.size(); ++i)
    values[static_cast<unsigned char>(kLetters[i])] = static_cast<std::uint8_t>(i);
  return values;
}
constexpr std::array<std::uint8_t, 256> kValues = make_values();

}  // namespace

std::string to_base64(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t b = 0; b < 3; ++b)
      group = group << 8 | (b < count ? std::to_integer<std::uint32_t>(bytes[i + b]) : 0);
    for (std::size_t c = 0; c < 4; ++c) text += c <= count ? kLetters[group >> (18 - 6 * c) & 63] : '=';
  }
  return text;
}

std::optional<std::vector<std::byte>> from_base64(std::string_view text) {
  std::string letters;
  letters.reserve(text.size());
  for (const char letter : text) {
    if (letter != ' ' && letter != '\t' && letter != '\r' && letter != '\n') letters += letter;
  }
  if (letters.size() % 4 != 0) return {};
  std::size_t padding = 0;
  while (padding < 2 && letters.ends_with('=')) {
    letters.pop_back();
    ++padding;
  }
  std::vector<std::byte> bytes;
  bytes.reserve(letters.size() / 4 * 3 + 2);
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const std::uint8_t value = kValues[static_cast<unsigned char>(letters[i])];
    if (value == kNone) return {};
    group = group << 6 | value;
    // A letter brings six bits: the second, third and fourth of a group each end a byte.
    if (i % 4 > 0) bytes.push_back(static_cast<std::byte>(group >> (6 - 2 * (i % 4)) & 255));
  }
  return bytes;
}

}  // namespace noema
