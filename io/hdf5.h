// io/hdf5: the little of HDF5 that the sample store needs: arrays with checksums, texts and attributes, errors as ours.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace noema::hdf5 {

/// Every call of HDF5 must be made while one of these lives: the library is not safe to use from several threads, and
/// would print its errors. Restores what the process had set for the printing.
class Session {
 public:
  Session();
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  std::unique_lock<std::recursive_mutex> lock_;
  H5E_auto2_t printer_ = nullptr;
  void* printer_data_ = nullptr;
};

/// An identifier of the library, closed when it goes. Move-only.
class Id {
 public:
  Id() = default;
  Id(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Id();
  Id(Id&& other) noexcept;
  Id& operator=(Id&& other) noexcept;

  operator hid_t() const { return id_; }
  /// Hands the identifier over: the caller closes it.
  hid_t release() { return std::exchange(id_, -1); }

 private:
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

/// An open file or group, and its names for messages.
struct Node {
  Id id;
  std::filesystem::path file;
  std::string name;
};

/// A row-major array; a shape without lengths is a scalar.
template <class T>
struct Array {
  std::vector<std::int64_t> shape;
  std::vector<T> values;
};

/// Makes the file, or empties it; messages name it `shown`. @throws IoError
Node create_file(const std::filesystem::path& path, const std::filesystem::path& shown);
/// Opens for reading. @throws IoError; FormatError for a file that is not HDF5, cut off or damaged.
Node open_file(const std::filesystem::path& path);
/// Writes what is still in memory, and closes. @throws IoError
void close_file(Node& file);

Node create_group(const Node& parent, const std::string& name);
/// @throws FormatError, as all that reads.
Node open_group(const Node& parent, const std::string& name);
/// The names of the groups and arrays in it, ascending.
std::vector<std::string> members(const Node& group);

void write_attribute(const Node& node, const std::string& name, const std::string& text);
void write_attribute(const Node& node, const std::string& name, double number);
bool has_attribute(const Node& node, const std::string& name);
std::string read_text_attribute(const Node& node, const std::string& name);
double read_number_attribute(const Node& node, const std::string& name);

/// Writes an array in little-endian bytes, with their fingerprint as the attribute `xxh3`.
/// T: float, double, std::int64_t, std::int32_t or std::uint8_t.
///
/// @param chunk_rows 0: in one piece. Else in pieces of so many rows, each with a checksum that HDF5 itself tests.
template <class T>
void write_array(const Node& node, const std::string& name, const std::vector<std::int64_t>& shape, const T* values,
                 std::int64_t chunk_rows = 0);
/// Texts of equal length on disk, padded with zero bytes; otherwise as `write_array`.
void write_texts(const Node& node, const std::string& name, const std::vector<std::string>& texts);

/// The shape alone.
std::vector<std::int64_t> array_shape(const Node& node, const std::string& name);
/// Reads all of an array. @throws FormatError for another type of number than T, or if the fingerprint does not fit.
template <class T>
Array<T> read_array(const Node& node, const std::string& name);
std::vector<std::string> read_texts(const Node& node, const std::string& name);
/// Reads rows [first, first + count) of an array of two axes.
template <class T>
void read_rows(const Node& node, const std::string& name, std::int64_t first, std::int64_t count, T* values);

/// Writes the attribute `xxh3` of a complete group: the fingerprint of its attributes and of its members' fingerprints.
void seal(const Node& group);
/// @throws FormatError unless the group's fingerprint fits.
void check_seal(const Node& group);

}  // namespace noema::hdf5
