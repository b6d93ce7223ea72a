// io/safetensors: named arrays in one file, the format of model files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace noema {

/// One named array: row-major, little-endian bytes.
struct TensorData {
  /// "F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL" …
  std::string dtype = "F32";
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;

  /// @throws ShapeError unless there are as many values as the shape says.
  static TensorData from_floats(std::vector<std::int64_t> shape, std::span<const float> values);
  static TensorData from_doubles(std::vector<std::int64_t> shape, std::span<const double> values);
  static TensorData from_ints(std::vector<std::int64_t> shape, std::span<const std::int64_t> values);
  std::int64_t element_count() const;
  /// @throws DataError if the dtype is another than asked for.
  std::vector<float> floats() const;
  std::vector<double> doubles() const;
  std::vector<std::int64_t> ints() const;
};

struct SafeTensors {
  std::map<std::string, TensorData> tensors;
  std::map<std::string, std::string> metadata;

  /// @throws DataError naming the nearest tensor (metadata key) that is there.
  const TensorData& tensor(const std::string& name) const;
  const std::string& text(const std::string& key) const;
};

/// Reads a file after checking every rule of the format: header length against the file and a limit of 100 MB, JSON
/// without repeated keys, known dtypes, shapes whose size fits the offsets (checked multiplication), offsets that are
/// in range, contiguous and without overlap or holes, metadata of text only.
/// @throws IoError; FormatError with the byte offset.
SafeTensors read_safetensors(const std::filesystem::path& path);

/// The metadata alone; the arrays are not read. @throws as read_safetensors
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path);

/// Writes all or nothing; tensors by the width of their numbers (so that all are aligned), then by name; the header
/// padded to 8 bytes. @throws IoError; ShapeError if bytes and shape disagree; DataError for text that is not UTF-8.
void write_safetensors(const std::filesystem::path& path, const SafeTensors& content);

}  // namespace noema
