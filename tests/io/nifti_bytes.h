// NIfTI files built byte by byte, without the library under test.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// A header as a string of bytes whose fields are set at their offsets, in either byte order.
class NiftiBytes {
 public:
  explicit NiftiBytes(int version = 1, bool big_endian = false)
      : version_(version), big_endian_(big_endian), bytes_(version == 1 ? 352 : 544, '\0') {
    put<std::int32_t>(0, version == 1 ? 348 : 540);
    text(version == 1 ? 344 : 4, version == 1 ? std::string_view("n+1\0", 4) : std::string_view("n+2\0\r\n\x1a\n", 8));
    set_offset(version == 1 ? 352 : 544);
    shape({1, 1, 1});
    pixdim({1, 1, 1, 1});
    sform({{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}}, 1);
    units(2 | 8);  // mm and s
    type(16, 32);
  }

  template <class T>
  NiftiBytes& put(std::size_t offset, T value) {
    std::array<char, sizeof(T)> raw{};
    std::memcpy(raw.data(), &value, sizeof(T));
    if (big_endian_ != (std::endian::native == std::endian::big)) std::reverse(raw.begin(), raw.end());
    bytes_.replace(offset, sizeof(T), raw.data(), sizeof(T));
    return *this;
  }
  /// A float32 of NIfTI-1 or a float64 of NIfTI-2, the i-th from `first` or `second` on.
  NiftiBytes& real(std::size_t first, std::size_t second, double value, std::size_t i = 0) {
    return version_ == 1 ? put(first + 4 * i, static_cast<float>(value)) : put(second + 8 * i, value);
  }
  NiftiBytes& text(std::size_t offset, std::string_view value) {
    bytes_.replace(offset, value.size(), value);
    return *this;
  }
  NiftiBytes& dim(std::size_t i, std::int64_t value) {
    return version_ == 1 ? put(40 + 2 * i, static_cast<std::int16_t>(value)) : put(16 + 8 * i, value);
  }
  NiftiBytes& shape(const std::vector<std::int64_t>& lengths) {
    dim(0, static_cast<std::int64_t>(lengths.size()));
    for (std::size_t i = 1; i < 8; ++i) dim(i, i <= lengths.size() ? lengths[i - 1] : 0);
    return *this;
  }
  NiftiBytes& pixdim(const std::vector<double>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) real(76, 104, values[i], i);
    return *this;
  }
  NiftiBytes& sform(const std::array<std::array<double, 4>, 3>& rows, int code) {
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t c = 0; c < 4; ++c) real(280 + 16 * r, 400 + 32 * r, rows[r][c], c);
    }
    return code_at(254, 348, code);
  }
  NiftiBytes& qform(const std::array<double, 3>& quaternion, const std::array<double, 3>& offset, int code) {
    for (std::size_t i = 0; i < 3; ++i) {
      real(256, 352, quaternion[i], i);
      real(268, 376, offset[i], i);
    }
    return code_at(252, 344, code);
  }
  NiftiBytes& code_at(std::size_t first, std::size_t second, int code) {
    return version_ == 1 ? put(first, static_cast<std::int16_t>(code)) : put(second, static_cast<std::int32_t>(code));
  }
  NiftiBytes& no_affine() { return code_at(254, 348, 0).code_at(252, 344, 0); }
  NiftiBytes& units(int code) {
    return version_ == 1 ? put(123, static_cast<std::uint8_t>(code)) : put(500, static_cast<std::int32_t>(code));
  }
  NiftiBytes& scaling(double slope, double intercept) { return real(112, 176, slope).real(116, 184, intercept); }
  NiftiBytes& type(int code, int bits) {
    return put(version_ == 1 ? 70 : 12, static_cast<std::int16_t>(code))
        .put(version_ == 1 ? 72 : 14, static_cast<std::int16_t>(bits));
  }
  NiftiBytes& set_offset(std::int64_t offset) {
    return version_ == 1 ? put(108, static_cast<float>(offset)) : put(168, offset);
  }
  /// Appends a number, in the file's byte order.
  template <class T>
  NiftiBytes& add(T value) {
    bytes_.append(sizeof(T), '\0');
    return put(bytes_.size() - sizeof(T), value);
  }
  template <class T>
  NiftiBytes& add_all(const std::vector<T>& values) {
    for (const T value : values) add(value);
    return *this;
  }
  NiftiBytes& add_text(std::string_view value) {
    bytes_ += value;
    return *this;
  }

  const std::string& str() const { return bytes_; }

 private:
  int version_;
  bool big_endian_;
  std::string bytes_;
};

/// One gzip member, made by zlib.
inline std::string gzip(std::string_view bytes, int level = 6) {
  z_stream stream{};
  deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace noema
