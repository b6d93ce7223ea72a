#include "noema/report/png.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <string_view>

#include "noema/core/base64.h"
#include "noema/core/error.h"

namespace noema {
namespace {

void append_big_endian(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

void append_chunk(std::string& out, std::string_view type, std::string_view data) {
  append_big_endian(out, static_cast<std::uint32_t>(data.size()));
  std::string body(type);
  body += data;
  out += body;
  append_big_endian(out, static_cast<std::uint32_t>(
                             crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()))));
}

std::string deflate_bytes(const std::string& raw) {
  uLongf size = compressBound(static_cast<uLong>(raw.size()));
  std::string out(size, '\0');
  const int status = compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(raw.data()),
                               static_cast<uLong>(raw.size()), 9);
  if (status != Z_OK) throw NumericalError(fmt::format("compressing a picture failed: zlib status {}", status));
  out.resize(size);
  return out;
}

void check(const IndexedPicture& picture) {
  const auto pixels =
      static_cast<std::size_t>(std::max(0, picture.width)) * static_cast<std::size_t>(std::max(0, picture.height));
  if (pixels == 0 || picture.pixels.size() != pixels)
    throw ShapeError(
        fmt::format("a picture of {}×{} has {} pixels", picture.width, picture.height, picture.pixels.size()));
  if (picture.palette.empty() || picture.palette.size() > 256)
    throw ShapeError(fmt::format("a palette has {} colours, expected 1 to 256", picture.palette.size()));
  const std::uint8_t largest = *std::max_element(picture.pixels.begin(), picture.pixels.end());
  if (largest >= picture.palette.size())
    throw ShapeError(fmt::format("a pixel has colour {} of a palette of {}", largest, picture.palette.size()));
}

}  // namespace

std::string encode_png(const IndexedPicture& picture) {
  check(picture);
  std::string header;
  append_big_endian(header, static_cast<std::uint32_t>(picture.width));
  append_big_endian(header, static_cast<std::uint32_t>(picture.height));
  header += {8, 3, 0, 0, 0};  // 8 bits, palette, deflate, no filter method, not interlaced
  std::string colors, opacities, raw;
  for (const Color& color : picture.palette) {
    for (int c = 0; c < 3; ++c) colors += static_cast<char>(color[static_cast<std::size_t>(c)]);
    opacities += static_cast<char>(color[3]);
  }
  for (int y = 0; y < picture.height; ++y) {
    raw += '\0';  // this row is not filtered: filters do not help palettes
    for (int x = 0; x < picture.width; ++x) raw += static_cast<char>(picture.at(x, y));
  }
  std::string out = "\x89PNG\r\n\x1a\n";
  append_chunk(out, "IHDR", header);
  append_chunk(out, "PLTE", colors);
  append_chunk(out, "tRNS", opacities);
  append_chunk(out, "IDAT", deflate_bytes(raw));
  append_chunk(out, "IEND", {});
  return out;
}

std::string png_data_uri(const IndexedPicture& picture) {
  const std::string png = encode_png(picture);
  return "data:image/png;base64," + to_base64(std::as_bytes(std::span(png)));
}

}  // namespace noema
