#include "noema/report/png.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "noema/core/error.h"

namespace noema {
namespace {

std::uint32_t number_at(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

/// Data of the chunks of a type; checks every CRC on the way.
std::string chunk(const std::string& png, const std::string& type) {
  std::string data;
  for (std::size_t at = 8; at < png.size();) {
    const std::uint32_t size = number_at(png, at);
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(png.data() + at + 4), size + 4);
    EXPECT_EQ(number_at(png, at + 8 + size), crc);
    if (png.substr(at + 4, 4) == type) data += png.substr(at + 8, size);
    at += 12 + size;
  }
  return data;
}

IndexedPicture small_picture() {
  IndexedPicture picture{3, 2, {0, 1, 2, 2, 1, 3}, {}};
  picture.palette = {{0, 0, 0, 0}, {255, 0, 10, 255}, {1, 2, 3, 255}, {9, 8, 7, 128}};
  return picture;
}

// The bytes decode to the same pixels, palette and opacities.
TEST(Png, DecodesBack) {
  const IndexedPicture picture = small_picture();
  const std::string png = encode_png(picture);
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  const std::string header = chunk(png, "IHDR");
  ASSERT_EQ(header.size(), 13u);
  EXPECT_EQ(number_at(header, 0), 3u);
  EXPECT_EQ(number_at(header, 4), 2u);
  EXPECT_EQ(header.substr(8), std::string("\x08\x03\0\0\0", 5));
  EXPECT_EQ(chunk(png, "PLTE"), std::string("\0\0\0\xff\0\x0a\x01\x02\x03\x09\x08\x07", 12));
  EXPECT_EQ(chunk(png, "tRNS"), std::string("\0\xff\xff\x80", 4));
  EXPECT_EQ(png.substr(png.size() - 8, 4), "IEND");

  const std::string packed = chunk(png, "IDAT");
  std::string raw(8, '?');
  uLongf size = raw.size();
  ASSERT_EQ(uncompress(reinterpret_cast<Bytef*>(raw.data()), &size, reinterpret_cast<const Bytef*>(packed.data()),
                       packed.size()),
            Z_OK);
  EXPECT_EQ(size, 8u);  // one filter byte before each row
  EXPECT_EQ(raw, std::string("\0\0\x01\x02\0\x02\x01\x03", 8));
}

TEST(Png, DataUriIsBase64WithPadding) {
  const std::string uri = png_data_uri(small_picture());
  EXPECT_TRUE(uri.starts_with("data:image/png;base64,iVBORw0KGgo"));
  EXPECT_EQ((uri.size() - std::string("data:image/png;base64,").size()) % 4, 0u);
}

TEST(Png, RefusesWhatIsNoPicture) {
  IndexedPicture picture = small_picture();
  picture.pixels[3] = 4;
  EXPECT_THROW(encode_png(picture), ShapeError);
  picture = small_picture();
  picture.pixels.pop_back();
  EXPECT_THROW(encode_png(picture), ShapeError);
  picture = small_picture();
  picture.palette.resize(257);
  EXPECT_THROW(encode_png(picture), ShapeError);
  EXPECT_THROW(encode_png({}), ShapeError);
}

}  // namespace
}  // namespace noema
