#include "noema/io/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/io/atomic_file.h"
#include "noema/io/system_error.h"

namespace noema {
namespace {

static_assert(std::endian::native == std::endian::little, "the arrays are copied as little-endian bytes");

constexpr std::uint64_t kLongestHeader = 100'000'000;
constexpr std::uint64_t kLengthBytes = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

struct Dtype {
  std::string_view name;
  std::uint64_t bits;
};
constexpr Dtype kDtypes[] = {{"F64", 64}, {"I64", 64},    {"U64", 64},    {"C64", 64},    {"F32", 32},
                             {"I32", 32}, {"U32", 32},    {"F16", 16},    {"BF16", 16},   {"I16", 16},
                             {"U16", 16}, {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I8", 8},
                             {"U8", 8},   {"BOOL", 8},    {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}};

/// Bits of one element; nothing for a dtype that the format does not know.
std::optional<std::uint64_t> bits_of(std::string_view dtype) {
  for (const Dtype& known : kDtypes) {
    if (known.name == dtype) return known.bits;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> product(const std::vector<std::int64_t>& shape) {
  std::uint64_t total = 1;
  for (const std::int64_t length : shape) {
    if (length < 0 || __builtin_mul_overflow(total, static_cast<std::uint64_t>(length), &total)) return std::nullopt;
  }
  return total;
}

struct Size {
  std::uint64_t bytes = 0;
  /// Why there is no size; empty when there is one.
  std::string problem;
};

Size size_of(const std::string& dtype, const std::vector<std::int64_t>& shape) {
  const auto bits = bits_of(dtype);
  if (!bits) return {0, fmt::format("has the unknown dtype '{}'", dtype)};
  auto total = product(shape);
  if (!total || __builtin_mul_overflow(*total, *bits, &*total)) {
    return {0, fmt::format("has the impossible shape [{}]", fmt::join(shape, ", "))};
  }
  if (*total % 8 != 0) {
    return {0, fmt::format("of shape [{}] and dtype {} does not fill whole bytes", fmt::join(shape, ", "), dtype)};
  }
  return {*total / 8, ""};
}

template <class T>
TensorData make_tensor(std::string dtype, std::vector<std::int64_t> shape, std::span<const T> values) {
  TensorData tensor{std::move(dtype), std::move(shape), {}};
  if (tensor.element_count() != static_cast<std::int64_t>(values.size())) {
    throw ShapeError(fmt::format("{} values for a tensor of shape [{}]", values.size(), fmt::join(tensor.shape, ", ")));
  }
  const auto bytes = std::as_bytes(values);
  tensor.bytes.assign(bytes.begin(), bytes.end());
  return tensor;
}

template <class T>
std::vector<T> values_of(const TensorData& tensor, std::string_view dtype) {
  if (tensor.dtype != dtype) {
    throw DataError(fmt::format("found a tensor of dtype {}, expected {}", tensor.dtype, dtype));
  }
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(T));
  return values;
}

template <class Value>
const Value& find(const std::map<std::string, Value>& map, const std::string& name, std::string_view what) {
  const auto found = map.find(name);
  if (found != map.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [key, value] : map) names.push_back(key);
  const auto nearest = nearest_match(name, names);
  throw DataError(fmt::format("no {} '{}'; {}", what, name,
                              names.empty() ? "there is none at all"
                              : nearest     ? fmt::format("the nearest is '{}'", *nearest)
                                            : fmt::format("there are {}", fmt::join(names, ", "))));
}

/// Where a tensor's bytes lie in the data, which begins after the header.
struct Entry {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Reads and checks everything but the data.
class Header {
 public:
  explicit Header(const std::filesystem::path& path) : path_(path), file_(path, std::ios::binary) {
    if (!file_) throw system_error(path, "read", errno);
    std::error_code error;
    file_bytes_ = std::filesystem::file_size(path, error);
    if (error) throw system_error(path, "read", error.value());
    read_text();
    parse();
    check_layout();
  }

  const std::vector<Entry>& entries() const { return entries_; }
  std::map<std::string, std::string>& metadata() { return metadata_; }

  TensorData read_tensor(const Entry& entry) {
    TensorData tensor{entry.dtype, entry.shape, std::vector<std::byte>(entry.end - entry.begin)};
    file_.seekg(static_cast<std::streamoff>(data_begin() + entry.begin));
    file_.read(reinterpret_cast<char*>(tensor.bytes.data()), static_cast<std::streamsize>(tensor.bytes.size()));
    if (!file_) throw IoError(path_, fmt::format("reading the tensor '{}' failed", entry.name));
    return tensor;
  }

 private:
  std::uint64_t data_begin() const { return kLengthBytes + text_.size(); }
  std::uint64_t data_bytes() const { return file_bytes_ - data_begin(); }

  [[noreturn]] void fail(std::uint64_t offset, const std::string& message) const {
    throw FormatError(path_, static_cast<std::int64_t>(offset), message);
  }

  /// The byte where a key of the header stands, for messages.
  std::uint64_t place_of(const std::string& name) const {
    const auto place = text_.find(nlohmann::json(name).dump());
    return kLengthBytes + (place == std::string::npos ? 0 : place);
  }

  [[noreturn]] void fail_at(const std::string& name, const std::string& message) const {
    fail(place_of(name), fmt::format("the tensor '{}' {}", name, message));
  }

  void read_text() {
    if (file_bytes_ < kLengthBytes) {
      fail(0, fmt::format("{} bytes are too few for a safetensors file, which begins with a length of 8 bytes",
                          file_bytes_));
    }
    std::uint64_t length = 0;
    file_.read(reinterpret_cast<char*>(&length), sizeof length);
    if (!file_) throw IoError(path_, "reading the length of the header failed");
    if (length > kLongestHeader) {
      fail(0, fmt::format("a header of {} bytes (at most {} are allowed); this is no safetensors file", length,
                          kLongestHeader));
    }
    if (length > file_bytes_ - kLengthBytes) {
      fail(0, fmt::format("a header of {} bytes in a file of {}; the file is cut off or no safetensors file", length,
                          file_bytes_));
    }
    text_.resize(length);
    file_.read(text_.data(), static_cast<std::streamsize>(length));
    if (!file_) throw IoError(path_, "reading the header failed");
    if (text_.empty() || text_[0] != '{') fail(kLengthBytes, "the header does not begin with '{'");
  }

  void parse() {
    // The parser keeps the last of repeated keys, so they are looked for on the way.
    std::vector<std::set<std::string>> keys;
    const auto watch = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
      using Event = nlohmann::json::parse_event_t;
      if (depth > 3) fail(kLengthBytes, "the header is nested more deeply than the format allows");
      if (event == Event::object_start) keys.emplace_back();
      if (event == Event::object_end) keys.pop_back();
      if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
        fail(place_of(parsed.get<std::string>()),
             fmt::format("the key '{}' stands twice in the header", parsed.get<std::string>()));
      }
      return true;
    };
    nlohmann::json header;
    try {
      header = nlohmann::json::parse(text_, watch);
    } catch (const nlohmann::json::parse_error& error) {
      fail(kLengthBytes + (error.byte > 0 ? error.byte - 1 : 0),
           fmt::format("the header is no JSON: {}", error.what()));
    }
    for (const auto& [name, value] : header.items()) {
      if (name == kMetadataKey) {
        read_metadata(value);
      } else {
        read_entry(name, value);
      }
    }
  }

  void read_metadata(const nlohmann::json& object) {
    const std::string key(kMetadataKey);
    if (!object.is_object()) fail(place_of(key), "the metadata are no JSON object");
    for (const auto& [name, value] : object.items()) {
      if (!value.is_string()) {
        fail(place_of(name), fmt::format("the metadata '{}' are {}, expected text", name, value.type_name()));
      }
      metadata_[name] = value.get<std::string>();
    }
  }

  void read_entry(const std::string& name, const nlohmann::json& value) {
    if (!value.is_object()) fail_at(name, fmt::format("is described by {}, expected an object", value.type_name()));
    for (const char* key : {"dtype", "shape", "data_offsets"}) {
      if (!value.contains(key)) fail_at(name, fmt::format("has no '{}'", key));
    }
    if (!value["dtype"].is_string()) fail_at(name, "has a dtype that is no text");
    Entry entry{name, value["dtype"].get<std::string>(), {}, 0, 0};
    for (const std::uint64_t length : read_numbers(name, value, "shape")) {
      if (length > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        fail_at(name, "has a length beyond 64 bits");
      }
      entry.shape.push_back(static_cast<std::int64_t>(length));
    }
    const auto offsets = read_numbers(name, value, "data_offsets");
    if (offsets.size() != 2) fail_at(name, fmt::format("has {} data_offsets, expected 2", offsets.size()));
    entry.begin = offsets[0];
    entry.end = offsets[1];
    check_size(entry);
    entries_.push_back(std::move(entry));
  }

  std::vector<std::uint64_t> read_numbers(const std::string& name, const nlohmann::json& value, const char* key) const {
    const nlohmann::json& list = value[key];
    if (!list.is_array()) fail_at(name, fmt::format("has a '{}' that is no list", key));
    std::vector<std::uint64_t> numbers;
    for (const nlohmann::json& number : list) {
      if (!number.is_number_unsigned()) {
        fail_at(name, fmt::format("has {} in '{}', expected whole numbers from 0", number.dump(), key));
      }
      numbers.push_back(number.get<std::uint64_t>());
    }
    return numbers;
  }

  void check_size(const Entry& entry) const {
    if (entry.begin > entry.end || entry.end > data_bytes()) {
      fail_at(entry.name, fmt::format("has the offsets {} to {} in data of {} bytes; the file is cut off or damaged",
                                      entry.begin, entry.end, data_bytes()));
    }
    const Size size = size_of(entry.dtype, entry.shape);
    if (!size.problem.empty()) fail_at(entry.name, size.problem);
    if (size.bytes != entry.end - entry.begin) {
      fail_at(entry.name, fmt::format("has {} bytes by its offsets, expected {} for {} [{}]", entry.end - entry.begin,
                                      size.bytes, entry.dtype, fmt::join(entry.shape, ", ")));
    }
  }

  /// The tensors must follow each other without gap or overlap and fill the file.
  void check_layout() {
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    std::uint64_t next = 0;
    for (const Entry& entry : entries_) {
      if (entry.begin != next) {
        fail_at(entry.name, fmt::format("begins at {} of the data, expected {}: {}", entry.begin, next,
                                        entry.begin < next ? "it overlaps another" : "there is a hole before it"));
      }
      next = entry.end;
    }
    if (next != data_bytes()) {
      fail(data_begin() + next, fmt::format("{} bytes follow the last tensor", data_bytes() - next));
    }
  }

  std::filesystem::path path_;
  std::ifstream file_;
  std::uint64_t file_bytes_ = 0;
  std::string text_;
  std::vector<Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

using NamedTensor = std::pair<const std::string, TensorData>;

/// Widest numbers first, so that every tensor lies at a multiple of its number's size.
std::vector<const NamedTensor*> in_file_order(const SafeTensors& content) {
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& named : content.tensors) {
    const Size size = size_of(named.second.dtype, named.second.shape);
    if (named.first == kMetadataKey) throw UsageError(fmt::format("no tensor may be named '{}'", kMetadataKey));
    if (!size.problem.empty()) throw ShapeError(fmt::format("the tensor '{}' {}", named.first, size.problem));
    if (size.bytes != named.second.bytes.size()) {
      throw ShapeError(fmt::format("the tensor '{}' has {} bytes, expected {} for {} [{}]", named.first,
                                   named.second.bytes.size(), size.bytes, named.second.dtype,
                                   fmt::join(named.second.shape, ", ")));
    }
    order.push_back(&named);
  }
  std::stable_sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    return *bits_of(a->second.dtype) > *bits_of(b->second.dtype);
  });
  return order;
}

std::string header_text(const SafeTensors& content, const std::vector<const NamedTensor*>& order) {
  nlohmann::json header = nlohmann::json::object();
  if (!content.metadata.empty()) header[std::string(kMetadataKey)] = content.metadata;
  std::uint64_t begin = 0;
  for (const NamedTensor* named : order) {
    const TensorData& tensor = named->second;
    const std::uint64_t end = begin + tensor.bytes.size();
    header[named->first] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::type_error&) {
    throw DataError("a name or text of the metadata is not valid UTF-8");
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

TensorData TensorData::from_floats(std::vector<std::int64_t> shape, std::span<const float> values) {
  return make_tensor("F32", std::move(shape), values);
}

TensorData TensorData::from_doubles(std::vector<std::int64_t> shape, std::span<const double> values) {
  return make_tensor("F64", std::move(shape), values);
}

TensorData TensorData::from_ints(std::vector<std::int64_t> shape, std::span<const std::int64_t> values) {
  return make_tensor("I64", std::move(shape), values);
}

std::int64_t TensorData::element_count() const {
  const auto count = product(shape);
  if (!count || *count > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw ShapeError(fmt::format("a tensor cannot have the shape [{}]", fmt::join(shape, ", ")));
  }
  return static_cast<std::int64_t>(*count);
}

std::vector<float> TensorData::floats() const { return values_of<float>(*this, "F32"); }
std::vector<double> TensorData::doubles() const { return values_of<double>(*this, "F64"); }
std::vector<std::int64_t> TensorData::ints() const { return values_of<std::int64_t>(*this, "I64"); }

const TensorData& SafeTensors::tensor(const std::string& name) const { return find(tensors, name, "tensor"); }
const std::string& SafeTensors::text(const std::string& key) const { return find(metadata, key, "metadata key"); }

SafeTensors read_safetensors(const std::filesystem::path& path) {
  Header header(path);
  SafeTensors content;
  content.metadata = std::move(header.metadata());
  for (const Entry& entry : header.entries()) content.tensors[entry.name] = header.read_tensor(entry);
  return content;
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  return std::move(Header(path).metadata());
}

void write_safetensors(const std::filesystem::path& path, const SafeTensors& content) {
  const auto order = in_file_order(content);
  const std::string header = header_text(content, order);
  if (header.size() > kLongestHeader) {
    throw DataError(
        fmt::format("a header of {} bytes is too long; a safetensors file may have {}", header.size(), kLongestHeader));
  }
  const std::uint64_t length = header.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const NamedTensor* named : order) file.write(named->second.bytes);
  file.commit();
}

}  // namespace noema
