#include "noema/io/hdf5.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <span>
#include <utility>

#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/io/system_error.h"

namespace noema::hdf5 {
namespace {

constexpr const char* kDigest = "xxh3";

std::recursive_mutex& library_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

herr_t keep_description(unsigned position, const H5E_error2_t* error, void* text) {
  if (position == 0 && error->desc) *static_cast<std::string*>(text) = error->desc;
  return 0;
}

/// What the library says of its last failure, at its root.
std::string last_error() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_description, &text);
  return text.empty() ? "HDF5 gives no reason" : text;
}

/// The operating system's reason, where the library's text holds one.
std::optional<int> error_number_in(const std::string& text) {
  constexpr std::string_view kMark = "errno = ";
  const auto at = text.find(kMark);
  if (at == std::string::npos) return std::nullopt;
  return std::atoi(text.c_str() + at + kMark.size());
}

[[noreturn]] void fail_writing(const Node& node, const std::string& what) {
  const std::string reason = last_error();
  if (const auto number = error_number_in(reason)) throw system_error(node.file, "written", *number);
  throw IoError(node.file, fmt::format("{} could not be written: {}", what, reason));
}

[[noreturn]] void fail_reading(const Node& node, const std::string& what) {
  const std::string reason = last_error();
  if (const auto number = error_number_in(reason)) throw system_error(node.file, "read", *number);
  throw FormatError(node.file, -1, fmt::format("{} is damaged: {}", what, reason));
}

std::string place(const Node& node, const std::string& name) {
  return fmt::format("'{}{}{}'", node.name, node.name == "/" ? "" : "/", name);
}

template <class T>
hid_t number_type();
template <>
hid_t number_type<float>() {
  return H5T_IEEE_F32LE;
}
template <>
hid_t number_type<double>() {
  return H5T_IEEE_F64LE;
}
template <>
hid_t number_type<std::int64_t>() {
  return H5T_STD_I64LE;
}
template <>
hid_t number_type<std::int32_t>() {
  return H5T_STD_I32LE;
}
template <>
hid_t number_type<std::uint8_t>() {
  return H5T_STD_U8LE;
}

Id text_type(std::size_t length) {
  Id type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, std::max<std::size_t>(length, 1));
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

std::string without_padding(std::string text) {
  text.erase(text.find_last_not_of('\0') + 1);
  return text;
}

Id make_space(const std::vector<std::int64_t>& shape) {
  const std::vector<hsize_t> lengths(shape.begin(), shape.end());
  return {lengths.empty() ? H5Screate(H5S_SCALAR)
                          : H5Screate_simple(static_cast<int>(lengths.size()), lengths.data(), nullptr),
          H5Sclose};
}

std::vector<std::int64_t> shape_of(hid_t space) {
  const int axes = std::max(H5Sget_simple_extent_ndims(space), 0);
  std::vector<hsize_t> lengths(static_cast<std::size_t>(axes));
  H5Sget_simple_extent_dims(space, lengths.data(), nullptr);
  return {lengths.begin(), lengths.end()};
}

std::int64_t element_count(const std::vector<std::int64_t>& shape) {
  std::int64_t total = 1;
  for (const std::int64_t length : shape) total *= length;
  return total;
}

void write_attribute_bytes(const Node& node, hid_t object, const std::string& name, hid_t type, const void* bytes) {
  const Id space = make_space({});
  const Id attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (attribute < 0 || H5Awrite(attribute, type, bytes) < 0) fail_writing(node, place(node, name));
}

void write_text(const Node& node, hid_t object, const std::string& name, const std::string& text) {
  const Id type = text_type(text.size());
  write_attribute_bytes(node, object, name, type, text.c_str());
}

std::string read_text(const Node& node, hid_t object, const std::string& name) {
  const Id attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
  if (attribute < 0) fail_reading(node, fmt::format("the attribute {}", place(node, name)));
  const Id type(H5Aget_type(attribute), H5Tclose);
  const Id space(H5Aget_space(attribute), H5Sclose);
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) > 0 || H5Sget_simple_extent_npoints(space) != 1) {
    throw FormatError(node.file, -1, fmt::format("the attribute {} is no text of fixed length", place(node, name)));
  }
  std::string text(H5Tget_size(type), '\0');
  if (H5Aread(attribute, type, text.data()) < 0) fail_reading(node, fmt::format("the attribute {}", place(node, name)));
  return without_padding(std::move(text));
}

/// Equal content shall give equal bytes, so nothing is stamped with the time.
Id creation(hid_t of_what) {
  Id properties(H5Pcreate(of_what), H5Pclose);
  H5Pset_obj_track_times(properties, false);
  return properties;
}

void write_dataset(const Node& node, const std::string& name, const std::vector<std::int64_t>& shape, hid_t type,
                   std::span<const std::byte> bytes, std::int64_t chunk_rows) {
  const Id properties = creation(H5P_DATASET_CREATE);
  if (chunk_rows > 0 && element_count(shape) > 0) {
    std::vector<hsize_t> chunk(shape.begin(), shape.end());
    chunk[0] = static_cast<hsize_t>(std::min(chunk_rows, shape[0]));
    if (H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data()) < 0 ||
        H5Pset_fletcher32(properties) < 0) {
      fail_writing(node, place(node, name));
    }
  }
  const Id space = make_space(shape);
  const Id set(H5Dcreate2(node.id, name.c_str(), type, space, H5P_DEFAULT, properties, H5P_DEFAULT), H5Dclose);
  if (set < 0) fail_writing(node, place(node, name));
  if (!bytes.empty() && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) {
    fail_writing(node, place(node, name));
  }
  write_text(node, set, kDigest, hash_bytes(bytes));
}

/// An array of a file opened for reading, its claims checked before anything is allocated by them.
struct Source {
  Id set;
  Id type;
  std::vector<std::int64_t> shape;
};

Source open_source(const Node& node, const std::string& name) {
  if (H5Lexists(node.id, name.c_str(), H5P_DEFAULT) <= 0) {
    throw FormatError(node.file, -1, fmt::format("has no array {}", place(node, name)));
  }
  Source source{{H5Dopen2(node.id, name.c_str(), H5P_DEFAULT), H5Dclose}, {}, {}};
  if (source.set < 0) fail_reading(node, place(node, name));
  source.type = Id(H5Dget_type(source.set), H5Tclose);
  const Id space(H5Dget_space(source.set), H5Sclose);
  source.shape = shape_of(space);
  const hsize_t stored = std::min<hsize_t>(H5Dget_storage_size(source.set), std::filesystem::file_size(node.file));
  const hssize_t elements = H5Sget_simple_extent_npoints(space);
  if (elements < 0 || static_cast<hsize_t>(elements) > stored / std::max<std::size_t>(H5Tget_size(source.type), 1)) {
    throw FormatError(node.file, -1,
                      fmt::format("{} has the shape [{}] but only {} bytes", place(node, name),
                                  fmt::join(source.shape, ", "), stored));
  }
  return source;
}

void check_digest(const Node& node, const Source& source, const std::string& name, std::span<const std::byte> bytes) {
  if (hash_bytes(bytes) == read_text(node, source.set, kDigest)) return;
  throw FormatError(
      node.file, -1,
      fmt::format("{} is damaged: its content does not fit its checksum; make the file again", place(node, name)));
}

void read_all(const Node& node, const Source& source, const std::string& name, std::span<std::byte> bytes) {
  if (!bytes.empty() && H5Dread(source.set, source.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) {
    fail_reading(node, place(node, name));
  }
  check_digest(node, source, name, bytes);
}

template <class T>
void check_type(const Node& node, const Source& source, const std::string& name) {
  if (H5Tequal(source.type, number_type<T>()) > 0) return;
  throw FormatError(node.file, -1,
                    fmt::format("{} has another type of number than its schema says", place(node, name)));
}

std::vector<std::string> attribute_names(const Node& node) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5A_info_t*, void* list) -> herr_t {
    static_cast<std::vector<std::string>*>(list)->emplace_back(name);
    return 0;
  };
  if (H5Aiterate2(node.id, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names) < 0) {
    fail_reading(node, fmt::format("'{}'", node.name));
  }
  return names;
}

std::string attribute_bytes(const Node& node, const std::string& name) {
  const Id attribute(H5Aopen(node.id, name.c_str(), H5P_DEFAULT), H5Aclose);
  const Id type(H5Aget_type(attribute), H5Tclose);
  std::string bytes(static_cast<std::size_t>(H5Aget_storage_size(attribute)), '\0');
  if (attribute < 0 || H5Tis_variable_str(type) > 0 || H5Aread(attribute, type, bytes.data()) < 0) {
    fail_reading(node, fmt::format("the attribute {}", place(node, name)));
  }
  return bytes;
}

std::string group_digest(const Node& group) {
  Hasher hasher;
  for (const std::string& name : attribute_names(group)) {
    if (name != kDigest) hasher.add(name).add("\n").add(attribute_bytes(group, name)).add("\n");
  }
  for (const std::string& name : members(group)) {
    const Id member(H5Oopen(group.id, name.c_str(), H5P_DEFAULT), H5Oclose);
    if (member < 0) fail_reading(group, place(group, name));
    hasher.add(name).add("\n").add(read_text(group, member, kDigest)).add("\n");
  }
  return hasher.digest();
}

/// Locks are of no use (files are written under another name and never changed), and fail on some network disks. The
/// newer format has checksums of its own structure.
Id file_access() {
  Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_file_locking(access, 0, 1);
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
  return access;
}

}  // namespace

Session::Session() : lock_(library_mutex()) {
  // Every file is closed before the process ends. The library's own clean-up at the exit would stumble over damaged
  // files and full disks: it prints, or crashes.
  static const herr_t without_clean_up = H5dont_atexit();
  (void)without_clean_up;
  H5Eget_auto2(H5E_DEFAULT, &printer_, &printer_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Session::~Session() { H5Eset_auto2(H5E_DEFAULT, printer_, printer_data_); }

Id::~Id() {
  if (id_ < 0 || !close_) return;
  const Session session;
  close_(id_);
}

Id::Id(Id&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}

Id& Id::operator=(Id&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(close_, other.close_);
  return *this;
}

Node create_file(const std::filesystem::path& path, const std::filesystem::path& shown) {
  const Id access = file_access(), properties = creation(H5P_FILE_CREATE);
  Node node{{H5Fcreate(path.c_str(), H5F_ACC_TRUNC, properties, access), H5Fclose}, shown, "/"};
  if (node.id < 0) fail_writing(node, "the file");
  return node;
}

Node open_file(const std::filesystem::path& path) {
  if (!std::ifstream(path, std::ios::binary)) throw system_error(path, "read", errno);
  if (H5Fis_hdf5(path.c_str()) <= 0) throw FormatError(path, 0, "is no HDF5 file");
  const Id access = file_access();
  Node node{{H5Fopen(path.c_str(), H5F_ACC_RDONLY, access), H5Fclose}, path, "/"};
  if (node.id < 0) fail_reading(node, "the file");
  return node;
}

void close_file(Node& file) {
  if (H5Fflush(file.id, H5F_SCOPE_LOCAL) < 0) fail_writing(file, "the file");
  if (H5Fclose(file.id.release()) < 0) fail_writing(file, "the file");
}

Node create_group(const Node& parent, const std::string& name) {
  const Id properties = creation(H5P_GROUP_CREATE);
  Node node{{H5Gcreate2(parent.id, name.c_str(), H5P_DEFAULT, properties, H5P_DEFAULT), H5Gclose},
            parent.file,
            parent.name + (parent.name == "/" ? "" : "/") + name};
  if (node.id < 0) fail_writing(parent, place(parent, name));
  return node;
}

Node open_group(const Node& parent, const std::string& name) {
  if (H5Lexists(parent.id, name.c_str(), H5P_DEFAULT) <= 0) {
    throw FormatError(parent.file, -1, fmt::format("has no group {}", place(parent, name)));
  }
  Node node{{H5Gopen2(parent.id, name.c_str(), H5P_DEFAULT), H5Gclose},
            parent.file,
            parent.name + (parent.name == "/" ? "" : "/") + name};
  if (node.id < 0) fail_reading(parent, place(parent, name));
  return node;
}

std::vector<std::string> members(const Node& group) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* list) -> herr_t {
    static_cast<std::vector<std::string>*>(list)->emplace_back(name);
    return 0;
  };
  if (H5Literate(group.id, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names) < 0) {
    fail_reading(group, fmt::format("'{}'", group.name));
  }
  return names;
}

void write_attribute(const Node& node, const std::string& name, const std::string& text) {
  write_text(node, node.id, name, text);
}

void write_attribute(const Node& node, const std::string& name, double number) {
  write_attribute_bytes(node, node.id, name, H5T_IEEE_F64LE, &number);
}

bool has_attribute(const Node& node, const std::string& name) { return H5Aexists(node.id, name.c_str()) > 0; }

std::string read_text_attribute(const Node& node, const std::string& name) { return read_text(node, node.id, name); }

double read_number_attribute(const Node& node, const std::string& name) {
  const Id attribute(H5Aopen(node.id, name.c_str(), H5P_DEFAULT), H5Aclose);
  if (attribute < 0) fail_reading(node, fmt::format("the attribute {}", place(node, name)));
  const Id type(H5Aget_type(attribute), H5Tclose);
  const Id space(H5Aget_space(attribute), H5Sclose);
  double number = 0;
  if (H5Tequal(type, H5T_IEEE_F64LE) <= 0 || H5Sget_simple_extent_npoints(space) != 1 ||
      H5Aread(attribute, H5T_IEEE_F64LE, &number) < 0) {
    throw FormatError(node.file, -1, fmt::format("the attribute {} is no number of 64 bits", place(node, name)));
  }
  return number;
}

template <class T>
void write_array(const Node& node, const std::string& name, const std::vector<std::int64_t>& shape, const T* values,
                 std::int64_t chunk_rows) {
  const auto bytes = std::as_bytes(std::span(values, static_cast<std::size_t>(element_count(shape))));
  write_dataset(node, name, shape, number_type<T>(), bytes, chunk_rows);
}

void write_texts(const Node& node, const std::string& name, const std::vector<std::string>& texts) {
  std::size_t longest = 1;
  for (const std::string& text : texts) longest = std::max(longest, text.size());
  std::string padded(texts.size() * longest, '\0');
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i].copy(padded.data() + i * longest, longest);
  const Id type = text_type(longest);
  write_dataset(node, name, {static_cast<std::int64_t>(texts.size())}, type, std::as_bytes(std::span(padded)), 0);
}

std::vector<std::int64_t> array_shape(const Node& node, const std::string& name) {
  return open_source(node, name).shape;
}

template <class T>
Array<T> read_array(const Node& node, const std::string& name) {
  const Source source = open_source(node, name);
  check_type<T>(node, source, name);
  Array<T> array{source.shape, std::vector<T>(static_cast<std::size_t>(element_count(source.shape)))};
  read_all(node, source, name, std::as_writable_bytes(std::span(array.values)));
  return array;
}

std::vector<std::string> read_texts(const Node& node, const std::string& name) {
  const Source source = open_source(node, name);
  if (H5Tget_class(source.type) != H5T_STRING || H5Tis_variable_str(source.type) > 0 || source.shape.size() != 1) {
    throw FormatError(node.file, -1, fmt::format("{} is no list of texts of fixed length", place(node, name)));
  }
  const std::size_t length = H5Tget_size(source.type);
  std::string padded(static_cast<std::size_t>(source.shape[0]) * length, '\0');
  read_all(node, source, name, std::as_writable_bytes(std::span(padded)));
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < padded.size(); i += length) texts.push_back(without_padding(padded.substr(i, length)));
  return texts;
}

template <class T>
void read_rows(const Node& node, const std::string& name, std::int64_t first, std::int64_t count, T* values) {
  const Source source = open_source(node, name);
  check_type<T>(node, source, name);
  if (source.shape.size() != 2) throw FormatError(node.file, -1, fmt::format("{} is no matrix", place(node, name)));
  if (count == 0 || source.shape[1] == 0) return;
  const hsize_t start[2] = {static_cast<hsize_t>(first), 0};
  const hsize_t lengths[2] = {static_cast<hsize_t>(count), static_cast<hsize_t>(source.shape[1])};
  const Id in_file(H5Dget_space(source.set), H5Sclose);
  const Id in_memory(H5Screate_simple(2, lengths, nullptr), H5Sclose);
  if (H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, nullptr, lengths, nullptr) < 0 ||
      H5Dread(source.set, source.type, in_memory, in_file, H5P_DEFAULT, values) < 0) {
    fail_reading(node, place(node, name));
  }
}

void seal(const Node& group) { write_attribute(group, kDigest, group_digest(group)); }

void check_seal(const Node& group) {
  if (group_digest(group) == read_text_attribute(group, kDigest)) return;
  throw FormatError(group.file, -1,
                    fmt::format("'{}' is damaged: it does not fit its checksum; make the file again", group.name));
}

template void write_array(const Node&, const std::string&, const std::vector<std::int64_t>&, const float*,
                          std::int64_t);
template void write_array(const Node&, const std::string&, const std::vector<std::int64_t>&, const double*,
                          std::int64_t);
template void write_array(const Node&, const std::string&, const std::vector<std::int64_t>&, const std::int64_t*,
                          std::int64_t);
template void write_array(const Node&, const std::string&, const std::vector<std::int64_t>&, const std::int32_t*,
                          std::int64_t);
template void write_array(const Node&, const std::string&, const std::vector<std::int64_t>&, const std::uint8_t*,
                          std::int64_t);
template Array<float> read_array(const Node&, const std::string&);
template Array<double> read_array(const Node&, const std::string&);
template Array<std::int64_t> read_array(const Node&, const std::string&);
template Array<std::int32_t> read_array(const Node&, const std::string&);
template Array<std::uint8_t> read_array(const Node&, const std::string&);
template void read_rows(const Node&, const std::string&, std::int64_t, std::int64_t, float*);

}  // namespace noema::hdf5
