#include <fmt/format.h>

#include <bit>
#include <string_view>

#include "noema/core/base64.h"
#include "noema/core/error.h"
#include "noema/io/gifti.h"
#include "noema/io/gifti_values.h"
#include "noema/io/label_xml.h"
#include "noema/io/nifti_values.h"
#include "noema/io/text_file.h"
#include "noema/io/xml.h"

namespace noema {
namespace {

constexpr std::int64_t kLongestAxis = std::int64_t{1} << 40;
constexpr std::int64_t kMostValues = std::int64_t{1} << 32;

std::map<std::string, std::string> metadata_of(pugi::xml_node node) {
  std::map<std::string, std::string> metadata;
  for (const pugi::xml_node entry : node.child("MetaData").children("MD")) {
    metadata[entry.child("Name").child_value()] = entry.child("Value").child_value();
  }
  return metadata;
}

class Parser {
 public:
  Parser(const std::filesystem::path& path, std::string_view text) : xml_(path, "the XML of GIFTI", "GIFTI", text) {}

  void parse(Gifti& gifti) const {
    gifti.metadata = metadata_of(xml_.root());
    if (const pugi::xml_node table = xml_.root().child("LabelTable")) gifti.labels = parse_labels(xml_, table);
    for (const pugi::xml_node node : xml_.root().children("DataArray")) gifti.arrays.push_back(array_of(node));
    const std::int64_t announced = xml_.integer(xml_.root(), "NumberOfDataArrays", 0, kMostValues);
    if (announced != static_cast<std::int64_t>(gifti.arrays.size())) {
      xml_.refuse(xml_.root(), fmt::format("found {} data arrays, expected as many as NumberOfDataArrays says, {}",
                                           gifti.arrays.size(), announced));
    }
  }

 private:
  std::vector<std::int64_t> shape_of(pugi::xml_node node) const {
    const std::int64_t axes = xml_.integer(node, "Dimensionality", 1, 6);
    std::vector<std::int64_t> shape;
    __int128 count = 1;
    for (std::int64_t axis = 0; axis < axes; ++axis) {
      shape.push_back(xml_.integer(node, fmt::format("Dim{}", axis).c_str(), 1, kLongestAxis));
      count *= shape.back();
      if (count > kMostValues) xml_.refuse(node, "the lengths of its axes multiply to more values than any mesh has");
    }
    while (shape.size() > 1 && shape.back() == 1) shape.pop_back();
    return shape;
  }

  bool is_big_endian(pugi::xml_node node) const {
    const std::string endian = xml_.text(node, "Endian");
    if (endian != "LittleEndian" && endian != "BigEndian") {
      xml_.refuse(node, fmt::format("found Endian '{}', expected LittleEndian or BigEndian", endian));
    }
    return endian == "BigEndian";
  }

  std::vector<double> decode(pugi::xml_node node, NiftiType type, std::int64_t count, bool compressed) const {
    const std::int64_t size = count * bytes_of(type);
    auto bytes = from_base64(xml_.only(node, "Data").child_value());
    if (!bytes) xml_.refuse(node, "its data is no base64 text; the file is damaged: copy or download it again");
    if (compressed) {
      const std::size_t packed = bytes->size();
      bytes = inflate_zlib(*bytes, size);
      if (!bytes) {
        xml_.refuse(node, fmt::format("its {} compressed bytes do not inflate to {} values of {}", packed, count,
                                      to_string(type)));
      }
    }
    if (static_cast<std::int64_t>(bytes->size()) != size) {
      xml_.refuse(node, fmt::format("found {} bytes, expected {} ({} values of {})", bytes->size(), size, count,
                                    to_string(type)));
    }
    std::vector<double> values(static_cast<std::size_t>(count));
    const bool swap = is_big_endian(node) == (std::endian::native == std::endian::little);
    value_decoder<double>(type, swap, {})(bytes->data(), count, {}, values.data(), 1);
    return values;
  }

  std::vector<double> values_of(pugi::xml_node node, NiftiType type, std::int64_t count) const {
    const std::string encoding = xml_.text(node, "Encoding");
    if (encoding == "Base64Binary") return decode(node, type, count, false);
    if (encoding == "GZipBase64Binary") return decode(node, type, count, true);
    if (encoding == "ExternalFileBinary") {
      xml_.refuse(node,
                  "its data is in another file, which is not read; convert it to one file (wb_command "
                  "-gifti-convert GZIP_BASE64_BINARY)");
    }
    if (encoding != "ASCII") {
      xml_.refuse(node, fmt::format("found Encoding '{}', expected ASCII, Base64Binary or GZipBase64Binary", encoding));
    }
    const pugi::xml_node data = xml_.only(node, "Data");
    std::vector<double> values = xml_.numbers(data);
    if (static_cast<std::int64_t>(values.size()) != count) {
      xml_.refuse(node, fmt::format("found {} numbers, expected {}", values.size(), count));
    }
    return values;
  }

  bool has_transform(pugi::xml_node node) const {
    const pugi::xml_node matrix = node.child("CoordinateSystemTransformMatrix").child("MatrixData");
    if (!matrix) return false;
    const std::vector<double> numbers = xml_.numbers(matrix);
    if (numbers.size() != 16) xml_.refuse(matrix, fmt::format("found {} numbers, expected 16", numbers.size()));
    using Matrix = Eigen::Matrix<double, 4, 4, Eigen::RowMajor>;
    return !Eigen::Map<const Matrix>(numbers.data()).isIdentity(1e-6);
  }

  GiftiArray array_of(pugi::xml_node node) const {
    GiftiArray array;
    const std::string intent = xml_.text(node, "Intent");
    const auto code = gifti_intent(intent);
    if (!code) xml_.refuse(node, fmt::format("found Intent '{}', expected one of NIfTI's", intent));
    array.intent = *code;
    std::string type_name = xml_.text(node, "DataType");
    if (type_name.starts_with("NIFTI_TYPE_")) type_name.erase(0, 11);
    for (char& letter : type_name) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    const auto type = gifti_type(type_name);
    if (!type) {
      xml_.refuse(node, fmt::format("found DataType '{}', expected NIFTI_TYPE_UINT8, INT32, FLOAT32 or FLOAT64",
                                    xml_.text(node, "DataType")));
    }
    array.type = type_name;
    array.shape = shape_of(node);
    std::int64_t count = 1;
    for (const std::int64_t length : array.shape) count *= length;
    array.values = values_of(node, *type, count);
    const std::string order = xml_.text(node, "ArrayIndexingOrder");
    if (order == "ColumnMajorOrder") {
      array.values = to_row_major(array.values, array.shape);
    } else if (order != "RowMajorOrder") {
      xml_.refuse(node,
                  fmt::format("found ArrayIndexingOrder '{}', expected RowMajorOrder or ColumnMajorOrder", order));
    }
    array.has_transform = has_transform(node);
    array.metadata = metadata_of(node);
    return array;
  }

  XmlText xml_;
};

}  // namespace

Gifti read_gifti(const std::filesystem::path& path) {
  Gifti gifti;
  gifti.path = path;
  Parser(path, read_text_file(path)).parse(gifti);
  return gifti;
}

}  // namespace noema
