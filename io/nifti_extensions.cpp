#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/nifti_header.h"
#include "noema/io/utf8_text.h"

namespace noema {
namespace {

constexpr std::int32_t kComment = 6;
constexpr std::int32_t kCifti = 32;
constexpr std::size_t kMaxComment = 1 << 20;
constexpr std::size_t kMaxCodes = 10'000;

// Two 32-bit numbers: the size of the extension with these eight bytes, and its code.
struct ExtensionStart {
  std::int64_t size = 0;
  int code = 0;
};

ExtensionStart start_of(const std::array<std::byte, 8>& bytes, bool big_endian) {
  std::array<std::uint32_t, 2> words{};
  std::memcpy(words.data(), bytes.data(), bytes.size());
  if (big_endian == (std::endian::native == std::endian::little)) {
    for (auto& word : words) word = __builtin_bswap32(word);
  }
  return {static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1])};
}

// Up to the zeros that fill an extension.
std::string read_text(ByteStream& stream, std::int64_t size) {
  constexpr std::int64_t kPiece = 1 << 20;  // a damaged size does not ask for more memory than the file fills
  std::string text;
  while (size > 0) {
    const std::size_t had = text.size();
    text.resize(had + static_cast<std::size_t>(std::min(size, kPiece)));
    const std::size_t got = stream.read(std::as_writable_bytes(std::span(text).subspan(had)));
    text.resize(had + got);
    size = got == 0 ? 0 : size - static_cast<std::int64_t>(got);
  }
  text.resize(std::min(text.size(), text.find('\0')));
  return text;
}

void add_comment(ByteStream& stream, std::int64_t size, std::string& comment) {
  const auto room = static_cast<std::int64_t>(kMaxComment - std::min(kMaxComment, comment.size()));
  const std::string text = read_text(stream, std::min(size, room));
  if (text.empty()) return;
  if (!comment.empty()) comment += '\n';
  comment += text;
}

}  // namespace

void read_nifti_extensions(ByteStream& stream, std::int64_t end, NiftiFacts& facts, std::string* cifti) {
  std::array<std::byte, 4> flag{};
  if (stream.read(flag) < flag.size() || flag[0] == std::byte{0}) return;
  int odd_sizes = 0;
  while (end < 0 || stream.position() + 8 <= end) {
    const std::int64_t at = stream.position();
    std::array<std::byte, 8> bytes{};
    if (stream.read(bytes) < bytes.size()) break;
    const auto [size, code] = start_of(bytes, facts.big_endian);
    if (size == 0 && code == 0) break;  // padding up to the data
    const std::int64_t room = (end < 0 ? stream.max_size() : end) - at;
    if (size < 8 || size > room) {
      throw FormatError(
          stream.path(), at,
          fmt::format("header extension {} has {} bytes, expected 8 to {}; the header is damaged: get the "
                      "file again",
                      facts.extensions.size() + 1, size, room));
    }
    if (facts.extensions.size() >= kMaxCodes) {
      log_warning(fmt::format("'{}': more than {} header extensions; the rest was not read", stream.path().string(),
                              kMaxCodes));
      break;
    }
    odd_sizes += size % 16 != 0;
    facts.extensions.push_back(code);
    if (code == kComment && facts.comment.size() < kMaxComment) add_comment(stream, size - 8, facts.comment);
    if (code == kCifti && cifti != nullptr && cifti->empty()) *cifti = read_text(stream, size - 8);
    stream.seek(at + size);
  }
  facts.comment = utf8_text(facts.comment.substr(0, kMaxComment));
  if (odd_sizes > 0) {
    log_warning(
        fmt::format("'{}': {} header extensions have a size that is no multiple of 16; they were read as they are",
                    stream.path().string(), odd_sizes));
  }
}

}  // namespace noema
