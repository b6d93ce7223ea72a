#include <fmt/format.h>
#include <fmt/ranges.h>

#include "noema/core/base64.h"
#include "noema/core/error.h"
#include "noema/io/atomic_file.h"
#include "noema/io/gifti.h"
#include "noema/io/gifti_values.h"
#include "noema/io/label_xml.h"
#include "noema/io/nifti_values.h"
#include "noema/io/xml.h"

namespace noema {
namespace {

constexpr std::int64_t kMostBytes = (std::int64_t{1} << 32) - 1;  // ISA-L counts in 32 bits

std::string_view encoding_name(GiftiEncoding encoding) {
  switch (encoding) {
    case GiftiEncoding::ascii:
      return "ASCII";
    case GiftiEncoding::base64:
      return "Base64Binary";
    case GiftiEncoding::gzip:
      return "GZipBase64Binary";
  }
  return "";
}

void add_metadata(pugi::xml_node parent, const std::map<std::string, std::string>& metadata) {
  pugi::xml_node node = add_element(parent, "MetaData");
  for (const auto& [name, value] : metadata) {
    pugi::xml_node entry = add_element(node, "MD");
    add_element(entry, "Name", name);
    add_element(entry, "Value", value);
  }
}

NiftiType checked_type(const std::filesystem::path& path, const GiftiArray& array) {
  const auto type = gifti_type(array.type);
  if (!type) {
    throw UsageError(
        fmt::format("'{}' cannot be written: found the type '{}', expected uint8, int32, float32 or float64",
                    path.string(), array.type));
  }
  std::int64_t count = array.shape.empty() ? 0 : 1;
  for (const std::int64_t length : array.shape) count *= length;
  if (count < 1 || count != static_cast<std::int64_t>(array.values.size()) || count * bytes_of(*type) > kMostBytes) {
    throw ShapeError(fmt::format("'{}' cannot be written: an array of {} has {} values (at most 4 GiB)", path.string(),
                                 fmt::join(array.shape, " × "), array.values.size()));
  }
  return *type;
}

std::string data_text(const std::filesystem::path& path, const GiftiArray& array, NiftiType type,
                      GiftiEncoding encoding) {
  if (encoding == GiftiEncoding::ascii) return fmt::format("{}", fmt::join(array.values, "\n"));
  std::vector<std::byte> bytes(array.values.size() * static_cast<std::size_t>(bytes_of(type)));
  const auto count = static_cast<std::int64_t>(array.values.size());
  const std::int64_t written = value_encoder<double>(type, false)(array.values.data(), 1, count, {}, bytes.data());
  if (written < count) {
    throw DataError(fmt::format("'{}' cannot be written: {} cannot hold {}", path.string(), array.type,
                                array.values[static_cast<std::size_t>(written)]));
  }
  return to_base64(encoding == GiftiEncoding::gzip ? deflate_zlib(bytes) : bytes);
}

void add_array(const std::filesystem::path& path, pugi::xml_node root, const GiftiArray& array,
               GiftiEncoding encoding) {
  const NiftiType type = checked_type(path, array);
  std::string type_name = to_string(type);
  for (char& letter : type_name) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  pugi::xml_node node = add_element(root, "DataArray");
  set_attribute(node, "Intent", gifti_intent_name(array.intent));
  set_attribute(node, "DataType", "NIFTI_TYPE_" + type_name);
  set_attribute(node, "ArrayIndexingOrder", "RowMajorOrder");
  set_attribute(node, "Dimensionality", static_cast<std::int64_t>(array.shape.size()));
  for (std::size_t axis = 0; axis < array.shape.size(); ++axis) {
    set_attribute(node, fmt::format("Dim{}", axis).c_str(), array.shape[axis]);
  }
  set_attribute(node, "Encoding", encoding_name(encoding));
  set_attribute(node, "Endian", "LittleEndian");
  set_attribute(node, "ExternalFileName", "");
  set_attribute(node, "ExternalFileOffset", "");
  add_metadata(node, array.metadata);
  if (array.intent == static_cast<int>(GiftiIntent::pointset)) {
    pugi::xml_node transform = add_element(node, "CoordinateSystemTransformMatrix");
    add_element(transform, "DataSpace", "NIFTI_XFORM_UNKNOWN");
    add_element(transform, "TransformedSpace", "NIFTI_XFORM_UNKNOWN");
    add_element(transform, "MatrixData", "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1");
  }
  add_element(node, "Data", data_text(path, array, type, encoding));
}

}  // namespace

void write_gifti(const std::filesystem::path& path, const Gifti& gifti, GiftiEncoding encoding) {
  const std::string name = path.filename().string();
  if (name.size() <= 4 || !name.ends_with(".gii")) {
    throw UsageError(fmt::format("'{}': the name of a GIFTI file must end in .gii", path.string()));
  }
  pugi::xml_document document;
  pugi::xml_node root = add_element(document, "GIFTI");
  set_attribute(root, "Version", "1.0");
  set_attribute(root, "NumberOfDataArrays", static_cast<std::int64_t>(gifti.arrays.size()));
  add_metadata(root, gifti.metadata);
  add_label_table(root, gifti.labels);
  for (const GiftiArray& array : gifti.arrays) add_array(path, root, array, encoding);
  write_file(path, to_text(document, true));
}

}  // namespace noema
