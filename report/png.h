// report/png: small pictures of indexed colours as PNG, to be embedded in a page.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace noema {

/// Red, green, blue and opacity, 0 to 255.
using Color = std::array<std::uint8_t, 4>;

/// A picture whose pixels are indices of a palette, row by row from the top left.
struct IndexedPicture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;  // (height, width)
  std::vector<Color> palette;        // at most 256

  std::uint8_t& at(int x, int y) {
    return pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)];
  }
  std::uint8_t at(int x, int y) const {
    return pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)];
  }
};

/// The bytes of a PNG file. @throws ShapeError for an empty picture, a palette that is empty or too large, or a pixel
/// that is not in it; NumericalError if compression fails.
std::string encode_png(const IndexedPicture& picture);

/// "data:image/png;base64,…" of `encode_png`.
std::string png_data_uri(const IndexedPicture& picture);

}  // namespace noema
